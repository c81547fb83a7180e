import { expect, test } from "vitest";
import { type PlanDocument, readPlan } from "../seatmap/plan";
import {
  countFree,
  neighbour,
  pageCount,
  pageOf,
  SEATS_ON_SCREEN_MAX,
  seatWindow,
  sectionPieces,
  windowBefore,
} from "./browse";

function sectionOf(...rowSizes: number[]) {
  const document: PlanDocument = {
    format: "seatplan/1",
    name: "Hall",
    categories: [{ key: "a", name: "A" }],
    zones: [
      {
        key: "Z",
        kind: "seats",
        rows: rowSizes.map((size, index) => ({ label: String(index + 1), numbers: `1..${size}`, category: "a" })),
      },
    ],
  };
  const section = readPlan(document, (key) => key).sections[0];
  if (!section) throw new Error("a plan with one zone has one section");
  return section;
}

test("never more seats are shown together than fit the limit, and none is left out", () => {
  const section = sectionOf(25, 25, 25, 61, 130, 3);
  const pieces = sectionPieces(section);
  const shown: number[] = [];

  for (let start = 0; start < pieces.length; ) {
    const window = seatWindow(pieces, start);
    const seats = window.flatMap((piece) => Array.from({ length: piece.to - piece.from }, (_, at) => piece.from + at));
    expect(seats.length).toBeLessThanOrEqual(SEATS_ON_SCREEN_MAX);
    shown.push(...seats);
    start += window.length;
  }

  expect(shown).toEqual(Array.from({ length: section.to }, (_, seat) => seat));
});

test("going back shows the rows just before", () => {
  const pieces = sectionPieces(sectionOf(25, 25, 25, 25));

  expect(windowBefore(pieces, 3)).toBe(1);
  expect(windowBefore(pieces, 1)).toBe(0);
});

test("arrow keys move along a row and to the nearest seat of the next one", () => {
  const window = seatWindow(sectionPieces(sectionOf(5, 9)), 0);

  expect(neighbour(window, 0, "left")).toBe(0);
  expect(neighbour(window, 0, "right")).toBe(1);
  expect(neighbour(window, 2, "down")).toBe(9);
  expect(neighbour(window, 13, "up")).toBe(4);
  expect(neighbour(window, 6, "first")).toBe(5);
  expect(neighbour(window, 6, "last")).toBe(13);
});

test("a row is as free as its seats are", () => {
  expect(countFree(new Uint8Array([0, 1, 0, 2, 3]), 0, 5)).toBe(2);
});

test("long lists are cut into pages", () => {
  const sections = Array.from({ length: 84 }, (_, index) => index);

  expect(pageCount(sections)).toBe(3);
  expect(pageOf(sections, 2)).toEqual([80, 81, 82, 83]);
});
