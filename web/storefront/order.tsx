// The order page: the booking's progress in words until it ends, then the tickets or the reason why not.
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../shared/api";
import { ServerClock } from "../shared/clock";
import { mountIsland } from "../shared/island";
import { formatAmount } from "../shared/money";
import { problemWords } from "../shared/problem";
import type { Booking, Problem, Ticket } from "../shared/types";
import { useSecondsUntil } from "./countdown";
import { validLines } from "./give-back";
import { GiveBack } from "./give-back-panel";
import { isLeaving } from "./leave";
import {
  askAfterMs,
  canAbort,
  eventWasCancelled,
  NEWS_SECONDS,
  type ProgressStep,
  progressSteps,
  verdict,
} from "./order-progress";
import { sendIntent } from "./pay";
import { PaymentChoice } from "./payment-choice";
import { HOSTED_PAGE, type Provider } from "./payment-methods";

interface OrderData {
  booking: Booking;
  when: string;
  time_zone: string;
  provider: Provider;
}

function Order({ booking: first, when, time_zone: timeZone, provider }: OrderData) {
  const [booking, setBooking] = useState(first);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [clock] = useState(() => clockAt(first.server_now));
  const [round, setRound] = useState(0);
  usePolling(booking, setBooking, round);
  const changed = (next: Booking) => {
    setBooking(next);
    setRound((before) => before + 1);
  };
  const heading = useRef<HTMLHeadingElement>(null);
  const givenBack = (next: Booking) => {
    changed(next);
    heading.current?.focus();
  };
  const { tone, title, text } = verdict(booking);
  const providersPage = booking.next_action?.type === "redirect" ? booking.next_action.url : undefined;
  useEffect(() => {
    if (providersPage && isLeaving(booking.id)) location.assign(providersPage);
  }, [booking.id, providersPage]);
  return (
    <div class="order">
      <div class={`verdict verdict-${tone}`} role="status">
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <p>{text}</p>
      </div>
      {problem && (
        <p class="notice warning" role="alert">
          {problemWords(problem)}
        </p>
      )}
      {booking.status === "PENDING_PAYMENT" && <Steps steps={progressSteps(booking)} />}
      {providersPage && (
        <a class="button primary" href={providersPage}>
          Continue to payment
        </a>
      )}
      {booking.next_action?.type === "retry_payment" && (
        <PayAgain booking={booking} clock={clock} provider={provider} onChanged={changed} onProblem={setProblem} />
      )}
      {booking.status === "CONFIRMED" && <Tickets booking={booking} when={when} />}
      {validLines(booking).length > 0 && <GiveBack booking={booking} timeZone={timeZone} onChanged={givenBack} />}
      {["FAILED", "EXPIRED", "CANCELLED"].includes(booking.status) && !eventWasCancelled(booking) && (
        <a class="button primary" href={`/events/${booking.event.id}/seats`}>
          Choose seats again
        </a>
      )}
      {canAbort(booking) && <Abort booking={booking} onChanged={changed} onProblem={setProblem} />}
    </div>
  );
}

function clockAt(serverNow: string): ServerClock {
  const clock = new ServerClock();
  clock.hear(serverNow);
  return clock;
}

/** Asks while the booking can still change, and lets the server answer when it has. */
function usePolling(booking: Booking, onChange: (booking: Booking) => void, round: number): void {
  const since = useRef(Date.now());
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    since.current = Date.now();
  }, [round]);
  useEffect(() => {
    const pause = askAfterMs(booking, Date.now() - since.current);
    if (pause === null) return;
    const over = new AbortController();
    const timer = setTimeout(async () => {
      const news = { waitSeconds: NEWS_SECONDS, signal: over.signal };
      const answer = await call<Booking>(`/api/bookings/${booking.id}`, news);
      if (over.signal.aborted) return;
      if (answer.ok) onChange(answer.value);
      setAsked((before) => before + 1);
    }, pause);
    return () => {
      clearTimeout(timer);
      over.abort();
    };
  }, [booking, asked]);
}

const STEP_MARKS = { done: "✓", now: "…", waiting: "", failed: "×" } as const;
const STEP_WORDS = { done: "done", now: "now", waiting: "not yet", failed: "failed" } as const;

