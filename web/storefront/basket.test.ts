import { expect, test } from "vitest";
import type { Hold, Problem } from "../shared/types";
import { type Basket, EMPTY_BASKET, isSettled, nextBasket, toggled, withStanding } from "./basket";

function holdOf(...seats: number[]): Hold {
  const lines = seats.map((seat_no) => ({ seat_no, label: `A-${seat_no}`, category: "stalls", price_minor: 1000 }));
  return {
    id: "h1",
    event_id: "e1",
    token: "t1",
    exclusive: true,
    seats: lines,
    total_minor: 1000 * seats.length,
    currency: "EUR",
    expires_at: "2026-11-22T20:10:00Z",
    server_now: "2026-11-22T20:00:00Z",
  };
}

function holding(...seats: number[]): Basket {
  return nextBasket(EMPTY_BASKET, { type: "held", hold: holdOf(...seats) });
}

function wishing(basket: Basket, ...seats: number[]): Basket {
  return nextBasket(nextBasket(basket, { type: "wish", seats }), { type: "sending" });
}

const TAKEN: Problem = { status: 409, code: "seat_unavailable", seats: [3], alternatives: [4, 5, 6, 7] };

test("a granted hold settles the wish", () => {
  const basket = nextBasket(wishing(EMPTY_BASKET, 1, 2), { type: "held", hold: holdOf(1, 2) });

  expect(isSettled(basket)).toBe(true);
  expect(basket.busy).toBe(false);
});

test("a refused seat leaves the seats held before, and offers neighbours one tap away", () => {
  const basket = nextBasket(wishing(holding(1, 2), 1, 2, 3), { type: "refused", problem: TAKEN });

  expect(basket.wish).toEqual([1, 2]);
  expect(basket.refusal?.offers.map((offer) => offer.wish)).toEqual([
    [1, 2, 4],
    [1, 2, 5],
    [1, 2, 6],
  ]);
});

test("several refused seats are replaced together", () => {
  const problem = { ...TAKEN, seats: [2, 3], alternatives: [4, 5, 6] };

  const basket = nextBasket(wishing(EMPTY_BASKET, 1, 2, 3), { type: "refused", problem });

  expect(basket.refusal?.offers).toEqual([{ added: [4, 5], wish: [1, 4, 5] }]);
});

test("too few alternatives are no offer", () => {
  const problem = { ...TAKEN, seats: [2, 3], alternatives: [4] };

  const basket = nextBasket(wishing(EMPTY_BASKET, 2, 3), { type: "refused", problem });

  expect(basket.refusal?.offers).toEqual([]);
});

test("seats whose time ran out are remembered until they are held again or dismissed", () => {
  const expired = nextBasket(holding(1, 2), { type: "expired" });

  expect(expired.lost.map((seat) => seat.seat_no)).toEqual([1, 2]);
  expect(expired.hold).toBeNull();
  expect(nextBasket(expired, { type: "dismissed" }).lost).toEqual([]);
});

test("choosing a chosen seat gives it back", () => {
  expect(toggled([1, 2], 2)).toEqual([1]);
  expect(toggled([1], 2)).toEqual([1, 2]);
});

test("a standing area gets the wished number of free places, seats elsewhere stay", () => {
  const free = (seat: number) => seat !== 12;

  const wish = withStanding([1, 11], { from: 10, to: 14 }, 3, free, () => 0);

  expect(wish).toEqual([1, 11, 10, 13]);
});

test("fewer standing places keep the ones held first", () => {
  expect(withStanding([10, 11, 12], { from: 10, to: 14 }, 1, () => true)).toEqual([10]);
});

test("more standing places than are free are not promised", () => {
  expect(withStanding([], { from: 10, to: 14 }, 3, (seat) => seat < 12)).toBeNull();
});
