// Giving tickets back on the order page: choose, see exactly what comes back, confirm once.
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../shared/api";
import { formatAmount } from "../shared/money";
import type { Booking, BookingLine, CancellationPreview, Problem } from "../shared/types";
import { venueTime } from "../shared/venue-time";
import {
  cancellationPath,
  previewWords,
  refusalWords,
  seatWords,
  stillChosen,
  ticketCount,
  validLines,
} from "./give-back";
import { sendIntent } from "./pay";

interface GiveBackProps {
  booking: Booking;
  timeZone: string;
  onChanged: (booking: Booking) => void;
}

export function GiveBack({ booking, timeZone, onChanged }: GiveBackProps) {
  const [open, setOpen] = useState(false);
  const valid = validLines(booking);
  const terms = usePreview(
    booking.id,
    valid.map((line) => line.seat_no),
  );
  const heading = useRef<HTMLHeadingElement>(null);
  const close = () => {
    setOpen(false);
    heading.current?.focus();
  };
  const now = booking.server_now;
  return (
    <section class="panel give-back" aria-labelledby="give-back">
      <h2 id="give-back" ref={heading} tabIndex={-1}>
        Give tickets back
      </h2>
      {terms.problem && <p class="muted">{refusalWords(terms.problem, timeZone, now)}</p>}
      {terms.preview && !open && (
        <>
          <p class="muted">
            Plans changed? You can give tickets back until {venueTime(terms.preview.free_until, timeZone, now)}.
          </p>
          <button type="button" aria-expanded="false" onClick={() => setOpen(true)}>
            Choose tickets to give back
          </button>
        </>
      )}
      {open && (
        <Choosing
          booking={booking}
          timeZone={timeZone}
          onChanged={(next) => {
            setOpen(false);
            onChanged(next);
          }}
          onClose={close}
        />
      )}
    </section>
  );
}

interface Previewed {
  preview: CancellationPreview | null;
  problem: Problem | null;
}

const NOTHING: Previewed = { preview: null, problem: null };

/** The terms for these seats; an answer that a later choice has overtaken is dropped. */
function usePreview(bookingId: string, seats: readonly number[]): Previewed {
  const [previewed, setPreviewed] = useState(NOTHING);
  const wanted = seats.join(",");
  useEffect(() => {
    let overtaken = false;
    setPreviewed(NOTHING);
    if (wanted === "") return;
    void call<CancellationPreview>(cancellationPath(bookingId, seats)).then((answer) => {
      if (overtaken) return;
      setPreviewed(answer.ok ? { preview: answer.value, problem: null } : { preview: null, problem: answer.problem });
    });
    return () => {
      overtaken = true;
    };
  }, [bookingId, wanted]);
  return previewed;
}

function Choosing({ booking, timeZone, onChanged, onClose }: GiveBackProps & { onClose: () => void }) {
  const valid = validLines(booking);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(
    () => new Set(valid.length === 1 ? seatNumbers(valid) : []),
  );
  const [confirming, setConfirming] = useState(false);
  const seats = stillChosen(booking, chosen);
  const { preview, problem } = usePreview(booking.id, seats);
  const start = useFocus<HTMLFieldSetElement>(!confirming);
  if (confirming && preview) {
    const lines = valid.filter((line) => chosen.has(line.seat_no));
    const onBack = () => setConfirming(false);
    return <Confirming {...{ booking, timeZone, lines, preview, onChanged, onBack }} />;
  }
  return (
    <>
      <Tickets lines={valid} chosen={chosen} onChoose={setChosen} start={start} />
      <p class="give-back-terms" role="status">
        {seats.length === 0 && "Choose at least one ticket."}
        {preview && previewWords(preview, timeZone, booking.server_now)}
        {problem && refusalWords(problem, timeZone, booking.server_now)}
      </p>
      <div class="give-back-actions">
        <button type="button" disabled={!preview} onClick={() => setConfirming(true)}>
          Continue
        </button>
        <button type="button" class="quiet" onClick={onClose}>
          Keep my tickets
        </button>
      </div>
    </>
  );
}

function seatNumbers(lines: readonly BookingLine[]): number[] {
  return lines.map((line) => line.seat_no);
}

interface TicketsProps {
  lines: readonly BookingLine[];
  chosen: ReadonlySet<number>;
  onChoose: (chosen: ReadonlySet<number>) => void;
  start: { current: HTMLFieldSetElement | null };
}

function Tickets({ lines, chosen, onChoose, start }: TicketsProps) {
  const every = lines.every((line) => chosen.has(line.seat_no));
  const toggle = (seatNo: number) => {
    const next = new Set(chosen);
    if (!next.delete(seatNo)) next.add(seatNo);
    onChoose(next);
  };
  return (
    <fieldset class="give-back-seats" ref={start} tabIndex={-1}>
      <legend>Which tickets do you give back?</legend>
      {lines.length > 1 && (
        <label class="choice">
          <input type="checkbox" checked={every} onChange={() => onChoose(new Set(every ? [] : seatNumbers(lines)))} />
          All {ticketCount(lines.length)}
        </label>
      )}
      {lines.map((line) => (
        <label key={line.seat_no} class="choice">
          <input type="checkbox" checked={chosen.has(line.seat_no)} onChange={() => toggle(line.seat_no)} />
          {line.label}
        </label>
      ))}
    </fieldset>
  );
}

interface ConfirmingProps extends GiveBackProps {
  lines: readonly BookingLine[];
  preview: CancellationPreview;
  onBack: () => void;
}

function Confirming({ booking, timeZone, lines, preview, onChanged, onBack }: ConfirmingProps) {
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const start = useFocus<HTMLElement>(true);
  const giveBack = async () => {
    setSending(true);
    setProblem(null);
    // Always the seats that were shown, never "all": what is taken is exactly what was previewed.
    const body = { seats: preview.seats };
    const answer = await sendIntent(`cancellation:${booking.id}`, cancellationPath(booking.id), body, call);
    setSending(false);
    if (answer.ok) return onChanged(answer.value);
    setProblem(answer.problem);
  };
  return (
    <section class="give-back-confirm" aria-labelledby="give-back-question" ref={start} tabIndex={-1}>
      <h3 id="give-back-question">Give {seatWords(lines)} back?</h3>
      <p>
        {previewWords(preview, timeZone, booking.server_now)} The entry {lines.length === 1 ? "code ends" : "codes end"}{" "}
        at once, and this cannot be undone.
      </p>
      {problem && (
        <p class="notice warning" role="alert">
          {refusalWords(problem, timeZone, booking.server_now)}
        </p>
      )}
      <div class="give-back-actions">
        <button type="button" class="primary" disabled={sending} onClick={giveBack}>
          {sending ? "One moment…" : `Give back and get ${formatAmount(preview.refund_minor, preview.currency)}`}
        </button>
        <button type="button" class="quiet" disabled={sending} onClick={onBack}>
          Back
        </button>
      </div>
    </section>
  );
}

/** Puts the focus on a step when it begins, so that keyboards and screen readers follow. */
function useFocus<Place extends HTMLElement>(begun: boolean): { current: Place | null } {
  const place = useRef<Place>(null);
  useEffect(() => {
    if (begun) place.current?.focus();
  }, [begun]);
  return place;
}
