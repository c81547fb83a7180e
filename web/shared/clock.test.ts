import { expect, test } from "vitest";
import { countdownMood, formatCountdown, ServerClock, spokenCountdown } from "./clock";

test("a countdown runs on the server's time, whatever the device's clock says", () => {
  const clock = new ServerClock();
  const deviceNow = Date.parse("2031-01-01T00:00:00Z");

  clock.hear("2026-11-22T20:00:00Z", deviceNow);

  expect(clock.secondsUntil("2026-11-22T20:10:00Z", deviceNow)).toBe(600);
  expect(clock.secondsUntil("2026-11-22T20:10:00Z", deviceNow + 599_001)).toBe(1);
});

test("a countdown never falls below zero", () => {
  const clock = new ServerClock();
  clock.hear("2026-11-22T20:00:00Z", 0);

  expect(clock.secondsUntil("2026-11-22T19:00:00Z", 0)).toBe(0);
});

test("minutes and seconds are written as on a clock", () => {
  expect(formatCountdown(600)).toBe("10:00");
  expect(formatCountdown(61)).toBe("1:01");
  expect(formatCountdown(9)).toBe("0:09");
});

test("the remaining time is spoken at a few marks only", () => {
  const spoken = Array.from({ length: 400 }, (_, passed) => spokenCountdown(400 - passed, 399 - passed)).filter(
    Boolean,
  );

  expect(spoken).toHaveLength(4);
  expect(spoken[0]).toContain("5 more minutes");
  expect(spoken[3]).toContain("30 more seconds");
});

test("a tab that wakes up late is not told old marks", () => {
  expect(spokenCountdown(600, 200)).toBeNull();
});

test("the countdown's mood follows the remaining time", () => {
  expect([300, 120, 60, 0].map(countdownMood)).toEqual(["calm", "soon", "last_minute", "over"]);
});
