import { beforeEach, expect, test } from "vitest";
import type { Answer, Request } from "../shared/api";
import type { Send } from "./hold-keeper";
import { forgetIntent, intentKey } from "./intent";
import { sendIntent } from "./pay";

beforeEach(() => sessionStorage.clear());

test("the same intent keeps its key, a changed one gets another", () => {
  const first = intentKey("pay", { card: "a" });

  expect(intentKey("pay", { card: "a" })).toBe(first);
  expect(intentKey("pay", { card: "b" })).not.toBe(first);
});

test("a forgotten intent starts anew", () => {
  const first = intentKey("pay", { card: "a" });

  forgetIntent("pay");

  expect(intentKey("pay", { card: "a" })).not.toBe(first);
});

test("an unanswered click and the next one carry the same key, and an answer ends the intent", async () => {
  const keys: (string | undefined)[] = [];
  let online = false;
  const send: Send = async <T>(_path: string, request: Request = {}): Promise<Answer<T>> => {
    keys.push(request.idempotencyKey);
    if (!online) return { ok: false, problem: { status: 0, code: "offline" }, retryAfter: 0 };
    return { ok: true, value: {} as T, status: 202 };
  };

  await sendIntent("pay", "/api/bookings", { card: "a" }, send);
  online = true;
  await sendIntent("pay", "/api/bookings", { card: "a" }, send);
  await sendIntent("pay", "/api/bookings", { card: "a" }, send);

  expect(keys[0]).toBe(keys[1]);
  expect(keys[2]).not.toBe(keys[1]);
});
