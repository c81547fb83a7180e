// The till on one page: who gets the tickets, how to pay, what it costs; what was typed survives everything.
import { useState } from "preact/hooks";
import { call } from "../shared/api";
import { ServerClock } from "../shared/clock";
import { mountIsland } from "../shared/island";
import { formatAmount, formatMoney } from "../shared/money";
import { fieldWords, problemWords } from "../shared/problem";
import type { Category, Hold, Problem } from "../shared/types";
import { Countdown } from "./countdown";
import { HoldKeeper, sessionMemory } from "./hold-keeper";
import { leaveForProvider } from "./leave";
import { sendIntent } from "./pay";
import { PaymentChoice } from "./payment-choice";
import { HOSTED_PAGE, type Provider } from "./payment-methods";

interface CheckoutData {
  event: { id: string; name: string; categories: Category[] };
  hold: Hold;
  contact: { name: string; email: string };
  provider: Provider;
}

interface Form {
  name: string;
  email: string;
  method: string;
}

function Checkout({ event, hold: held, contact, provider }: CheckoutData) {
  const [keeper] = useState(() => keeperOf(event.id, held));
  const [clock] = useState(() => clockOf(held));
  const [form, setForm] = useState<Form>(() => ({
    method: provider === "stripe" ? HOSTED_PAGE : "",
    ...(readDraft() ?? contact),
  }));
  const [paying, setPaying] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [spoken, setSpoken] = useState("");
  const basket = keeper.basket.value;
  const hold = basket.hold;
  const change = (part: Partial<Form>) => {
    const next = { ...form, ...part };
    setForm(next);
    writeDraft({ name: next.name, email: next.email });
  };
  const free = (hold?.total_minor ?? held.total_minor) === 0;

  const pay = async (submission: Event) => {
    submission.preventDefault();
    if (!hold || paying) return;
    setPaying(true);
    setProblem(null);
    const answer = await sendIntent(`booking:${event.id}`, "/api/bookings", bookingBody(hold, form, free), call);
    if (answer.ok) {
      sessionMemory(event.id).write(null);
      if (provider === "stripe") leaveForProvider(answer.value.id);
      location.assign(`/orders/${answer.value.id}`);
      return;
    }
    setPaying(false);
    setProblem(answer.problem);
    await afterRefusal(keeper, answer.problem);
  };

  return (
    <form class="checkout" onSubmit={pay} noValidate={false}>
      <div class="checkout-main">
        {problem && problem.code !== "hold_expired" && (
          <CheckoutProblem problem={problem} seatsPage={`/events/${event.id}/seats`} />
        )}
        <Contact form={form} errors={problem ? fieldWords(problem) : {}} onChange={change} />
        {!free && (
          <PaymentChoice
            provider={provider}
            value={form.method}
            onChange={(method) => change({ method })}
            error={problem ? fieldWords(problem).payment_method : undefined}
          />
        )}
      </div>
      <aside class="basket panel" aria-labelledby="summary-title">
        <h2 id="summary-title">Your tickets</h2>
        {hold ? <Summary event={event} hold={hold} /> : <Expired keeper={keeper} eventId={event.id} />}
        {hold && (
          <>
            {!paying && (
              <div class="clock-line">
                <Countdown until={hold.expires_at} clock={clock} onOver={() => keeper.expire()} onSpeak={setSpoken} />
                <button type="button" class="quiet" onClick={() => void keeper.extend()}>
                  More time
                </button>
              </div>
            )}
            <button type="submit" class="primary wide" disabled={paying || basket.busy}>
              {paying
                ? "One moment…"
                : free
                  ? "Get free tickets"
                  : provider === "stripe"
                    ? "Continue to payment"
                    : `Pay ${formatAmount(hold.total_minor, hold.currency)}`}
            </button>
            <a class="quiet-link centred" href={`/events/${event.id}/seats`}>
              Change seats
            </a>
          </>
        )}
        <p class="visually-hidden" aria-live="polite">
          {spoken}
        </p>
      </aside>
    </form>
  );
}

function bookingBody(hold: Hold, form: Form, free: boolean): Record<string, unknown> {
  const contact = { email: form.email.trim(), name: form.name.trim() };
  return { hold_token: hold.token, contact, ...(free ? {} : { payment_method: form.method }) };
}

