import { expect, test } from "vitest";
import type { Booking } from "../shared/types";
import { canAbort, pollAfterMs, progressSteps, verdict } from "./order-progress";

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

test("a refund names its amount", () => {
  const refund = { status: "pending", amount_minor: 4500, currency: "EUR" };

  expect(verdict({ ...BOOKING, status: "REFUNDING", refund }).text).toContain("€45.00");
  expect(verdict({ ...BOOKING, status: "CANCELLED", refund: { ...refund, status: "done" } }).title).toBe(
    "Money returned",
  );
});

test("an order is asked about quickly at first, patiently later, and not at all once it has ended", () => {
  expect(pollAfterMs(BOOKING, 0)).toBeLessThan(1_000);
  expect(pollAfterMs(BOOKING, 120_000)).toBeGreaterThan(2_000);
  expect(pollAfterMs({ ...BOOKING, status: "CONFIRMED" }, 0)).toBeNull();
});

test("a failed order is watched a little longer, because a late payment can still save it", () => {
  expect(pollAfterMs({ ...BOOKING, status: "FAILED" }, 1_000)).not.toBeNull();
  expect(pollAfterMs({ ...BOOKING, status: "FAILED" }, 100_000)).toBeNull();
});

test("only a booking whose payment has not ended can be stopped", () => {
  expect(canAbort(BOOKING)).toBe(true);
  expect(canAbort({ ...BOOKING, status: "CONFIRMED" })).toBe(false);
});
