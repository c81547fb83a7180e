// Giving tickets back, in words: which may go, what comes back and until when, and how far a refund has got.
import { formatAmount } from "../shared/money";
import { problemWords } from "../shared/problem";
import type { Booking, BookingLine, CancellationPreview, Problem } from "../shared/types";
import { venueTime } from "../shared/venue-time";

/** What is still the buyer's, and so can be given back. */
export function validLines(booking: Booking): BookingLine[] {
  return booking.status === "CONFIRMED" ? booking.seats.filter((line) => line.state === "VALID") : [];
}

/** The chosen seats that are still the buyer's, in the order of the booking: news may have taken some away. */
export function stillChosen(booking: Booking, chosen: ReadonlySet<number>): number[] {
  return validLines(booking)
    .map((line) => line.seat_no)
    .filter((seatNo) => chosen.has(seatNo));
}

export function cancellationPath(bookingId: string, seats?: readonly number[]): string {
  const path = `/api/bookings/${bookingId}/cancellation`;
  return seats ? `${path}?seats=${seats.join(",")}` : path;
}

/** `You get €69.00 back; €0.00 is kept. Possible until 7 December, 19:30 (Berlin time).` */
export function previewWords(preview: CancellationPreview, timeZone: string, now: string): string {
  const back = formatAmount(preview.refund_minor, preview.currency);
  const kept = formatAmount(preview.kept_minor, preview.currency);
  return `You get ${back} back; ${kept} is kept. Possible until ${venueTime(preview.free_until, timeZone, now)}.`;
}

/** `Row C, seat 5`; `Row C, seat 5 and Row C, seat 6`; from four on only how many. */
export function seatWords(lines: readonly Pick<BookingLine, "label">[]): string {
  const labels = lines.map((line) => line.label);
  if (labels.length > 3) return ticketCount(labels.length);
  return labels.length < 2 ? labels.join("") : `${labels.slice(0, -1).join("; ")} and ${labels.at(-1)}`;
}

export function ticketCount(count: number): string {
  return `${count} ${count === 1 ? "ticket" : "tickets"}`;
}

/** How far the refund of a booking that stays has got; null when there was none. */
export function refundWords(booking: Booking): string | null {
  const refund = booking.refund;
  const returned = booking.seats.filter((line) => line.state === "REFUNDED");
  if (!refund) return returned.length > 0 ? `Given back without a refund: ${seatWords(returned)}.` : null;
  const amount = formatAmount(refund.amount_minor, refund.currency);
  if (refund.status === "done") return `${amount} was returned, the way you paid.`;
  if (refund.status === "stuck") return stuckWords(amount);
  // The amount is the sum of all refunds, so it must not sound as if all of it were still to come.
  if (returned.length > 0) return `Refunds of ${amount} in all: the last part is on its way.`;
  return `Refund of ${amount} is on its way.`;
}

export function stuckWords(amount: string): string {
  return `The refund of ${amount} takes longer than it should. We are seeing to it; you need not do anything.`;
}

/** A refusal in the words of giving back, which are not always those of buying. */
export function refusalWords(problem: Problem, timeZone: string, now: string): string {
  if (problem.code === "cancellation_closed") {
    return problem.free_until
      ? `Tickets could be given back until ${venueTime(problem.free_until, timeZone, now)}.`
      : "These tickets can no longer be given back.";
  }
  if (problem.code === "unknown_seat") {
    return "One of these tickets was given back already. Please reload the page and choose again.";
  }
  if (problem.code === "booking_not_found") return "This order is not yours to change. Please sign in again.";
  return problemWords(problem);
}
