// Sends one payment intent until it has an answer: a click that is still being worked on is asked for again.
import type { Answer } from "../shared/api";
import type { Booking } from "../shared/types";
import type { Send } from "./hold-keeper";
import { forgetIntent, intentKey } from "./intent";

const ATTEMPTS_MAX = 8;
const WAIT_MS = 800;
/** Most payments have ended by then, and the next page can say how. */
const NEWS_SECONDS = 3;

export async function sendIntent(name: string, path: string, body: unknown, send: Send): Promise<Answer<Booking>> {
  const idempotencyKey = intentKey(name, body);
  for (let attempt = 1; ; attempt++) {
    const answer = await send<Booking>(path, { method: "POST", body, idempotencyKey, waitSeconds: NEWS_SECONDS });
    const underWay = !answer.ok && (answer.problem.code === "in_flight" || answer.problem.status === 503);
    if (!underWay || attempt === ATTEMPTS_MAX) {
      // An answer ends the intent; silence does not: the next click must carry the same key.
      if (answer.ok || (answer.problem.status !== 0 && !underWay)) forgetIntent(name);
      return answer;
    }
    await pause(Math.max(WAIT_MS, answer.retryAfter * 1000));
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
