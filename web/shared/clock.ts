// Countdowns run on the server's time: each answer carries server_now, and only the difference is kept.

export class ServerClock {
  private offsetMs = 0;

  /** Learns the server's time from an answer that has just arrived. */
  hear(serverNow: string, deviceNow = Date.now()): void {
    this.offsetMs = Date.parse(serverNow) - deviceNow;
  }

  secondsUntil(instant: string, deviceNow = Date.now()): number {
    return Math.max(0, Math.ceil((Date.parse(instant) - deviceNow - this.offsetMs) / 1000));
  }
}

export function formatCountdown(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const SPOKEN_AT_SECONDS: ReadonlyMap<number, string> = new Map([
  [300, "Your seats are held for 5 more minutes."],
  [120, "Your seats are held for 2 more minutes."],
  [60, "Your seats are held for 1 more minute. You can extend the time."],
  [30, "Your seats are held for 30 more seconds. You can extend the time."],
]);

/** The sentence for screen readers when the countdown passes one of its few spoken marks. */
export function spokenCountdown(before: number, now: number): string | null {
  for (const [mark, sentence] of SPOKEN_AT_SECONDS) {
    if (before > mark && now <= mark && now > mark - 20) return sentence;
  }
  return null;
}

export type CountdownMood = "calm" | "soon" | "last_minute" | "over";

export function countdownMood(seconds: number): CountdownMood {
  if (seconds <= 0) return "over";
  if (seconds <= 60) return "last_minute";
  return seconds <= 120 ? "soon" : "calm";
}
