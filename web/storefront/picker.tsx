// The seats page: the hall as a list, quick ways to good seats, and the basket that holds them.
import { effect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { AVAILABLE, HELD } from "../seatmap/codec";
import { matchCategories, type PlanDocument, readPlan } from "../seatmap/plan";
import { call } from "../shared/api";
import { ServerClock } from "../shared/clock";
import { mountIsland } from "../shared/island";
import { problemWords } from "../shared/problem";
import type { EventOnSale, Offers, Problem } from "../shared/types";
import { heldSeats } from "./basket";
import { BasketBar, BasketPanel } from "./basket-panel";
import { Chooser } from "./chooser";
import { HoldKeeper, sessionMemory } from "./hold-keeper";
import { LiveAvailability } from "./live";
import { type PickerModel, pickerModel, priceWords } from "./picker-model";
import { BestAvailable, StandingAreas } from "./quick";

interface PickerData {
  event: EventOnSale;
  offers: Offers;
}

function Picker({ event, offers }: PickerData) {
  const [model, setModel] = useState<PickerModel | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    void open(event, offers, setModel, setProblem);
  }, []);
  if (problem) return <p class="notice warning">{problemWords(problem)}</p>;
  if (!model) return <p class="loading">Opening the hall…</p>;
  return (
    <div class="picker">
      <div class="picker-main">
        <StandingAreas model={model} />
        <BestAvailable model={model} />
        <Chooser model={model} />
        <Legend model={model} />
      </div>
      <BasketPanel model={model} />
      <BasketBar model={model} />
      <p class="status-line" aria-live="polite">
        {model.announcement.value || (model.live.live.value ? "" : "Live updates are paused. Reconnecting…")}
      </p>
    </div>
  );
}

async function open(
  event: EventOnSale,
  offers: Offers,
  onReady: (model: PickerModel) => void,
  onProblem: (problem: Problem) => void,
): Promise<void> {
  const answer = await call<PlanDocument>(`/api/plans/${event.plan_hash}.json`);
  if (!answer.ok) return onProblem(answer.problem);
  const plan = readPlan(answer.value, matchCategories(answer.value, offers.categories));
  const clock = new ServerClock();
  const live = new LiveAvailability(event.id, plan.seats);
  const keeper = new HoldKeeper({
    eventId: event.id,
    send: call,
    clock,
    memory: sessionMemory(event.id),
    onBooked: (bookingId) => location.assign(`/orders/${bookingId}`),
  });
  await Promise.all([live.start(), keeper.resume()]);
  followBasket(keeper, live);
  onReady(pickerModel({ eventId: event.id, plan, offers, keeper, live, clock }));
}

/** The hall learns at once what the basket's answers tell: seats given back are free, refused ones are taken. */
function followBasket(keeper: HoldKeeper, live: LiveAvailability): void {
  let before: number[] = heldSeats(keeper.basket.value);
  effect(() => {
    const basket = keeper.basket.value;
    const now = heldSeats(basket);
    const released = before.filter((seat) => !now.includes(seat));
    const refused = basket.refusal?.problem.seats ?? [];
    before = now;
    queueMicrotask(() => {
      live.tell(released, AVAILABLE);
      live.tell(refused, HELD);
    });
  });
}

function Legend({ model }: { model: PickerModel }) {
  const looks = [
    ["available", "Free"],
    ["mine", "Yours"],
    ["held", "Held by others"],
    ["sold", "Sold"],
  ] as const;
  return (
    <div class="legend">
      <ul aria-label="What the colours mean">
        {model.offers.categories.map((offer, index) => (
          <li key={offer.key}>
            <span class={`swatch cat-${index}`}>
              {offer.name} {priceWords(model, offer.key)}
            </span>
          </li>
        ))}
      </ul>
      {model.place.value.level === "seats" && (
        <ul aria-label="What the marks mean">
          {looks.map(([look, words]) => (
            <li key={look}>
              <span class={`seat sample seat-${look}`} aria-hidden="true">
                {look === "mine" ? "✓" : ""}
              </span>
              {words}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

mountIsland("picker", Picker);
