import { expect, test } from "vitest";
import type { Booking } from "../shared/types";
import { askAfterMs, canAbort, progressSteps, verdict } from "./order-progress";

const BOOKING: Booking = {
  id: "b1",
  reference: "BX-1",
  status: "PENDING_PAYMENT",
  event: { id: "e1", name: "The Tempest", starts_at: "2026-12-01T19:00:00Z" },
  server_now: "2026-11-22T20:00:00Z",
  seats: [],
  total_minor: 9000,
  currency: "EUR",
  hold_until: "2026-11-22T20:10:00Z",
  next_action: null,
  history: [],
  payment: null,
  refund: null,
};

test("a payment under way is told step by step", () => {
  expect(progressSteps(BOOKING).map((step) => step.state)).toEqual(["done", "now", "waiting"]);
});

test("a retryable decline keeps the seats and asks for another card", () => {
  const booking: Booking = { ...BOOKING, next_action: { type: "retry_payment", expires_at: "2026-11-22T20:10:00Z" } };

  expect(verdict(booking)).toMatchObject({ tone: "warning", title: "Your card was declined" });
  expect(verdict(booking).text).toContain("seats stay yours");
});

test("a final decline says that nothing was charged and the seats are free", () => {
  const booking: Booking = {
    ...BOOKING,
    status: "FAILED",
    payment: { status: "declined", amount_minor: 9000, currency: "EUR", reason: "card_declined" },
  };

  expect(verdict(booking).title).toBe("Your card was declined");
  expect(verdict(booking).text).toBe(
    "Your bank refuses this card. You have not been charged and the seats are free again.",
  );
});

const REFUND = { status: "pending", amount_minor: 4500, currency: "EUR" };

function happened(trigger: string): Booking["history"] {
  return [{ at: "2026-11-22T20:00:00Z", from: "CONFIRMED", trigger, to: "REFUNDING" }];
}

test("a refund of everything is told from its way to its end, and why", () => {
  const refunding: Booking = {
    ...BOOKING,
    status: "REFUNDING",
    history: happened("CANCELLED_ALL"),
    refund: REFUND,
  };

  expect(verdict(refunding).title).toBe("Refund of €45.00 is on its way");
  expect(verdict(refunding).text).toContain("All tickets were given back.");
  expect(verdict({ ...refunding, status: "CANCELLED", refund: { ...REFUND, status: "done" } }).title).toBe(
    "€45.00 was returned",
  );
  expect(verdict({ ...refunding, status: "REFUND_STUCK", refund: { ...REFUND, status: "stuck" } }).text).toContain(
    "need not do anything",
  );
});

test("a cancelled event and a payment that came too late are named as the reason", () => {
  const refunding: Booking = { ...BOOKING, status: "REFUNDING", refund: REFUND };

  expect(verdict({ ...refunding, history: happened("EVENT_CANCELLED") }).text).toContain("The event was cancelled.");
  expect(verdict({ ...refunding, history: happened("RECLAIM_FAILED") }).text).toContain("came too late");
});

test("a cancelled booking says whether something was paid", () => {
  const payment = { status: "captured", amount_minor: 9000, currency: "EUR" };

  expect(verdict({ ...BOOKING, status: "CANCELLED" }).text).toContain("Nothing was charged.");
  expect(verdict({ ...BOOKING, status: "CANCELLED", payment }).text).toContain("nothing was returned");
});

test("a confirmed order with tickets given back speaks of those that were kept", () => {
  const seat = { seat_no: 1, label: "Row A, seat 1", category: "stalls", price_minor: 4500, state: "VALID" };
  const seats = [seat, { ...seat, seat_no: 2, state: "REFUNDING" }];

  expect(verdict({ ...BOOKING, status: "CONFIRMED", seats, refund: REFUND }).text).toBe(
    "You gave some tickets back. Refund of €45.00 is on its way. Those that you kept are below.",
  );
  expect(verdict({ ...BOOKING, status: "CONFIRMED", seats: [seat] }).text).toContain("on their way by e-mail");
});

test("an order is asked about at once, patiently later, and not at all once it has ended", () => {
  expect(askAfterMs(BOOKING, 0)).toBe(0);
  expect(askAfterMs(BOOKING, 1_000)).toBeGreaterThan(0);
  expect(askAfterMs(BOOKING, 120_000)).toBeGreaterThan(2_000);
  expect(askAfterMs({ ...BOOKING, status: "CONFIRMED" }, 0)).toBeNull();
});

test("a failed order is watched a little longer, because a late payment can still save it", () => {
  expect(askAfterMs({ ...BOOKING, status: "FAILED" }, 1_000)).not.toBeNull();
  expect(askAfterMs({ ...BOOKING, status: "FAILED" }, 100_000)).toBeNull();
});

test("only a booking whose payment has not ended can be stopped", () => {
  expect(canAbort(BOOKING)).toBe(true);
  expect(canAbort({ ...BOOKING, status: "CONFIRMED" })).toBe(false);
});
