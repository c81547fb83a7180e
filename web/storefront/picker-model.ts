// What the picker's parts share: the hall, its prices, the live states and the buyer's hold.
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { AVAILABLE, BLOCKED, HELD, SOLD } from "../seatmap/codec";
import type { Plan, Row, Section } from "../seatmap/plan";
import type { ServerClock } from "../shared/clock";
import { formatMoney } from "../shared/money";
import type { Offers } from "../shared/types";
import { heldSeats } from "./basket";
import type { HoldKeeper } from "./hold-keeper";
import type { LiveAvailability } from "./live";

export type SeatLook = "available" | "mine" | "pending" | "held" | "sold" | "blocked";

export type Place =
  | { level: "sections"; page: number }
  | { level: "rows"; section: Section; page: number }
  | { level: "seats"; section: Section; start: number; focusSeat: number | null };

export interface PickerModel {
  readonly eventId: string;
  readonly plan: Plan;
  readonly offers: Offers;
  readonly prices: ReadonlyMap<string, number>;
  readonly keeper: HoldKeeper;
  readonly live: LiveAvailability;
  readonly clock: ServerClock;
  readonly place: Signal<Place>;
  readonly announcement: Signal<string>;
}

export function pickerModel(parts: Omit<PickerModel, "prices" | "place" | "announcement">): PickerModel {
  return {
    ...parts,
    prices: new Map(parts.offers.categories.map((category) => [category.key, category.price_minor])),
    place: signal<Place>({ level: "sections", page: 0 }),
    announcement: signal(""),
  };
}

export function priceWords(model: PickerModel, category: string): string {
  const price = model.prices.get(category);
  return price === undefined ? "" : formatMoney(price, model.offers.currency);
}

export function categoryName(model: PickerModel, key: string): string {
  return model.offers.categories.find((category) => category.key === key)?.name ?? key;
}

export function categoryIndex(model: PickerModel, key: string): number {
  return model.offers.categories.findIndex((category) => category.key === key);
}

/** What a seat looks like to this buyer: the hall's state with the buyer's own seats laid over it. */
export function seatLook(states: ReadonlySignal<Uint8Array>, keeper: HoldKeeper, seat: number): SeatLook {
  const basket = keeper.basket.value;
  const held = heldSeats(basket).includes(seat);
  const wished = basket.wish.includes(seat);
  if (held && wished) return "mine";
  if (wished || held) return "pending";
  return ({ [AVAILABLE]: "available", [HELD]: "held", [SOLD]: "sold", [BLOCKED]: "blocked" } as const)[
    states.value[seat] as 0 | 1 | 2 | 3
  ];
}

const LOOK_WORDS: Readonly<Record<SeatLook, string>> = {
  available: "free",
  mine: "yours",
  pending: "one moment",
  held: "held by someone else",
  sold: "sold",
  blocked: "not for sale",
};

const FLAG_WORDS: Readonly<Record<string, string>> = {
  wheelchair: "wheelchair space",
  companion: "companion seat",
  restricted: "restricted view",
  restricted_view: "restricted view",
  aisle: "aisle",
};

export function lookWords(look: SeatLook): string {
  return LOOK_WORDS[look];
}

/** A seat's whole story in one accessible name. */
export function seatWords(model: PickerModel, row: Row, seat: number, look: SeatLook): string {
  const index = seat - row.from;
  const category = row.categories[index] ?? "";
  const flags = (row.flags[index] ?? []).map((flag) => FLAG_WORDS[flag] ?? flag);
  const name = row.label ? `Row ${row.label}, seat ${row.numbers[index]}` : `Seat ${row.numbers[index]}`;
  return [name, categoryName(model, category), priceWords(model, category), ...flags, LOOK_WORDS[look]].join(", ");
}
