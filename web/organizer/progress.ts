// Follows the cancellation of an event: asks every second how far it has got, and shows the page anew at the end.
import { call } from "../shared/api";

interface Progress {
  total: number;
  handled: number;
  finished_at: string | null;
}

const PAUSE_MS = 1_000;
const place = document.querySelector<HTMLElement>("[data-progress-of]");

async function follow(section: HTMLElement, path: string): Promise<void> {
  const bar = section.querySelector("progress");
  const words = section.querySelector("[data-progress-words]");
  const answer = await call<Progress>(path);
  if (answer.ok) {
    const { total, handled, finished_at } = answer.value;
    if (finished_at) return location.replace(location.pathname);
    if (bar) {
      bar.max = Math.max(total, 1);
      bar.value = handled;
    }
    if (words) words.textContent = `${handled.toLocaleString("en")} of ${total.toLocaleString("en")} orders`;
  }
  setTimeout(() => void follow(section, path), PAUSE_MS);
}

if (place) void follow(place, `/api/events/${place.dataset.progressOf}/cancellation`);
