import { expect, test } from "vitest";
import { venueTime } from "./venue-time";

const NOW = "2026-11-22T20:00:00Z";

test("a time is told on the venue's clock, with the clock's name", () => {
  expect(venueTime("2026-12-07T18:30:00Z", "Europe/Berlin", NOW)).toBe("7 December, 19:30 (Berlin time)");
  expect(venueTime("2026-12-07T00:05:00Z", "America/New_York", NOW)).toBe("6 December, 19:05 (New York time)");
});

test("another year is told", () => {
  expect(venueTime("2026-12-31T23:30:00Z", "Europe/Berlin", NOW)).toBe("1 January 2027, 00:30 (Berlin time)");
});

test("a zone that nobody knows is read as UTC", () => {
  expect(venueTime("2026-12-07T18:30:00Z", "Mars/Olympus", NOW)).toBe("7 December, 18:30 (UTC time)");
});
