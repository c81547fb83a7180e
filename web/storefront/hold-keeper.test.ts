import { expect, test } from "vitest";
import type { Answer, Request } from "../shared/api";
import { ServerClock } from "../shared/clock";
import type { Hold, Problem } from "../shared/types";
import { heldSeats } from "./basket";
import { HoldKeeper, type HoldMemory, type Send } from "./hold-keeper";

interface Sent {
  line: string;
  body: unknown;
}

/** A box office of a few seats: grants what is free, refuses what is taken, and tells what it was asked. */
class BoxOffice {
  readonly sent: Sent[] = [];
  held: number[] = [];
  readonly taken = new Set<number>();
  private next = 1;
  gate: Promise<void> = Promise.resolve();
  consumed = false;

  readonly send: Send = async <T>(path: string, request: Request = {}) => {
    this.sent.push({ line: `${request.method ?? "GET"} ${path}`, body: request.body });
    await this.gate;
    return this.answer(path, request) as Answer<T>;
  };

  private answer(path: string, request: Request): Answer<unknown> {
    if (request.method === "DELETE") return { ok: true, value: undefined, status: 204 };
    if (this.consumed) return refusal({ status: 404, code: "hold_consumed", booking_id: "b1" });
    const body = (request.body ?? {}) as { seats?: number[]; best_available?: { quantity: number } };
    const seats = body.seats ?? (body.best_available ? [50, 51] : this.held);
    const gone = seats.filter((seat) => this.taken.has(seat));
    if (gone.length > 0) return refusal({ status: 409, code: "seat_unavailable", seats: gone, alternatives: [9] });
    if (path === "/api/holds/old") return refusal({ status: 404, code: "hold_gone" });
    this.held = seats;
    const id = request.method === "POST" ? `h${this.next++}` : (path.split("/")[3] as string);
    return { ok: true, value: hold(id, seats), status: 200 };
  }
}

function refusal(problem: Problem): Answer<unknown> {
  return { ok: false, problem, retryAfter: 0 };
}

function hold(id: string, seats: number[]): Hold {
  return {
    id,
    event_id: "e1",
    token: `token of ${id}`,
    exclusive: true,
    seats: seats.map((seat_no) => ({ seat_no, label: String(seat_no), category: "a", price_minor: 100 })),
    total_minor: 100 * seats.length,
    currency: "EUR",
    expires_at: "2026-11-22T20:10:00Z",
    server_now: "2026-11-22T20:00:00Z",
  };
}

function keeperAt(office: BoxOffice, remembered: string | null = null) {
  let holdId = remembered;
  const memory: HoldMemory = {
    read: () => holdId,
    write: (id) => {
      holdId = id;
    },
  };
  const booked: string[] = [];
  const keeper = new HoldKeeper({
    eventId: "e1",
    send: office.send,
    clock: new ServerClock(),
    memory,
    onBooked: (id) => booked.push(id),
  });
  return { keeper, memory, booked };
}

test("the first seat makes a hold, the next ones change it, none gives it back", async () => {
  const office = new BoxOffice();
  const { keeper, memory } = keeperAt(office);

  await keeper.want([1]);
  await keeper.want([1, 2]);
  await keeper.want([]);

  expect(office.sent.map((sent) => sent.line)).toEqual([
    "POST /api/events/e1/holds",
    "PUT /api/holds/h1/seats",
    "DELETE /api/holds/h1",
  ]);
  expect(memory.read()).toBeNull();
});

test("wishes that come while a request is under way are sent as one", async () => {
  const office = new BoxOffice();
  const { keeper } = keeperAt(office);
  let open = () => {};
  office.gate = new Promise((resolve) => {
    open = resolve;
  });

  const first = keeper.want([1]);
  const later = [keeper.want([1, 2]), keeper.want([1, 2, 3])];
  open();
  await Promise.all([first, ...later]);

  expect(office.sent.map((sent) => sent.body)).toEqual([{ seats: [1] }, { seats: [1, 2, 3] }]);
  expect(heldSeats(keeper.basket.value)).toEqual([1, 2, 3]);
});

test("a taken seat is refused with what else there is, and what was held stays", async () => {
  const office = new BoxOffice();
  const { keeper } = keeperAt(office);
  await keeper.want([1]);
  office.taken.add(2);

  await keeper.want([1, 2]);

  expect(heldSeats(keeper.basket.value)).toEqual([1]);
  expect(keeper.basket.value.refusal?.offers[0]?.wish).toEqual([1, 9]);
});

test("the best seats replace a hold only once they are granted", async () => {
  const office = new BoxOffice();
  const { keeper } = keeperAt(office);
  await keeper.want([1]);

  await keeper.wantBest({ quantity: 2 });

  expect(office.sent.slice(1).map((sent) => sent.line)).toEqual(["POST /api/events/e1/holds", "DELETE /api/holds/h1"]);
  expect(heldSeats(keeper.basket.value)).toEqual([50, 51]);
});

test("a reload finds the hold again", async () => {
  const office = new BoxOffice();
  office.held = [4, 5];
  const { keeper } = keeperAt(office, "h7");

  await keeper.resume();

  expect(keeper.basket.value.hold?.id).toBe("h7");
  expect(heldSeats(keeper.basket.value)).toEqual([4, 5]);
});

test("a hold that is gone after a reload is forgotten", async () => {
  const { keeper, memory } = keeperAt(new BoxOffice(), "old");

  await keeper.resume();

  expect(keeper.basket.value.hold).toBeNull();
  expect(memory.read()).toBeNull();
});

test("seats that have become a booking lead to it", async () => {
  const office = new BoxOffice();
  const { keeper, booked } = keeperAt(office);
  await keeper.want([1]);
  office.consumed = true;

  await keeper.want([1, 2]);

  expect(booked).toEqual(["b1"]);
});
