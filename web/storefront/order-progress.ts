// A booking's journey in words: what has happened, what happens next, and whether it can still change by itself.
import { formatAmount } from "../shared/money";
import type { Booking } from "../shared/types";

export type StepState = "done" | "now" | "waiting" | "failed";

export interface ProgressStep {
  readonly words: string;
  readonly state: StepState;
}

export interface Verdict {
  readonly tone: "progress" | "good" | "warning" | "bad";
  readonly title: string;
  readonly text: string;
}

export function progressSteps(booking: Booking): ProgressStep[] {
  const step = (words: string, state: StepState): ProgressStep => ({ words, state });
  const paid = booking.status === "CONFIRMED";
  const needsAction = booking.next_action !== null;
  return [
    step("Seats secured", "done"),
    step(needsAction ? "Payment needs you" : paid ? "Payment received" : "Payment under way", paid ? "done" : "now"),
    step("Tickets issued", paid ? "done" : "waiting"),
  ];
}

export function verdict(booking: Booking): Verdict {
  if (booking.refund && booking.status !== "CONFIRMED") return refundVerdict(booking);
  switch (booking.status) {
    case "CONFIRMED":
      return { tone: "good", title: "You are going!", text: "Your tickets are below and on their way by e-mail." };
    case "PENDING_PAYMENT":
      return pendingVerdict(booking);
    case "CANCELLING":
      return { tone: "progress", title: "Cancelling…", text: "We are making sure that no money is taken." };
    case "FAILED":
      return failedVerdict(booking);
    case "EXPIRED":
      return {
        tone: "bad",
        title: "The time ran out",
        text: "The payment was not completed in time. You have not been charged and the seats are free again.",
      };
    case "CANCELLED":
      return { tone: "warning", title: "Booking cancelled", text: "Nothing was charged. The seats are free again." };
    default:
      return refundVerdict(booking);
  }
}

const DECLINE_WORDS: Readonly<Record<string, string>> = {
  insufficient_funds: "There is not enough money on that card. ",
  card_declined: "Your bank refuses this card. ",
  expired_card: "That card has expired. ",
  unknown_method: "This way of paying is not known to the bank. ",
};

/** Why the bank said no, where it told us. */
function declineWords(booking: Booking): string {
  return DECLINE_WORDS[booking.payment?.reason ?? ""] ?? "";
}

function pendingVerdict(booking: Booking): Verdict {
  if (booking.next_action?.type === "retry_payment") {
    return {
      tone: "warning",
      title: "Your card was declined",
      text: `${declineWords(booking)}You have not been charged. Your seats stay yours for now: please try another way to pay.`,
    };
  }
  if (booking.next_action?.type === "redirect") {
    return { tone: "progress", title: "Your bank wants to hear from you", text: "Please confirm the payment there." };
  }
  return {
    tone: "progress",
    title: "Your payment is under way",
    text: "Your seats are secured. You may close this page: we will also write to you.",
  };
}

function failedVerdict(booking: Booking): Verdict {
  const declined = booking.payment?.status === "declined";
  return {
    tone: "bad",
    title: declined ? "Your card was declined" : "This booking did not work out",
    text: `${declineWords(booking)}You have not been charged and the seats are free again.`,
  };
}

function refundVerdict(booking: Booking): Verdict {
  const amount = booking.refund ? formatAmount(booking.refund.amount_minor, booking.refund.currency) : "your money";
  if (booking.refund?.status === "done") {
    return { tone: "warning", title: "Money returned", text: `${amount} went back the way you paid.` };
  }
  return {
    tone: "warning",
    title: "Your refund is under way",
    text: `${amount} goes back the way you paid. We will write to you when it is done.`,
  };
}

/** An end state can still turn when a late payment arrives, so it is watched a little longer. */
export function pollAfterMs(booking: Booking, watchedMs: number): number | null {
  const ended = ["CONFIRMED", "EXPIRED", "FAILED", "CANCELLED"].includes(booking.status);
  const refunding = booking.refund?.status === "pending";
  if (ended && !refunding) return booking.status === "FAILED" && watchedMs < 90_000 ? 4_000 : null;
  if (watchedMs < 10_000) return 700;
  return watchedMs < 60_000 ? 2_000 : 5_000;
}

/** Buyers may stop a booking while its payment has not ended. */
export function canAbort(booking: Booking): boolean {
  return booking.status === "PENDING_PAYMENT";
}
