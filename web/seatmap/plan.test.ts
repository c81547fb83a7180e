import { expect, test } from "vitest";
import {
  expandCategories,
  expandNumbers,
  locate,
  matchCategories,
  type PlanDocument,
  readPlan,
  seatName,
} from "./plan";

const HALL: PlanDocument = {
  format: "seatplan/1",
  name: "Main hall",
  categories: [
    { key: "stalls", name: "Stalls" },
    { key: "side", name: "Side" },
  ],
  zones: [
    {
      key: "P",
      name: "Parterre",
      kind: "seats",
      rows: [
        { label: "A", numbers: "1..3", category: "stalls", flags: { "2": "wheelchair" } },
        { label: "B", numbers: ["1", "2", "2a"], category: ["stalls", 2, "side", 1] },
      ],
    },
    { key: "T", kind: "table", seats: 4, category: "side" },
    { key: "W", kind: "table", seats: 8, sell: "whole", category: "side" },
    { key: "PIT", name: "Pit", kind: "standing", capacity: 50, category: "side" },
  ],
};
const hall = readPlan(HALL, (key) => key);

test("seats are numbered in document order, standing places and tables among them", () => {
  expect(hall.seats).toBe(6 + 4 + 1 + 50);
  expect(hall.sections.map((section) => [section.from, section.to])).toEqual([
    [0, 6],
    [6, 10],
    [10, 11],
    [11, 61],
  ]);
});

test("a seat number leads to its section, row and category", () => {
  const place = locate(hall, 5);

  expect(place?.row?.label).toBe("B");
  expect(place?.row?.categories[place.index]).toBe("side");
  expect(locate(hall, 61)).toBeNull();
});

test("seats are called by section, row and number; standing places by their area", () => {
  expect(seatName(hall, 1)).toBe("Parterre, row A, seat 2");
  expect(seatName(hall, 8)).toBe("T, seat 3");
  expect(seatName(hall, 30)).toBe("Pit");
});

test("flags belong to the seat with their number", () => {
  expect(hall.sections[0]?.rows[0]?.flags).toEqual([[], ["wheelchair"], []]);
});

test("numbers run up, down and in steps", () => {
  expect(expandNumbers("1..3")).toEqual(["1", "2", "3"]);
  expect(expandNumbers("7..1:2")).toEqual(["7", "5", "3", "1"]);
});

test("category runs fill a row", () => {
  expect(expandCategories(["a", 2, "b", 1], 3)).toEqual(["a", "a", "b"]);
});

test("a plan's category stands for the event's of the same key, else of the same name", () => {
  const match = matchCategories(HALL, [
    { key: "stalls", name: "Anything" },
    { key: "cheap", name: "Side" },
  ]);

  expect(match("stalls")).toBe("stalls");
  expect(match("side")).toBe("cheap");
});
