import { expect, test } from "vitest";
import { formatAmount, formatMoney } from "./money";

test("the number of digits is the currency's own", () => {
  expect(formatMoney(4500, "EUR")).toBe("€45.00");
  expect(formatMoney(4500, "JPY")).toBe("¥4,500");
  expect(formatMoney(4500, "KWD")).toContain("4.500");
});

test("a price of nothing is called free, a total of nothing stays a number", () => {
  expect(formatMoney(0, "EUR")).toBe("Free");
  expect(formatAmount(0, "EUR")).toBe("€0.00");
});
