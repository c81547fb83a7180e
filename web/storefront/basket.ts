// The buyer's basket as a pure state: what is held, what is wished for, and what to say when they differ.
import type { Hold, Problem, SeatLine } from "../shared/types";

export interface Basket {
  /** The hold as the server last told it. */
  readonly hold: Hold | null;
  /** The seats the buyer wants; equal to the hold's once everything has settled. */
  readonly wish: readonly number[];
  readonly busy: boolean;
  readonly refusal: Refusal | null;
  /** What was held when the time ran out, so that one tap can ask for it again. */
  readonly lost: readonly SeatLine[];
}

export interface Refusal {
  readonly problem: Problem;
  /** Complete wishes that the server says it could fulfil now. */
  readonly offers: readonly Offer[];
}

export interface Offer {
  readonly added: readonly number[];
  readonly wish: readonly number[];
}

export type Move =
  | { type: "wish"; seats: readonly number[] }
  | { type: "sending" }
  | { type: "held"; hold: Hold }
  | { type: "refused"; problem: Problem }
  | { type: "released" }
  | { type: "expired" }
  | { type: "dismissed" };

export const EMPTY_BASKET: Basket = { hold: null, wish: [], busy: false, refusal: null, lost: [] };
const OFFERS_MAX = 3;

export function nextBasket(basket: Basket, move: Move): Basket {
  switch (move.type) {
    case "wish":
      return { ...basket, wish: move.seats, refusal: null };
    case "sending":
      return { ...basket, busy: true };
    case "held":
      return { hold: move.hold, wish: seatNumbers(move.hold), busy: false, refusal: null, lost: [] };
    case "refused":
      return {
        ...basket,
        wish: heldSeats(basket),
        busy: false,
        refusal: { problem: move.problem, offers: offersAfter(basket, move.problem) },
      };
    case "released":
      return EMPTY_BASKET;
    case "expired":
      return { ...EMPTY_BASKET, lost: basket.hold?.seats ?? basket.lost };
    case "dismissed":
      return { ...basket, refusal: null, lost: [] };
  }
}

function offersAfter(basket: Basket, problem: Problem): Offer[] {
  const taken = new Set(problem.seats ?? []);
  const alternatives = (problem.alternatives ?? []).filter((seat) => !basket.wish.includes(seat));
  if (taken.size === 0 || alternatives.length < taken.size) return [];
  const kept = basket.wish.filter((seat) => !taken.has(seat));
  const choices = taken.size === 1 ? alternatives.slice(0, OFFERS_MAX).map((seat) => [seat]) : [];
  if (taken.size > 1) choices.push(alternatives.slice(0, taken.size));
  return choices.map((added) => ({ added, wish: [...kept, ...added] }));
}

export function heldSeats(basket: Basket): number[] {
  return basket.hold ? seatNumbers(basket.hold) : [];
}

function seatNumbers(hold: Hold): number[] {
  return hold.seats.map((seat) => seat.seat_no);
}

export function isSettled(basket: Basket): boolean {
  return sameSeats(basket.wish, heldSeats(basket));
}

export function sameSeats(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  const seats = new Set(one);
  return other.every((seat) => seats.has(seat));
}

export function toggled(wish: readonly number[], seat: number): number[] {
  return wish.includes(seat) ? wish.filter((other) => other !== seat) : [...wish, seat];
}

/** The wish that has `quantity` of the free places of one standing area; null when so many are not free. */
export function withStanding(
  wish: readonly number[],
  area: { from: number; to: number },
  quantity: number,
  isFree: (seat: number) => boolean,
  random: () => number = Math.random,
): number[] | null {
  const inArea = wish.filter((seat) => seat >= area.from && seat < area.to);
  const elsewhere = wish.filter((seat) => seat < area.from || seat >= area.to);
  const chosen = inArea.slice(0, quantity);
  const size = area.to - area.from;
  const start = Math.floor(random() * size);
  for (let step = 0; step < size && chosen.length < quantity; step++) {
    const seat = area.from + ((start + step) % size);
    if (!chosen.includes(seat) && isFree(seat)) chosen.push(seat);
  }
  return chosen.length === quantity ? [...elsewhere, ...chosen] : null;
}