function Steps({ steps }: { steps: ProgressStep[] }) {
  return (
    <ol class="steps">
      {steps.map((step) => (
        <li key={step.words} class={`step-${step.state}`} aria-current={step.state === "now" ? "step" : undefined}>
          <span class="step-mark" aria-hidden="true">
            {STEP_MARKS[step.state]}
          </span>
          {step.words}
          <span class="visually-hidden"> ({STEP_WORDS[step.state]})</span>
        </li>
      ))}
    </ol>
  );
}

interface ActionProps {
  booking: Booking;
  onChanged: (booking: Booking) => void;
  onProblem: (problem: Problem | null) => void;
}

type PayAgainProps = ActionProps & { clock: ServerClock; provider: Provider };

function PayAgain({ booking, clock, provider, onChanged, onProblem }: PayAgainProps) {
  const [method, setMethod] = useState(provider === "stripe" ? HOSTED_PAGE : "");
  const [paying, setPaying] = useState(false);
  const seconds = useSecondsUntil(booking.next_action?.expires_at ?? booking.hold_until, clock);
  const pay = async (event: Event) => {
    event.preventDefault();
    setPaying(true);
    onProblem(null);
    const path = `/api/bookings/${booking.id}/payments`;
    const answer = await sendIntent(`payment:${booking.id}`, path, { payment_method: method }, call);
    setPaying(false);
    if (answer.ok) onChanged(answer.value);
    else onProblem(answer.problem);
  };
  const minutes = Math.ceil(seconds / 60);
  return (
    <form class="panel pay-again" onSubmit={pay}>
      <p>
        Your seats are kept for {minutes} more {minutes === 1 ? "minute" : "minutes"}.
      </p>
      <PaymentChoice provider={provider} value={method} onChange={setMethod} />
      <button type="submit" class="primary" disabled={paying || method === ""}>
        {paying ? "One moment…" : `Pay ${formatAmount(booking.total_minor, booking.currency)}`}
      </button>
    </form>
  );
}

function Abort({ booking, onChanged, onProblem }: ActionProps) {
  const [asking, setAsking] = useState(false);
  const abort = async () => {
    setAsking(true);
    const path = `/api/bookings/${booking.id}/cancellation`;
    const answer = await call<Booking>(path, { method: "POST", body: {} });
    setAsking(false);
    if (answer.ok) onChanged(answer.value);
    else onProblem(answer.problem);
  };
  return (
    <button type="button" class="quiet" disabled={asking} onClick={abort}>
      Cancel this booking
    </button>
  );
}

function Tickets({ booking, when }: { booking: Booking; when: string }) {
  const [tickets, setTickets] = useState<Ticket[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const states = booking.seats.map((line) => line.state).join();
  useEffect(() => {
    void call<{ items: Ticket[] }>(`/api/bookings/${booking.id}/tickets`).then((answer) => {
      setProblem(answer.ok ? null : answer.problem);
      if (answer.ok) setTickets(answer.value.items);
    });
  }, [booking.id, states]);
  if (problem) return <p class="notice warning">{problemWords(problem)}</p>;
  return (
    <ul class="tickets" aria-label="Your tickets">
      {tickets.map((ticket) => (
        <li key={ticket.code} class={`ticket ticket-${ticket.state}`}>
          <div class="ticket-words">
            <span class="ticket-event">{booking.event.name}</span>
            <strong class="ticket-seat">{ticket.seat.label}</strong>
            <span>{when}</span>
            <span class="ticket-reference">
              {booking.reference}
              {ticket.state !== "valid" && ` · ${TICKET_WORDS[ticket.state] ?? ticket.state}`}
            </span>
          </div>
          {ticket.state !== "void" && (
            <img
              class="ticket-code"
              src={`data:image/svg+xml;utf8,${encodeURIComponent(ticket.qr_svg)}`}
              alt={`Entry code for ${ticket.seat.label}`}
            />
          )}
        </li>
      ))}
    </ul>
  );
}

const TICKET_WORDS: Readonly<Record<string, string>> = { used: "used", void: "given back, no longer valid" };

mountIsland("order", Order);
