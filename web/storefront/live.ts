// Live availability by asking again every few seconds: cheap, because an unchanged snapshot answers 304.
import { signal } from "@preact/signals";
import { type AVAILABLE, type HELD, unpackAvailability } from "../seatmap/codec";
import { fetchBytes } from "../shared/api";

const EVERY_MS = 3_000;
const JITTER_MS = 800;
const SLOWEST_MS = 30_000;

export class LiveAvailability {
  readonly states = signal<Uint8Array>(new Uint8Array());
  /** False while the last answers failed; the page says so. */
  readonly live = signal(true);
  private etag: string | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly eventId: string,
    private readonly seats: number,
  ) {
    this.states.value = new Uint8Array(seats);
  }

  async start(): Promise<void> {
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.refresh();
    });
    await this.refresh();
  }

  async refresh(): Promise<void> {
    clearTimeout(this.timer);
    if (!document.hidden) await this.ask();
    const wait = Math.min(EVERY_MS * 2 ** this.failures, SLOWEST_MS) + Math.random() * JITTER_MS;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), wait);
  }

  /** Shows what an answer has already told, without waiting for the next snapshot. */
  tell(seats: readonly number[], state: typeof AVAILABLE | typeof HELD): void {
    if (seats.length === 0) return;
    const states = this.states.value.slice();
    for (const seat of seats) states[seat] = state;
    this.states.value = states;
    this.etag = null;
  }

  private async ask(): Promise<void> {
    const answer = await fetchBytes(`/api/events/${this.eventId}/availability`, this.etag);
    this.live.value = answer.ok;
    this.failures = answer.ok ? 0 : Math.min(this.failures + 1, 5);
    if (!answer.ok || !answer.value) return;
    this.etag = answer.value.etag;
    this.states.value = unpackAvailability(answer.value.body, this.seats).states;
  }
}
