// The seats of a few rows as check boxes: one tab stop, arrow keys between seats, states by shape, colour and word.
import { useEffect, useRef } from "preact/hooks";
import type { Section } from "../seatmap/plan";
import { toggled } from "./basket";
import { neighbour, type RowPiece, type Step, seatWindow, sectionPieces, windowBefore } from "./browse";
import { up } from "./chooser";
import { categoryIndex, lookWords, type PickerModel, type SeatLook, seatLook, seatWords } from "./picker-model";

const STEPS: Readonly<Record<string, Step>> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "first",
  End: "last",
};

interface SeatGridProps {
  model: PickerModel;
  section: Section;
  start: number;
  focusSeat: number | null;
}

export function SeatGrid({ model, section, start, focusSeat }: SeatGridProps) {
  const pieces = sectionPieces(section);
  const window = seatWindow(pieces, start);
  const after = start + window.length;
  const grid = useRef<HTMLDivElement>(null);
  const tabStop = focusSeat ?? window[0]?.from ?? section.from;
  useEffect(() => {
    if (focusSeat !== null) grid.current?.querySelector<HTMLElement>(`[data-seat="${focusSeat}"]`)?.focus();
  }, [section, start]);

  const focus = (seat: number) => {
    model.place.value = { level: "seats", section, start, focusSeat: seat };
    grid.current?.querySelector<HTMLElement>(`[data-seat="${seat}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const seat = Number((event.target as HTMLElement).dataset.seat);
    const step = STEPS[event.key];
    if (event.key === "Escape") up(model);
    else if (step && !Number.isNaN(seat)) {
      event.preventDefault();
      focus(neighbour(window, seat, step));
    }
  };
  const turn = (next: number) => {
    model.place.value = { level: "seats", section, start: next, focusSeat: pieces[next]?.from ?? null };
  };

  return (
    <>
      <p class="hint key-hint">Arrow keys move between seats, space chooses, escape goes back to the rows.</p>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the seats inside take the keys; this only listens. */}
      <div class="seat-grid" ref={grid} onKeyDown={onKeyDown}>
        {window.map((piece) => (
          <SeatRow key={piece.from} model={model} piece={piece} tabStop={tabStop} />
        ))}
      </div>
      <nav class="pager" aria-label="Other rows">
        <button type="button" class="quiet" disabled={start === 0} onClick={() => turn(windowBefore(pieces, start))}>
          Rows before
        </button>
        <button type="button" class="quiet" disabled={after >= pieces.length} onClick={() => turn(after)}>
          Next rows
        </button>
      </nav>
    </>
  );
}

function SeatRow({ model, piece, tabStop }: { model: PickerModel; piece: RowPiece; tabStop: number }) {
  const seats = Array.from({ length: piece.to - piece.from }, (_, index) => piece.from + index);
  const name = piece.row.label ? `Row ${piece.row.label}` : "Seats";
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out as a line of seats.
    <div class="seat-row" role="group" aria-label={name}>
      <span class="seat-row-name" aria-hidden="true">
        {piece.row.label}
      </span>
      <span class="seat-line">
        {seats.map((seat) => (
          <Seat key={seat} model={model} piece={piece} seat={seat} isTabStop={seat === tabStop} />
        ))}
      </span>
    </div>
  );
}

interface SeatProps {
  model: PickerModel;
  piece: RowPiece;
  seat: number;
  isTabStop: boolean;
}

function Seat({ model, piece, seat, isTabStop }: SeatProps) {
  const look = seatLook(model.live.states, model.keeper, seat);
  const { row } = piece;
  const index = seat - row.from;
  const flags = row.flags[index] ?? [];
  const usable = look === "available" || look === "mine" || look === "pending";
  return (
    // biome-ignore lint/a11y/useSemanticElements: a button keeps its state ours until the server has answered.
    <button
      type="button"
      role="checkbox"
      class={`seat seat-${look} cat-${categoryIndex(model, row.categories[index] ?? "")}`}
      data-seat={seat}
      aria-checked={look === "mine" || look === "pending"}
      aria-disabled={!usable}
      aria-label={seatWords(model, row, seat, look)}
      title={seatWords(model, row, seat, look)}
      tabIndex={isTabStop ? 0 : -1}
      onClick={() => choose(model, seat, look)}
    >
      <span aria-hidden="true">
        {look === "mine" ? "✓" : flags.includes("wheelchair") && usable ? "♿" : row.numbers[index]}
      </span>
    </button>
  );
}

function choose(model: PickerModel, seat: number, look: SeatLook): void {
  const basket = model.keeper.basket.value;
  if (look === "held" || look === "sold" || look === "blocked") {
    model.announcement.value = `That seat is ${lookWords(look)}. Please choose another one.`;
    return;
  }
  const wish = toggled(basket.wish, seat);
  const most = model.offers.max_seats_per_booking;
  if (wish.length > most) {
    model.announcement.value = `One booking can have up to ${most} tickets.`;
    return;
  }
  model.announcement.value = "";
  void model.keeper.want(wish);
}
