// What went wrong, in words a buyer can act on: looked up by the problem's stable code.
import type { Problem } from "./types";

const WORDS: Readonly<Record<string, string>> = {
  seat_unavailable: "Somebody else was quicker: that seat is no longer free.",
  no_adjacent_seats: "There are not that many seats next to each other any more. Try fewer, or choose them one by one.",
  sold_out: "There are not that many places left.",
  not_on_sale: "This event is not on sale right now.",
  too_many_seats: "That is more than one booking may have.",
  buyer_limit: "You have reached the number of tickets one buyer may have for this event.",
  unknown_seat: "That seat does not exist in this hall. Please reload the page.",
  duplicate_seat: "The same seat was chosen twice.",
  hold_gone: "The time for your seats has run out.",
  hold_expired: "The time for your seats has run out.",
  hold_changed: "Your choice changed in another window. Please check it and try again.",
  hold_consumed: "These seats have already been booked.",
  unknown_payment_method: "This way of paying is not accepted here. Please choose another one.",
  no_retry: "This payment can no longer be tried again.",
  cancellation_closed: "This booking can no longer be cancelled.",
  not_confirmed: "The tickets are not ready yet.",
  in_flight: "We are still working on your first click. One moment, please.",
  key_reused: "Something in the form changed meanwhile. Please try again.",
  rate_limited: "That was a little too fast. Please wait a moment and try again.",
  overloaded: "There is a rush right now. Please try again in a moment; nothing is lost.",
  tenant_suspended: "Ticket sales are paused here. Existing bookings stay valid.",
  unauthenticated: "Please sign in again.",
  offline: "We cannot reach the box office. Check your connection; we keep trying.",
};

const FIELD_WORDS: Readonly<Record<string, string>> = {
  "contact.email": "Please enter an e-mail address like name@example.com.",
  "contact.name": "Please enter your name.",
  payment_method: "Please choose how to pay.",
};

export function problemWords(problem: Problem): string {
  return WORDS[problem.code] ?? problem.detail ?? problem.title ?? "That did not work. Please try again.";
}

/** Field errors of a refused form, by field name as it stands in the request body. */
export function fieldWords(problem: Problem): Record<string, string> {
  const words: Record<string, string> = {};
  for (const error of problem.errors ?? []) words[error.path] = FIELD_WORDS[error.path] ?? error.detail;
  return words;
}
