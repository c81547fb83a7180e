// A booking's journey in words: what has happened, what happens next, and whether it can still change by itself.
import { formatAmount } from "../shared/money";
import type { Booking } from "../shared/types";
import { refundWords, stuckWords, validLines } from "./give-back";

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
      return confirmedVerdict(booking);
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
      return cancelledVerdict(booking);
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
    return {
      tone: "progress",
      title: "Your payment is not finished",
      text: "Please complete it on the payment page. Your seats are kept for you meanwhile.",
    };
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

function confirmedVerdict(booking: Booking): Verdict {
  const someGone = validLines(booking).length < booking.seats.length;
  const news = refundWords(booking);
  const late = booking.history.some((entry) => entry.trigger === "RECLAIMED");
  const text = someGone
    ? `You gave some tickets back.${news ? ` ${news}` : ""} Those that you kept are below.`
    : `${late ? "Your payment came late, but your seats were still free. " : ""}Your tickets are below and on their way by e-mail.${news ? ` ${news}` : ""}`;
  return { tone: "good", title: "You are going!", text };
}

/** Cancelled without a refund: before anything was paid, for free, or on terms by which nothing comes back. */
function cancelledVerdict(booking: Booking): Verdict {
  const paid = booking.payment?.status === "captured" && booking.payment.amount_minor > 0;
  return {
    tone: "warning",
    title: eventWasCancelled(booking) ? "The event was cancelled" : "Booking cancelled",
    text: paid
      ? "By the terms of your purchase nothing was returned. Your tickets are no longer valid."
      : `Nothing was charged.${eventWasCancelled(booking) ? "" : " The seats are free again."}`,
  };
}

function refundVerdict(booking: Booking): Verdict {
  const amount = booking.refund ? formatAmount(booking.refund.amount_minor, booking.refund.currency) : "your money";
  const why = refundReason(booking);
  if (booking.refund?.status === "done") {
    return { tone: "warning", title: `${amount} was returned`, text: `${why} The money went back the way you paid.` };
  }
  if (booking.refund?.status === "stuck" || booking.status === "REFUND_STUCK") {
    return { tone: "warning", title: "Your refund needs more time", text: `${why} ${stuckWords(amount)}` };
  }
  return {
    tone: "warning",
    title: `Refund of ${amount} is on its way`,
    text: `${why} The money goes back the way you paid. We will write to you when it is done.`,
  };
}

/** Why money goes back: told by the last thing that set it going. */
function refundReason(booking: Booking): string {
  if (eventWasCancelled(booking)) return "The event was cancelled.";
  if (booking.history.some((entry) => entry.trigger === "CANCELLED_ALL")) return "All tickets were given back.";
  if (booking.history.some((entry) => entry.trigger === "RECLAIM_FAILED")) {
    return "Your payment came too late: the seats were gone by then.";
  }
  return "This booking was cancelled.";
}

export function eventWasCancelled(booking: Booking): boolean {
  return booking.history.some((entry) => entry.trigger.startsWith("EVENT_CANCELLED"));
}

/** For how long the server may keep a question before it answers that nothing has changed. */
export const NEWS_SECONDS = 10;

/**
 * After which pause to ask again; null when nothing more can come. The server answers when there is news, so the first
 * question goes at once. An end state can still turn when a late payment arrives: it is watched a little longer.
 */
export function askAfterMs(booking: Booking, watchedMs: number): number | null {
  const ended = ["CONFIRMED", "EXPIRED", "FAILED", "CANCELLED"].includes(booking.status);
  const refunding = booking.refund?.status === "pending";
  const canTurn = booking.status === "FAILED" || booking.status === "EXPIRED";
  if (ended && !refunding) return canTurn && watchedMs < 90_000 ? 4_000 : null;
  if (watchedMs < 300) return 0;
  if (watchedMs < 10_000) return 700;
  return watchedMs < 60_000 ? 2_000 : 5_000;
}

/** Buyers may stop a booking while its payment has not ended. */
export function canAbort(booking: Booking): boolean {
  return booking.status === "PENDING_PAYMENT";
}
