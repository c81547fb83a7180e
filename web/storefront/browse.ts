// Walking a hall as a list: which rows and seats are on screen together, so that 20,000 seats stay a short page.
import { AVAILABLE } from "../seatmap/codec";
import type { Plan, Row, Section } from "../seatmap/plan";

/** Never more seat controls at once than this, whatever the size of the hall. */
export const SEATS_ON_SCREEN_MAX = 60;
export const CHOICES_ON_SCREEN_MAX = 40;

/** A part of a row: the seats `from`…`to-1`. */
export interface RowPiece {
  readonly row: Row;
  readonly from: number;
  readonly to: number;
}

/** Rows that are shown together. */
export type SeatWindow = readonly RowPiece[];

/** All of a section in the order in which it is walked. */
export function sectionPieces(section: Section): RowPiece[] {
  return section.rows.flatMap(rowPieces);
}

/** The rows that are shown together, from piece number `start` on: as many as the screen's limit allows. */
export function seatWindow(pieces: readonly RowPiece[], start: number): SeatWindow {
  const shown: RowPiece[] = [];
  let seats = 0;
  for (const piece of pieces.slice(start)) {
    seats += piece.to - piece.from;
    if (seats > SEATS_ON_SCREEN_MAX && shown.length > 0) break;
    shown.push(piece);
  }
  return shown;
}

/** Where the window begins that ends just before piece number `start`. */
export function windowBefore(pieces: readonly RowPiece[], start: number): number {
  const before = pieces.slice(0, start).reverse();
  return start - Math.max(1, seatWindow(before, 0).length);
}

/** A row longer than the screen's limit is shown in even parts. */
function rowPieces(row: Row): RowPiece[] {
  const size = row.to - row.from;
  const parts = Math.ceil(size / SEATS_ON_SCREEN_MAX);
  return Array.from({ length: parts }, (_, part) => ({
    row,
    from: row.from + Math.floor((size * part) / parts),
    to: row.from + Math.floor((size * (part + 1)) / parts),
  }));
}

export function pieceOf(pieces: readonly RowPiece[], seat: number): number {
  return Math.max(
    0,
    pieces.findIndex((piece) => seat >= piece.from && seat < piece.to),
  );
}

export function countFree(states: Uint8Array, from: number, to: number): number {
  let free = 0;
  for (let seat = from; seat < to; seat++) if (states[seat] === AVAILABLE) free++;
  return free;
}

/** The lowest price among the categories of a section or a row; null when none of them is known. */
export function lowestPrice(categories: readonly string[], prices: ReadonlyMap<string, number>): number | null {
  const known = categories.flatMap((key) => prices.get(key) ?? []);
  return known.length > 0 ? Math.min(...known) : null;
}

/** A section's rows or a hall's sections, cut into pages. */
export function pageOf<Item>(items: readonly Item[], page: number): readonly Item[] {
  return items.slice(page * CHOICES_ON_SCREEN_MAX, (page + 1) * CHOICES_ON_SCREEN_MAX);
}

export function pageCount(items: readonly unknown[]): number {
  return Math.max(1, Math.ceil(items.length / CHOICES_ON_SCREEN_MAX));
}

export type Step = "left" | "right" | "up" | "down" | "first" | "last";

/** Where an arrow key leads from a seat: along its row, or to the nearest seat of the row above or below. */
export function neighbour(window: SeatWindow, seat: number, step: Step): number {
  const rowIndex = window.findIndex((piece) => seat >= piece.from && seat < piece.to);
  const piece = window[rowIndex];
  if (!piece) return seat;
  const inside = (target: RowPiece, offset: number) =>
    Math.min(Math.max(target.from + offset, target.from), target.to - 1);
  switch (step) {
    case "left":
      return inside(piece, seat - piece.from - 1);
    case "right":
      return inside(piece, seat - piece.from + 1);
    case "first":
      return piece.from;
    case "last":
      return piece.to - 1;
    case "up":
    case "down": {
      const target = window[rowIndex + (step === "up" ? -1 : 1)];
      if (!target) return seat;
      const share = (seat - piece.from) / Math.max(1, piece.to - piece.from - 1);
      return inside(target, Math.round(share * (target.to - target.from - 1)));
    }
  }
}

export function seatedSections(plan: Plan): Section[] {
  return plan.sections.filter((section) => section.kind === "seats");
}

export function standingSections(plan: Plan): Section[] {
  return plan.sections.filter((section) => section.kind === "standing");
}
