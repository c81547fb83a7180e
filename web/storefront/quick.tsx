// The quick ways in: the best seats together, and places in standing areas by number.
import { useState } from "preact/hooks";
import { AVAILABLE } from "../seatmap/codec";
import type { Section } from "../seatmap/plan";
import { withStanding } from "./basket";
import { countFree, seatedSections, standingSections } from "./browse";
import { Swatches } from "./chooser";
import { type PickerModel, priceWords } from "./picker-model";

export function BestAvailable({ model }: { model: PickerModel }) {
  const most = model.offers.max_seats_per_booking;
  const [quantity, setQuantity] = useState(Math.min(2, most));
  const [category, setCategory] = useState("");
  const [accessible, setAccessible] = useState(false);
  const seated = seatedSections(model.plan);
  if (seated.length === 0) return null;
  const keys = new Set(seated.flatMap((section) => section.categories));
  const basket = model.keeper.basket.value;
  const hasWheelchair = seated.some((section) => section.rows.some((row) => row.flags.flat().includes("wheelchair")));
  const ask = (event: Event) => {
    event.preventDefault();
    void model.keeper.wantBest({
      quantity,
      ...(category ? { category } : {}),
      ...(accessible ? { accessible: true } : {}),
    });
  };
  return (
    <form class="panel best" aria-labelledby="best-title" onSubmit={ask}>
      <h2 id="best-title">Best seats together</h2>
      <div class="best-fields">
        <Stepper label="How many?" value={quantity} least={1} most={most} onChange={setQuantity} />
        <label class="field">
          <span>Price category</span>
          <select value={category} onChange={(event) => setCategory(event.currentTarget.value)}>
            <option value="">Any price</option>
            {model.offers.categories
              .filter((offer) => keys.has(offer.key))
              .map((offer) => (
                <option key={offer.key} value={offer.key}>
                  {offer.name} – {priceWords(model, offer.key)}
                </option>
              ))}
          </select>
        </label>
        {hasWheelchair && (
          <label class="check">
            <input
              type="checkbox"
              checked={accessible}
              onChange={(event) => setAccessible(event.currentTarget.checked)}
            />
            With wheelchair space
          </label>
        )}
        <button type="submit" class="primary" disabled={basket.busy}>
          {basket.hold ? "Replace by the best seats" : "Find the best seats"}
        </button>
      </div>
    </form>
  );
}

export function StandingAreas({ model }: { model: PickerModel }) {
  const areas = standingSections(model.plan);
  return (
    <>
      {areas.map((area) => (
        <StandingArea key={area.key} model={model} area={area} />
      ))}
    </>
  );
}

function StandingArea({ model, area }: { model: PickerModel; area: Section }) {
  const basket = model.keeper.basket.value;
  const states = model.live.states.value;
  const mine = basket.wish.filter((seat) => seat >= area.from && seat < area.to);
  const free = countFree(states, area.from, area.to);
  const [wanted, setWanted] = useState<number | null>(null);
  const quantity = wanted ?? Math.max(mine.length, 1);
  const elsewhere = basket.wish.length - mine.length;
  const most = Math.max(0, Math.min(model.offers.max_seats_per_booking - elsewhere, free + mine.length));
  const take = async (event: Event) => {
    event.preventDefault();
    setWanted(null);
    if (basket.wish.length === 0) return model.keeper.wantStanding(area.key, quantity);
    const wish = withStanding(basket.wish, area, quantity, (seat) => states[seat] === AVAILABLE);
    if (wish) return model.keeper.want(wish);
    model.announcement.value = "There are not that many places left.";
  };
  return (
    <form class="panel standing" aria-label={`${area.name}, standing`} onSubmit={take}>
      <div class="standing-head">
        <h2>{area.name}</h2>
        <p class="section-facts">
          Standing · {free === 0 && mine.length === 0 ? "sold out" : `${free.toLocaleString("en")} free`}
        </p>
        <Swatches model={model} categories={area.categories} />
      </div>
      <span class="price">{priceWords(model, area.categories[0] ?? "")}</span>
      <Stepper
        label={`Places in ${area.name}`}
        value={quantity}
        least={mine.length > 0 ? 0 : 1}
        most={Math.max(most, 1)}
        onChange={setWanted}
      />
      <button type="submit" class="primary" disabled={basket.busy || most === 0 || quantity === mine.length}>
        {mine.length === 0 ? `Hold ${quantity} ${quantity === 1 ? "place" : "places"}` : "Update places"}
      </button>
    </form>
  );
}

interface StepperProps {
  label: string;
  value: number;
  least: number;
  most: number;
  onChange: (value: number) => void;
}

/** A number between two buttons; the number itself can be typed. */
export function Stepper({ label, value, least, most, onChange }: StepperProps) {
  const set = (next: number) => onChange(Math.min(Math.max(next, least), most));
  return (
    // biome-ignore lint/a11y/useSemanticElements: the legend of a fieldset cannot be laid out beside fields.
    <div class="stepper" role="group" aria-label={label}>
      <span class="stepper-label" aria-hidden="true">
        {label}
      </span>
      <button type="button" aria-label="One fewer" disabled={value <= least} onClick={() => set(value - 1)}>
        −
      </button>
      <input
        type="number"
        inputMode="numeric"
        aria-label={label}
        min={least}
        max={most}
        value={value}
        onChange={(event) => set(Math.round(event.currentTarget.valueAsNumber) || least)}
      />
      <button type="button" aria-label="One more" disabled={value >= most} onClick={() => set(value + 1)}>
        +
      </button>
    </div>
  );
}
