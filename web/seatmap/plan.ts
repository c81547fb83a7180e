// A published plan (seatplan/1) as pages need it: sections and rows as runs of consecutive seat numbers.

export interface PlanDocument {
  format: string;
  name: string;
  categories: { key: string; name: string; color?: string }[];
  zones: ZoneDocument[];
}

export interface ZoneDocument {
  key: string;
  name?: string;
  level?: string;
  gate?: string;
  kind: "seats" | "standing" | "table";
  rows?: RowDocument[];
  capacity?: number;
  category?: string;
  seats?: number;
  sell?: "seat" | "whole";
}

export interface RowDocument {
  label: string;
  numbers: string | string[];
  category: string | (string | number)[];
  flags?: Record<string, string | string[]>;
}

export interface Row {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly numbers: readonly string[];
  readonly categories: readonly string[];
  readonly flags: readonly (readonly string[])[];
}

export interface Section {
  readonly key: string;
  readonly name: string;
  readonly kind: "seats" | "standing";
  readonly level: string | null;
  readonly gate: string | null;
  readonly from: number;
  readonly to: number;
  readonly rows: readonly Row[];
  readonly categories: readonly string[];
}

export interface Plan {
  readonly seats: number;
  readonly sections: readonly Section[];
}

/** The category of an event that a plan's category stands for: the same key, else the same name. */
export type CategoryMatch = (planCategory: string) => string;

export function matchCategories(
  document: PlanDocument,
  eventCategories: readonly { key: string; name: string }[],
): CategoryMatch {
  const byPlanKey = new Map<string, string>();
  for (const category of document.categories) {
    const match =
      eventCategories.find((candidate) => candidate.key === category.key) ??
      eventCategories.find((candidate) => candidate.name === category.name);
    if (match) byPlanKey.set(category.key, match.key);
  }
  return (planCategory) => byPlanKey.get(planCategory) ?? planCategory;
}

export function readPlan(document: PlanDocument, match: CategoryMatch): Plan {
  let next = 0;
  const sections = document.zones.map((zone) => {
    const section = readZone(zone, next, match);
    next = section.to;
    return section;
  });
  return { seats: next, sections };
}

function readZone(zone: ZoneDocument, from: number, match: CategoryMatch): Section {
  const rows = zone.kind === "standing" ? [] : readRows(zone, from, match);
  const to = zone.kind === "standing" ? from + (zone.capacity ?? 0) : (rows.at(-1)?.to ?? from);
  const categories =
    zone.kind === "standing" ? [match(zone.category ?? "")] : [...new Set(rows.flatMap((row) => row.categories))];
  return {
    key: zone.key,
    name: zone.name ?? zone.key,
    kind: zone.kind === "standing" ? "standing" : "seats",
    level: zone.level ?? null,
    gate: zone.gate ?? null,
    from,
    to,
    rows,
    categories,
  };
}

function readRows(zone: ZoneDocument, from: number, match: CategoryMatch): Row[] {
  let next = from;
  return rowDocuments(zone).map((row) => {
    const numbers = expandNumbers(row.numbers);
    const start = next;
    next += numbers.length;
    return {
      label: row.label,
      from: start,
      to: next,
      numbers,
      categories: expandCategories(row.category, numbers.length).map(match),
      flags: numbers.map((number) => [row.flags?.[number] ?? []].flat()),
    };
  });
}

function rowDocuments(zone: ZoneDocument): RowDocument[] {
  if (zone.kind !== "table") return zone.rows ?? [];
  const places = zone.sell === "whole" ? 1 : (zone.seats ?? 1);
  return [{ label: "", numbers: `1..${places}`, category: zone.category ?? "" }];
}

/** `"1..5"`, `"1..9:2"` or a list of names. */
export function expandNumbers(numbers: string | readonly string[]): string[] {
  if (typeof numbers !== "string") return [...numbers];
  const run = /^(-?\d+)\.\.(-?\d+)(?::(\d+))?$/.exec(numbers);
  if (!run) return [numbers];
  const [first, last, step] = [Number(run[1]), Number(run[2]), Number(run[3] ?? 1) || 1];
  const direction = last >= first ? step : -step;
  const length = Math.floor(Math.abs(last - first) / step) + 1;
  return Array.from({ length }, (_, index) => String(first + index * direction));
}

/** One key for the whole row, or runs `[key, count, key, count, …]`. */
export function expandCategories(category: string | readonly (string | number)[], seats: number): string[] {
  if (typeof category === "string") return new Array<string>(seats).fill(category);
  const keys: string[] = [];
  for (let index = 0; index < category.length; index += 2) {
    const count = Number(category[index + 1] ?? seats - keys.length);
    for (let seat = 0; seat < count; seat++) keys.push(String(category[index]));
  }
  return keys;
}

export interface SeatPlace {
  readonly section: Section;
  readonly row: Row | null;
  readonly index: number;
}

/** Where a seat number lies; sections and rows are sorted, so two halvings find it. */
export function locate(plan: Plan, seatNo: number): SeatPlace | null {
  const section = findRun(plan.sections, seatNo);
  if (!section) return null;
  const row = findRun(section.rows, seatNo);
  return { section, row, index: seatNo - (row ?? section).from };
}

function findRun<Run extends { from: number; to: number }>(runs: readonly Run[], seatNo: number): Run | null {
  let low = 0;
  let high = runs.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const run = runs[middle] as Run;
    if (seatNo < run.from) high = middle - 1;
    else if (seatNo >= run.to) low = middle + 1;
    else return run;
  }
  return null;
}

/** The seat's name for people; a place in a standing area has none of its own. */
export function seatName(plan: Plan, seatNo: number): string {
  const place = locate(plan, seatNo);
  if (!place) return `Seat ${seatNo}`;
  if (!place.row) return place.section.name;
  const row = place.row.label ? `row ${place.row.label}, ` : "";
  return `${place.section.name}, ${row}seat ${place.row.numbers[place.index]}`;
}
