// Choosing from a list: sections, then rows, then seats, with a page never longer than a screen.
import { useEffect, useRef, useState } from "preact/hooks";
import { AVAILABLE, HELD } from "../seatmap/codec";
import type { Row, Section } from "../seatmap/plan";
import { formatMoney } from "../shared/money";
import { countFree, lowestPrice, pageCount, pageOf, pieceOf, seatedSections, sectionPieces } from "./browse";
import { categoryIndex, categoryName, type PickerModel, type Place } from "./picker-model";
import { SeatGrid } from "./seat-grid";

export function Chooser({ model }: { model: PickerModel }) {
  const place = model.place.value;
  if (seatedSections(model.plan).length === 0) return null;
  return (
    <section class="chooser" aria-labelledby="chooser-title">
      <Trail model={model} place={place} />
      {place.level === "sections" && <Sections model={model} page={place.page} />}
      {place.level === "rows" && <Rows model={model} section={place.section} page={place.page} />}
      {place.level === "seats" && (
        <SeatGrid model={model} section={place.section} start={place.start} focusSeat={place.focusSeat} />
      )}
    </section>
  );
}

/** The heading says where one is; it takes the focus on each step, so that a keyboard never gets lost. */
function Trail({ model, place }: { model: PickerModel; place: Place }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  const key = place.level === "sections" ? "" : `${place.level}:${place.section.key}`;
  useEffect(() => {
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [key]);
  const title = { sections: "Choose from a list", rows: "Choose a row", seats: "Choose your seats" }[place.level];
  return (
    <header class="trail">
      <h2 id="chooser-title" ref={heading} tabIndex={-1}>
        {place.level === "sections" ? title : place.section.name}
        {place.level !== "sections" && <small>{title}</small>}
      </h2>
      {place.level !== "sections" && (
        <button type="button" class="quiet" onClick={() => up(model)}>
          <span aria-hidden="true">←</span>{" "}
          {place.level === "rows" || singleRow(place.section) ? "All sections" : "All rows"}
        </button>
      )}
    </header>
  );
}

export function up(model: PickerModel): void {
  const place = model.place.value;
  if (place.level === "seats" && !singleRow(place.section)) {
    model.place.value = { level: "rows", section: place.section, page: 0 };
  } else {
    model.place.value = { level: "sections", page: 0 };
  }
}

function singleRow(section: Section): boolean {
  return section.rows.length === 1;
}

function enter(model: PickerModel, section: Section): void {
  model.place.value = singleRow(section)
    ? { level: "seats", section, start: 0, focusSeat: null }
    : { level: "rows", section, page: 0 };
}

function Sections({ model, page }: { model: PickerModel; page: number }) {
  const [level, setLevel] = useState<string | null>(null);
  const all = seatedSections(model.plan);
  const sections = level === null ? all : all.filter((section) => section.level === level);
  const turn = (next: number) => {
    model.place.value = { level: "sections", page: next };
  };
  return (
    <>
      <Levels
        sections={all}
        level={level}
        onChoose={(chosen) => {
          setLevel(chosen);
          turn(0);
        }}
      />
      <ul class="sections">
        {pageOf(sections, page).map((section) => (
          <SectionCard key={section.key} model={model} section={section} />
        ))}
      </ul>
      <Pager count={pageCount(sections)} page={page} what="sections" onTurn={turn} />
    </>
  );
}

const LEVELS_NEEDED_FROM = 12;

/** A large hall can be narrowed down to one of its levels. */
function Levels(props: { sections: Section[]; level: string | null; onChoose: (level: string | null) => void }) {
  const levels = [...new Set(props.sections.flatMap((section) => section.level ?? []))];
  if (levels.length < 2 || props.sections.length < LEVELS_NEEDED_FROM) return null;
  return (
    // biome-ignore lint/a11y/useSemanticElements: these are buttons that narrow a list, not fields of a form.
    <div class="levels" role="group" aria-label="Level">
      {[null, ...levels].map((level) => (
        <button
          key={level}
          type="button"
          aria-pressed={props.level === level}
          class="chip"
          onClick={() => props.onChoose(level)}
        >
          {level ?? "All levels"}
        </button>
      ))}
    </div>
  );
}

function SectionCard({ model, section }: { model: PickerModel; section: Section }) {
  const free = countFree(model.live.states.value, section.from, section.to);
  const names = section.categories.map((key) => categoryName(model, key));
  return (
    <li>
      <button type="button" class="section-card" onClick={() => enter(model, section)}>
        <span class="section-name">
          {section.name}
          {section.level && !names.includes(section.level) && <small>{section.level}</small>}
        </span>
        <Swatches model={model} categories={section.categories} />
        <span class="section-facts">{free === 0 ? "No free seats" : `${free.toLocaleString("en")} free`}</span>
        <From model={model} categories={section.categories} />
        <meter class="fill" min={0} max={section.to - section.from} value={free} aria-hidden="true" />
      </button>
    </li>
  );
}

function Rows({ model, section, page }: { model: PickerModel; section: Section; page: number }) {
  const states = model.live.states.value;
  const show = (row: Row) => {
    const focusSeat = firstFree(states, row);
    model.place.value = { level: "seats", section, start: pieceOf(sectionPieces(section), focusSeat), focusSeat };
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape is a shortcut; the button above does the same.
    <div onKeyDown={(event) => event.key === "Escape" && up(model)}>
      <ul class="rows">
        {pageOf(section.rows, page).map((row) => {
          const free = countFree(states, row.from, row.to);
          return (
            <li key={row.from}>
              <button type="button" class="row-card" onClick={() => show(row)}>
                <span class="row-name">Row {row.label}</span>
                <RowStrip model={model} row={row} />
                <span class="row-facts">{free === 0 ? "full" : `${free} free`}</span>
                <From model={model} categories={row.categories} />
              </button>
            </li>
          );
        })}
      </ul>
      <Pager
        count={pageCount(section.rows)}
        page={page}
        what="rows"
        onTurn={(next) => {
          model.place.value = { level: "rows", section, page: next };
        }}
      />
    </div>
  );
}

function firstFree(states: Uint8Array, row: Row): number {
  for (let seat = row.from; seat < row.to; seat++) if (states[seat] === AVAILABLE) return seat;
  return row.from;
}

/** A row at a glance: one mark per seat, a shape per state, no controls. */
function RowStrip({ model, row }: { model: PickerModel; row: Row }) {
  const states = model.live.states.value;
  const mine = new Set(model.keeper.basket.value.wish);
  const marks = new Map<string, string>();
  for (let seat = row.from; seat < row.to; seat++) {
    const x = (seat - row.from) * 8 + 4;
    const [look, mark] = stripMark(model, row, seat, mine.has(seat), states[seat] ?? 0, x);
    marks.set(look, (marks.get(look) ?? "") + mark);
  }
  return (
    <svg
      class="row-strip"
      viewBox={`0 0 ${(row.to - row.from) * 8} 10`}
      aria-hidden="true"
      preserveAspectRatio="xMinYMid meet"
    >
      {[...marks].map(([look, path]) => (
        <path key={look} class={look} d={path} />
      ))}
    </svg>
  );
}

function stripMark(
  model: PickerModel,
  row: Row,
  seat: number,
  mine: boolean,
  state: number,
  x: number,
): [look: string, path: string] {
  if (mine) return ["strip-mine", `M${x - 3.5} 1h7v8h-7z`];
  if (state === AVAILABLE) {
    const category = categoryIndex(model, row.categories[seat - row.from] ?? "");
    return [`strip-free cat-${category}`, `M${x - 2.5} 2.5h5v5h-5z`];
  }
  if (state === HELD) return ["strip-held", `M${x} 1.5l3 3.5-3 3.5-3-3.5z`];
  return ["strip-sold", `M${x - 1} 4h2v2h-2z`];
}

export function Swatches({ model, categories }: { model: PickerModel; categories: readonly string[] }) {
  return (
    <span class="swatches">
      {categories.map((key) => (
        <span key={key} class={`swatch cat-${categoryIndex(model, key)}`}>
          {categoryName(model, key)}
        </span>
      ))}
    </span>
  );
}

function From({ model, categories }: { model: PickerModel; categories: readonly string[] }) {
  const price = lowestPrice(categories, model.prices);
  if (price === null) return null;
  const several = new Set(categories.map((key) => model.prices.get(key))).size > 1;
  return (
    <span class="price">
      {several && "from "}
      {formatMoney(price, model.offers.currency)}
    </span>
  );
}

interface PagerProps {
  count: number;
  page: number;
  what: string;
  onTurn: (page: number) => void;
}

function Pager({ count, page, what, onTurn }: PagerProps) {
  if (count === 1) return null;
  return (
    <nav class="pager" aria-label={`More ${what}`}>
      <button type="button" class="quiet" disabled={page === 0} onClick={() => onTurn(page - 1)}>
        Previous {what}
      </button>
      <span>
        {page + 1} of {count}
      </span>
      <button type="button" class="quiet" disabled={page === count - 1} onClick={() => onTurn(page + 1)}>
        More {what}
      </button>
    </nav>
  );
}
