import { expect, test } from "vitest";
import { unpackAvailability } from "./codec";

test("seats are read two bits each, most significant first", () => {
  const body = new Uint8Array([0, 0, 0, 7, 0, 0, 1, 2, 0b00_01_10_11, 0b10_00_00_00]).buffer;

  const availability = unpackAvailability(body, 5);

  expect([...availability.states]).toEqual([0, 1, 2, 3, 2]);
  expect([availability.epoch, availability.seq]).toEqual([7, 258]);
});

test("a body that is too short for the plan is refused", () => {
  const body = new Uint8Array(9).buffer;

  expect(() => unpackAvailability(body, 5)).toThrow(RangeError);
});
