// Keeps the server's hold equal to the buyer's wish: one request at a time, the newest wish next.
import { signal } from "@preact/signals";
import type { Answer, Request } from "../shared/api";
import type { ServerClock } from "../shared/clock";
import type { Hold, Problem } from "../shared/types";
import { EMPTY_BASKET, isSettled, type Move, nextBasket } from "./basket";

export type Send = <T>(path: string, request?: Request) => Promise<Answer<T>>;

export interface BestWish {
  quantity: number;
  category?: string;
  accessible?: boolean;
}

export interface HoldMemory {
  read(): string | null;
  write(holdId: string | null): void;
}

export interface KeeperOptions {
  eventId: string;
  send: Send;
  clock: ServerClock;
  memory: HoldMemory;
  onBooked: (bookingId: string) => void;
}

export class HoldKeeper {
  readonly basket = signal(EMPTY_BASKET);
  private settling = false;

  constructor(private readonly options: KeeperOptions) {}

  /** Finds the hold of an earlier visit to this event again. */
  async resume(): Promise<void> {
    const holdId = this.options.memory.read();
    if (!holdId) return;
    const answer = await this.options.send<Hold>(`/api/holds/${holdId}`);
    if (answer.ok) this.accept(answer.value);
    else if (answer.problem.status !== 0) this.forget();
  }

  async want(seats: readonly number[]): Promise<void> {
    this.move({ type: "wish", seats });
    await this.alone();
  }

  /** Replaces the basket by the best seats together; the old hold is given back only once the new one stands. */
  async wantBest(best: BestWish): Promise<void> {
    await this.alone(async () => {
      const before = this.basket.value.hold;
      const held = await this.claim({ best_available: best });
      if (held && before) await this.options.send(`/api/holds/${before.id}`, { method: "DELETE" });
    });
  }

  async wantStanding(zone: string, quantity: number): Promise<void> {
    await this.alone(() => this.claim({ areas: [{ zone, quantity }] }));
  }

  async extend(): Promise<void> {
    const hold = this.basket.value.hold;
    if (!hold) return;
    const answer = await this.options.send<Hold>(`/api/holds/${hold.id}/extension`, { method: "POST" });
    if (answer.ok) this.accept(answer.value);
    else this.refuse(answer.problem);
  }

  async release(): Promise<void> {
    const hold = this.basket.value.hold;
    this.forget();
    this.move({ type: "released" });
    if (hold) await this.options.send(`/api/holds/${hold.id}`, { method: "DELETE" });
  }

  expire(): void {
    this.forget();
    this.move({ type: "expired" });
  }

  dismiss(): void {
    this.move({ type: "dismissed" });
  }

  /** One request at a time; wishes that grew meanwhile are sent before the next one may begin. */
  private async alone(first?: () => Promise<unknown>): Promise<void> {
    if (this.settling) return;
    this.settling = true;
    try {
      if (first) await first();
      while (!isSettled(this.basket.value)) await this.sendWish();
    } finally {
      this.settling = false;
    }
  }

  private async sendWish(): Promise<void> {
    const { hold, wish } = this.basket.value;
    if (!hold) {
      await this.claim({ seats: wish });
      return;
    }
    if (wish.length === 0) {
      await this.release();
      return;
    }
    this.move({ type: "sending" });
    const path = `/api/holds/${hold.id}/seats`;
    const answer = await this.options.send<Hold>(path, { method: "PUT", body: { seats: wish } });
    if (answer.ok) this.answered(answer.value, wish);
    else this.refuse(answer.problem);
  }

  private async claim(body: Record<string, unknown>): Promise<boolean> {
    const { wish } = this.basket.value;
    this.move({ type: "sending" });
    const path = `/api/events/${this.options.eventId}/holds`;
    const answer = await this.options.send<Hold>(path, { method: "POST", body });
    if (!answer.ok) return this.refuse(answer.problem);
    this.answered(answer.value, wish);
    return true;
  }

  /** The wish is settled unless the buyer has changed it while the request was under way. */
  private answered(hold: Hold, wishSent: readonly number[]): void {
    const wishNow = this.basket.value.wish;
    this.accept(hold);
    if (wishNow !== wishSent) this.move({ type: "wish", seats: wishNow });
  }

  accept(hold: Hold): void {
    this.options.clock.hear(hold.server_now);
    this.options.memory.write(hold.id);
    this.move({ type: "held", hold });
  }

  private refuse(problem: Problem): false {
    if (problem.code === "hold_consumed" && problem.booking_id) this.options.onBooked(problem.booking_id);
    if (problem.code === "hold_gone" || problem.code === "hold_expired") this.expire();
    else this.move({ type: "refused", problem });
    return false;
  }

  private forget(): void {
    this.options.memory.write(null);
  }

  private move(move: Move): void {
    this.basket.value = nextBasket(this.basket.value, move);
  }
}

/** Remembers one hold per event for this tab, so that a reload finds it again. */
export function sessionMemory(eventId: string, storage: Storage = sessionStorage): HoldMemory {
  const key = `hold:${eventId}`;
  return {
    read: () => storage.getItem(key),
    write: (holdId) => (holdId ? storage.setItem(key, holdId) : storage.removeItem(key)),
  };
}
