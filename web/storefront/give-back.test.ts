import { expect, test } from "vitest";
import type { Booking, BookingLine } from "../shared/types";
import { cancellationPath, previewWords, refundWords, refusalWords, seatWords, stillChosen } from "./give-back";

const NOW = "2026-11-22T20:00:00Z";
const ZONE = "Europe/Berlin";

function line(seatNo: number, state = "VALID"): BookingLine {
  return { seat_no: seatNo, label: `Row C, seat ${seatNo}`, category: "stalls", price_minor: 6900, state };
}

function confirmed(seats: BookingLine[], refund: Booking["refund"] = null): Booking {
  return {
    id: "b1",
    reference: "BX-1",
    status: "CONFIRMED",
    event: { id: "e1", name: "The Tempest", starts_at: "2026-12-08T18:30:00Z" },
    server_now: NOW,
    seats,
    total_minor: 13800,
    currency: "EUR",
    hold_until: NOW,
    next_action: null,
    history: [],
    payment: { status: "captured", amount_minor: 13800, currency: "EUR" },
    refund,
  };
}

test("the preview says what comes back, what is kept and until when", () => {
  const preview = {
    refund_minor: 6900,
    kept_minor: 0,
    currency: "EUR",
    seats: [5],
    free_until: "2026-12-07T18:30:00Z",
  };

  expect(previewWords(preview, ZONE, NOW)).toBe(
    "You get €69.00 back; €0.00 is kept. Possible until 7 December, 19:30 (Berlin time).",
  );
});

test("the preview is asked for the very seats that were chosen", () => {
  expect(cancellationPath("b1", [5, 6])).toBe("/api/bookings/b1/cancellation?seats=5,6");
  expect(cancellationPath("b1")).toBe("/api/bookings/b1/cancellation");
});

test("a seat that has gone meanwhile is no longer chosen", () => {
  const chosen = new Set([5, 6]);

  expect(stillChosen(confirmed([line(5), line(6)]), chosen)).toEqual([5, 6]);
  expect(stillChosen(confirmed([line(5, "REFUNDING"), line(6)]), chosen)).toEqual([6]);
  expect(stillChosen({ ...confirmed([line(5), line(6)]), status: "REFUNDING" }, chosen)).toEqual([]);
});

test("a refund is told from its way to its end", () => {
  const refund = { status: "pending", amount_minor: 6900, currency: "EUR" };

  expect(refundWords(confirmed([line(5), line(6)]))).toBeNull();
  expect(refundWords(confirmed([line(5, "REFUNDING"), line(6)], refund))).toBe("Refund of €69.00 is on its way.");
  expect(refundWords(confirmed([line(5, "REFUNDED"), line(6)], { ...refund, status: "done" }))).toBe(
    "€69.00 was returned, the way you paid.",
  );
  expect(refundWords(confirmed([line(5, "REFUNDING"), line(6)], { ...refund, status: "stuck" }))).toContain(
    "need not do anything",
  );
});

test("a second refund does not sound as if the first were still to come", () => {
  const refund = { status: "pending", amount_minor: 13800, currency: "EUR" };

  expect(refundWords(confirmed([line(5, "REFUNDED"), line(6, "REFUNDING"), line(7)], refund))).toBe(
    "Refunds of €138.00 in all: the last part is on its way.",
  );
});

test("a free ticket that was given back is told, too", () => {
  expect(refundWords(confirmed([line(5, "REFUNDED"), line(6)]))).toBe("Given back without a refund: Row C, seat 5.");
});

test("after the last moment it is said when that was", () => {
  const closed = { status: 409, code: "cancellation_closed" };

  expect(refusalWords({ ...closed, free_until: "2026-12-07T18:30:00Z" }, ZONE, NOW)).toBe(
    "Tickets could be given back until 7 December, 19:30 (Berlin time).",
  );
  expect(refusalWords(closed, ZONE, NOW)).toBe("These tickets can no longer be given back.");
  expect(refusalWords({ status: 422, code: "unknown_seat" }, ZONE, NOW)).toContain("given back already");
  expect(refusalWords({ status: 0, code: "offline" }, ZONE, NOW)).toContain("cannot reach");
});

test("few seats are named and many are counted", () => {
  expect(seatWords([line(5)])).toBe("Row C, seat 5");
  expect(seatWords([line(5), line(6)])).toBe("Row C, seat 5 and Row C, seat 6");
  expect(seatWords([line(1), line(2), line(3), line(4)])).toBe("4 tickets");
});
