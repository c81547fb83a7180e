// The basket beside the hall: what is held, the whole price, the clock, and the way to the till.
import { useEffect, useState } from "preact/hooks";
import { seatName } from "../seatmap/plan";
import { formatCountdown } from "../shared/clock";
import { formatAmount, formatMoney } from "../shared/money";
import { problemWords } from "../shared/problem";
import type { Hold, SeatLine } from "../shared/types";
import { type Offer, toggled } from "./basket";
import { Countdown, useSecondsUntil } from "./countdown";
import { categoryName, type PickerModel } from "./picker-model";

export function BasketPanel({ model }: { model: PickerModel }) {
  const basket = model.keeper.basket.value;
  return (
    <aside class="basket panel" id="basket" aria-labelledby="basket-title">
      <h2 id="basket-title">Your seats</h2>
      <Notice model={model} />
      {basket.hold ? (
        <Held model={model} hold={basket.hold} busy={basket.busy} />
      ) : (
        <p class="empty">{basket.busy ? "One moment…" : "Nothing chosen yet. Seats you choose are held for you."}</p>
      )}
    </aside>
  );
}

/** On narrow screens the basket lies below the hall: this bar keeps its sum and its clock in view. */
export function BasketBar({ model }: { model: PickerModel }) {
  const hold = model.keeper.basket.value.hold;
  const narrow = useMedia("(max-width: 62rem)");
  if (!hold || !narrow) return null;
  const seats = hold.seats.length;
  return (
    <a class="basket-bar" href="#basket">
      <span>
        {seats} {seats === 1 ? "seat" : "seats"} · <strong>{formatAmount(hold.total_minor, hold.currency)}</strong>
      </span>
      <span>
        <Remaining until={hold.expires_at} clock={model.clock} /> · Review
      </span>
    </a>
  );
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const listen = () => setMatches(media.matches);
    media.addEventListener("change", listen);
    return () => media.removeEventListener("change", listen);
  }, [query]);
  return matches;
}

function Remaining({ until, clock }: { until: string; clock: PickerModel["clock"] }) {
  return <time>{formatCountdown(useSecondsUntil(until, clock))}</time>;
}

function Held({ model, hold, busy }: { model: PickerModel; hold: Hold; busy: boolean }) {
  const { keeper, clock } = model;
  return (
    <>
      <ul class="basket-lines">
        {hold.seats.map((seat) => (
          <BasketLine key={seat.seat_no} model={model} seat={seat} currency={hold.currency} />
        ))}
      </ul>
      <p class="total">
        <span>Total, all fees included</span>
        <strong>{formatAmount(hold.total_minor, hold.currency)}</strong>
      </p>
      {!hold.exclusive && <p class="hint">Live holding is taking a break: whoever pays first gets the seat.</p>}
      <div class="clock-line">
        <Countdown
          until={hold.expires_at}
          clock={clock}
          onOver={() => keeper.expire()}
          onSpeak={(sentence) => {
            model.announcement.value = sentence;
          }}
        />
        <ExtendButton model={model} hold={hold} />
      </div>
      <a class="button primary wide" href={`/checkout/${hold.id}?event=${model.eventId}`} aria-disabled={busy}>
        Continue to checkout
      </a>
      <button type="button" class="quiet wide" onClick={() => void keeper.release()}>
        Give all seats back
      </button>
    </>
  );
}

/** Quiet while there is plenty of time, prominent in the last two minutes. */
function ExtendButton({ model, hold }: { model: PickerModel; hold: Hold }) {
  const soon = useSecondsUntil(hold.expires_at, model.clock) <= 120;
  return (
    <button type="button" class={soon ? "primary" : "quiet"} onClick={() => void model.keeper.extend()}>
      {soon ? "Keep my seats" : "More time"}
    </button>
  );
}

function BasketLine({ model, seat, currency }: { model: PickerModel; seat: SeatLine; currency: string }) {
  const wish = model.keeper.basket.value.wish;
  const leaving = !wish.includes(seat.seat_no);
  return (
    <li class={leaving ? "leaving" : undefined}>
      <span class="line-seat">
        <strong>{seat.label}</strong>
        <span>{categoryName(model, seat.category)}</span>
      </span>
      <span class="price">{formatMoney(seat.price_minor, currency)}</span>
      <button
        type="button"
        class="quiet icon"
        aria-label={`Remove ${seat.label}`}
        onClick={() => void model.keeper.want(toggled(wish, seat.seat_no))}
      >
        ×
      </button>
    </li>
  );
}

function Notice({ model }: { model: PickerModel }) {
  const { refusal, lost } = model.keeper.basket.value;
  if (lost.length > 0) return <Lost model={model} lost={lost} />;
  if (!refusal) return null;
  return (
    <div class="notice warning" role="alert">
      <p>{problemWords(refusal.problem)}</p>
      {refusal.offers.length > 0 && <p>Still free right beside it:</p>}
      <div class="notice-actions">
        {refusal.offers.map((offer) => (
          <OfferButton key={offer.added.join()} model={model} offer={offer} />
        ))}
        <button type="button" class="quiet" onClick={() => model.keeper.dismiss()}>
          Close
        </button>
      </div>
    </div>
  );
}

function OfferButton({ model, offer }: { model: PickerModel; offer: Offer }) {
  const names = offer.added.map((seat) => seatName(model.plan, seat)).join(" and ");
  return (
    <button type="button" onClick={() => void model.keeper.want(offer.wish)}>
      Take {names}
    </button>
  );
}

function Lost({ model, lost }: { model: PickerModel; lost: readonly SeatLine[] }) {
  const states = model.live.states.value;
  const free = lost.filter((seat) => states[seat.seat_no] === 0).map((seat) => seat.seat_no);
  return (
    <div class="notice warning" role="alert">
      <p>The time for your seats has run out.</p>
      <p>{free.length === lost.length ? "They are still free." : `${free.length} of ${lost.length} are still free.`}</p>
      <div class="notice-actions">
        {free.length > 0 && (
          <button type="button" class="primary" onClick={() => void model.keeper.want(free)}>
            Hold again
          </button>
        )}
        <button type="button" class="quiet" onClick={() => model.keeper.dismiss()}>
          Close
        </button>
      </div>
    </div>
  );
}