async function afterRefusal(keeper: HoldKeeper, problem: Problem): Promise<void> {
  if (problem.code === "hold_consumed" && problem.booking_id) location.assign(`/orders/${problem.booking_id}`);
  else if (problem.code === "hold_expired" || problem.code === "hold_gone") keeper.expire();
  else if (problem.code === "hold_changed") await keeper.resume();
}

function keeperOf(eventId: string, hold: Hold): HoldKeeper {
  const memory = sessionMemory(eventId);
  const onBooked = (bookingId: string) => location.assign(`/orders/${bookingId}`);
  const keeper = new HoldKeeper({ eventId, send: call, clock: clockOf(hold), memory, onBooked });
  keeper.accept(hold);
  return keeper;
}

function clockOf(hold: Hold): ServerClock {
  const clock = new ServerClock();
  clock.hear(hold.server_now);
  return clock;
}

interface ContactProps {
  form: Form;
  errors: Record<string, string>;
  onChange: (part: Partial<Form>) => void;
}

function Contact({ form, errors, onChange }: ContactProps) {
  return (
    <fieldset class="contact">
      <legend>Who gets the tickets?</legend>
      <label class="field">
        <span>Name</span>
        <input
          name="name"
          autocomplete="name"
          required
          maxLength={200}
          value={form.name}
          aria-invalid={Boolean(errors["contact.name"])}
          onInput={(event) => onChange({ name: event.currentTarget.value })}
        />
        {errors["contact.name"] && <span class="field-error">{errors["contact.name"]}</span>}
      </label>
      <label class="field">
        <span>E-mail</span>
        <input
          name="email"
          type="email"
          autocomplete="email"
          required
          maxLength={254}
          value={form.email}
          aria-invalid={Boolean(errors["contact.email"])}
          onInput={(event) => onChange({ email: event.currentTarget.value })}
        />
        <span class="hint">We send the tickets and any news about the event here.</span>
        {errors["contact.email"] && <span class="field-error">{errors["contact.email"]}</span>}
      </label>
    </fieldset>
  );
}

function CheckoutProblem({ problem, seatsPage }: { problem: Problem; seatsPage: string }) {
  return (
    <div class="notice warning" role="alert">
      <p>{problemWords(problem)}</p>
      {problem.code === "seat_unavailable" && <a href={seatsPage}>Choose other seats</a>}
    </div>
  );
}

function Summary({ event, hold }: { event: CheckoutData["event"]; hold: Hold }) {
  const name = (key: string) => event.categories.find((category) => category.key === key)?.name ?? key;
  return (
    <>
      <ul class="basket-lines">
        {hold.seats.map((seat) => (
          <li key={seat.seat_no}>
            <span class="line-seat">
              <strong>{seat.label}</strong>
              <span>{name(seat.category)}</span>
            </span>
            <span class="price">{formatMoney(seat.price_minor, hold.currency)}</span>
          </li>
        ))}
      </ul>
      <p class="total">
        <span>Total, all fees included</span>
        <strong>{formatAmount(hold.total_minor, hold.currency)}</strong>
      </p>
    </>
  );
}

function Expired({ keeper, eventId }: { keeper: HoldKeeper; eventId: string }) {
  const { lost, refusal } = keeper.basket.value;
  return (
    <div class="notice warning" role="alert">
      <p>{refusal ? problemWords(refusal.problem) : "The time for your seats has run out."}</p>
      <p>What you typed is still here.</p>
      <div class="notice-actions">
        {lost.length > 0 && (
          <button type="button" class="primary" onClick={() => void keeper.want(lost.map((seat) => seat.seat_no))}>
            Hold the same seats again
          </button>
        )}
        <a class="button" href={`/events/${eventId}/seats`}>
          Choose seats
        </a>
      </div>
    </div>
  );
}

const DRAFT = "checkout:contact";

function readDraft(): { name: string; email: string } | null {
  const text = sessionStorage.getItem(DRAFT);
  return text ? (JSON.parse(text) as { name: string; email: string }) : null;
}

function writeDraft(contact: { name: string; email: string }): void {
  sessionStorage.setItem(DRAFT, JSON.stringify(contact));
}

mountIsland("checkout", Checkout);
