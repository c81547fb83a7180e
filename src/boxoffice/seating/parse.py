"""Turns a `seatplan/1` document into a Plan, or says at which paths it is wrong."""

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

import msgspec

from boxoffice.kernel.errors import Invalid
from boxoffice.seating.document import (
    MAX_ROWS,
    MAX_SEATS,
    RowPart,
    SeatedZonePart,
    SeatPlanDocument,
    StandingZonePart,
    TablePart,
    ZonePart,
)
from boxoffice.seating.layout import Layout
from boxoffice.seating.plan import FLAGS, WHOLE_TABLE, Plan, PlanCategory, Row, Zone, ZoneKind, place_labels

MAX_PROBLEMS = 100
COORDINATE_MAX = 1_000_000
UNDRAWN_SEAT, UNDRAWN_ROW = 10, 14
"""Pitches assumed for rows without points, so that "near" still means: along the row first, then the next row."""

NUMBERS = re.compile(r"(\d{1,6})(?:\.\.(\d{1,6})(?::(\d{1,6}))?)?", re.ASCII)
DECODER_PATH = re.compile(r" - at (?:`key` in )?`\$\.?(.*)`$")


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    path: str
    code: str
    detail: str


class PlanInvalid(Invalid):
    """The document cannot become a plan; every problem found is named with its path."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)[:MAX_PROBLEMS]
        super().__init__(
            "invalid_body", "The seat plan cannot be accepted.", [problem._asdict() for problem in self.problems]
        )


def parse(document: bytes | dict[str, Any] | SeatPlanDocument) -> Plan:
    """Validate the document and number its places; raises PlanInvalid."""
    decoded = document if isinstance(document, SeatPlanDocument) else _decode(document)
    canonical = msgspec.json.encode(decoded, order="deterministic")
    reader = _Reader(decoded)
    reader.read()
    if reader.problems:
        raise PlanInvalid(reader.problems)
    return Plan(
        document=canonical,
        hash=hashlib.sha256(canonical).hexdigest(),
        name=decoded.name,
        categories=tuple(PlanCategory(part.key, part.name, part.color) for part in decoded.categories),
        category_keys=tuple(part.key for part in decoded.categories),
        zones=tuple(reader.zones),
        rows=tuple(reader.rows),
        category_of=bytes(reader.categories),
        flags_of=bytes(reader.flags),
        layout=reader.layout(),
    )


def _decode(document: bytes | dict[str, Any]) -> SeatPlanDocument:
    try:
        if isinstance(document, bytes):
            return msgspec.json.decode(document, type=SeatPlanDocument)
        return msgspec.convert(document, SeatPlanDocument)
    except msgspec.ValidationError as error:
        raise PlanInvalid([_decoder_problem(str(error))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanInvalid([Problem("", "malformed", f"This is not JSON: {error}.")]) from None


def _decoder_problem(message: str) -> Problem:
    """The decoder says `Object contains unknown field `x` - at `$.zones[0]``; we point at `zones[0].x`."""
    located = DECODER_PATH.search(message)
    path = located.group(1).replace("[...]", "") if located else ""
    detail = DECODER_PATH.sub("", message)
    field = re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", detail)
    if field is None:
        return Problem(path, "invalid_value", f"{detail}.")
    code = "unknown_field" if field.group(1) == "contains unknown" else "missing_field"
    return Problem(f"{path}.{field.group(2)}" if path else field.group(2), code, f"{detail}.")


def expand_numbers(numbers: str | list[str]) -> range | tuple[str, ...] | None:
    """`1..25`, `25..1`, `1..25:2` or a list; None when it is none of these."""
    if not isinstance(numbers, str):
        return tuple(numbers)
    matched = NUMBERS.fullmatch(numbers)
    if matched is None:
        return None
    first = int(matched.group(1))
    last = first if matched.group(2) is None else int(matched.group(2))
    step = 1 if matched.group(3) is None else int(matched.group(3))
    if step == 0:
        return None
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)


def _titles(zones: Sequence[ZonePart]) -> list[str]:
    """What labels call each zone: its name unless it has none or shares it, then its key."""
    names = Counter(zone.name or zone.key for zone in zones)
    return [zone.name if zone.name and names[zone.name] == 1 else zone.key for zone in zones]


class _Reader:
    """One pass over the document in its order, which is the order of the numbers."""

    def __init__(self, document: SeatPlanDocument) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.zones: list[Zone] = []
        self.rows: list[Row] = []
        self.categories = bytearray()
        self.flags = bytearray()
        self.x = array("i")
        self.y = array("i")
        self.drawn = False
        self.labels: set[str] = set()
        self.category_index = {part.key: index for index, part in enumerate(document.categories)}

    def read(self) -> None:
        self._check_unique("categories", [part.key for part in self.document.categories], "duplicate_category")
        self._check_unique("zones", [part.key for part in self.document.zones], "duplicate_zone")
        titles = _titles(self.document.zones)
        for index, zone in enumerate(self.document.zones):
            path = f"zones[{index}]"
            start = len(self.categories)
            kind: ZoneKind
            if len(zone.outline) % 2:
                self._wrong(f"{path}.outline", "wrong_length", "An outline is pairs of x and y.")
            if isinstance(zone, SeatedZonePart):
                self._read_rows(zone, index, path)
                kind = "seats"
            elif isinstance(zone, TablePart):
                self._read_table(zone, index, path)
                kind = "table"
            else:
                self._read_standing(zone, path)
                kind = "standing"
            if len(self.problems) >= MAX_PROBLEMS or self._too_many(path):
                return
            self.zones.append(Zone(zone.key, titles[index], kind, zone.level, zone.gate, start, len(self.categories)))
        if not self.categories and not self.problems:
            self._wrong("zones", "empty_plan", "The plan has no seat to sell.")
        if not self.problems:
            self._check_labels()
        for index, shape in enumerate(self.document.shapes):
            if len(shape.points) % 2:
                self._wrong(f"shapes[{index}].points", "wrong_length", "Points are pairs of x and y.")

    def layout(self) -> Layout:
        return Layout(
            self.x,
            self.y,
            self.document.focal if self.drawn else None,
            [(row.start, row.end) for row in self.rows],
            [(zone.start, zone.end) for zone in self.zones if zone.kind == "standing"],
        )

    def _wrong(self, path: str, code: str, detail: str) -> None:
        self.problems.append(Problem(path, code, detail))

    def _too_many(self, path: str, more: int = 0) -> bool:
        if len(self.categories) + more <= MAX_SEATS:
            return False
        self._wrong(path, "too_many_seats", f"A plan holds at most {MAX_SEATS:,} seats.")
        return True

    def _check_unique(self, path: str, keys: list[str], code: str) -> None:
        seen: set[str] = set()
        for index, key in enumerate(keys):
            if key in seen:
                self._wrong(f"{path}[{index}].key", code, f"The key {key!r} is used twice.")
            seen.add(key)

    def _read_rows(self, zone: SeatedZonePart, zone_index: int, zone_path: str) -> None:
        if not zone.rows:
            self._wrong(f"{zone_path}.rows", "empty_zone", "A zone of seats has at least one row.")
        for index, part in enumerate(zone.rows):
            path = f"{zone_path}.rows[{index}]"
            numbers = expand_numbers(part.numbers)
            if numbers is None:
                self._wrong(f"{path}.numbers", "invalid_value", "Numbers are `a..b`, `a..b:step` or a list.")
                continue
            if not numbers:
                self._wrong(f"{path}.numbers", "empty_row", "A row has at least one seat.")
                continue
            if self._too_many(f"{path}.numbers", len(numbers)):
                return
            if len(self.rows) >= MAX_ROWS:
                self._wrong(path, "too_many_rows", f"A plan holds at most {MAX_ROWS:,} rows.")
                return
            start = len(self.categories)
            self._read_categories(part, len(numbers), path)
            self._read_flags(part, numbers, path)
            self._read_points(part, len(numbers), path)
            self.rows.append(Row(zone_index, part.label, start, start + len(numbers), numbers))
            if len(self.problems) >= MAX_PROBLEMS:
                return

    def _read_categories(self, row: RowPart, count: int, path: str) -> None:
        """One key for the row, or runs of key and count; a problem of a run is told at its first seat."""
        if isinstance(row.category, str):
            self.categories.extend(bytes((self._category(row.category, f"{path}.category"),)) * count)
            return
        indexes = bytearray()
        runs = row.category
        for key, length in zip(runs[::2], runs[1::2], strict=False):
            if not isinstance(key, str) or not isinstance(length, int) or not 1 <= length <= count - len(indexes):
                break
            index = self._category(key, f"{path}.seats[{len(indexes)}].category")
            indexes.extend(bytes((index,)) * length)
        if len(indexes) != count or len(runs) % 2:
            self._wrong(f"{path}.category", "wrong_length", f"Runs of category and count must add up to {count} seats.")
        self.categories.extend(indexes.ljust(count, b"\0")[:count])

    def _category(self, key: str, path: str) -> int:
        index = self.category_index.get(key)
        if index is None:
            self._wrong(path, "unknown_category", f"The plan has no category {key!r}.")
            return 0
        return index

    def _read_flags(self, row: RowPart, numbers: range | tuple[str, ...], path: str) -> None:
        flags = bytearray(len(numbers))
        if row.flags:
            positions = {str(number): position for position, number in enumerate(numbers)}
            for number, names in islice(row.flags.items(), len(numbers) + 1):
                position = positions.get(number)
                if position is None:
                    self._wrong(f"{path}.flags", "unknown_seat", f"The row has no seat {number!r}.")
                    continue
                for name in (names,) if isinstance(names, str) else names:
                    flags[position] |= FLAGS[name]
        self.flags.extend(flags)

    def _read_points(self, row: RowPart, count: int, path: str) -> None:
        if not row.xy:
            y = len(self.rows) * UNDRAWN_ROW
            self.x.extend(range(0, count * UNDRAWN_SEAT, UNDRAWN_SEAT))
            self.y.extend([y] * count)
            return
        if len(row.xy) != 2 * count:
            self._wrong(f"{path}.xy", "wrong_length", f"{count} seats need {2 * count} numbers, not {len(row.xy)}.")
            return
        xs, ys = list(accumulate(row.xy[::2])), list(accumulate(row.xy[1::2]))
        if max(*xs, *ys) > COORDINATE_MAX or min(*xs, *ys) < -COORDINATE_MAX:
            self._wrong(f"{path}.xy", "invalid_value", f"Points lie within ±{COORDINATE_MAX:,}.")
            return
        self.x.extend(xs)
        self.y.extend(ys)
        self.drawn = True

    def _read_table(self, table: TablePart, zone_index: int, path: str) -> None:
        whole = table.sell == "whole"
        count = 1 if whole else table.seats
        start = len(self.categories)
        numbers: range | tuple[str, ...] = ("",) if whole else range(1, count + 1)
        self.rows.append(Row(zone_index, "", start, start + count, numbers))
        self._add_places(count, table.category, path, WHOLE_TABLE if whole else 0, table.at)
        self.drawn = self.drawn or table.at != (0, 0)

    def _read_standing(self, zone: StandingZonePart, path: str) -> None:
        xs, ys = zone.outline[::2], zone.outline[1::2]
        centre = (sum(xs) // len(xs), sum(ys) // len(ys)) if xs and ys else (0, 0)
        self._add_places(zone.capacity, zone.category, path, 0, centre)

    def _add_places(self, count: int, category: str, path: str, flag: int, at: tuple[int, int]) -> None:
        self.categories.extend(bytes((self._category(category, f"{path}.category"),)) * count)
        self.flags.extend(bytes((flag,)) * count)
        self.x.extend([at[0]] * count)
        self.y.extend([at[1]] * count)

    def _check_labels(self) -> None:
        """Labels are what people are let in by: unique in the whole plan, however zones, rows and numbers join."""
        several = len(self.zones) > 1
        positions: Counter[int] = Counter()
        rows = iter([*self.rows, None])
        row = next(rows)
        for zone_index, zone in enumerate(self.zones):
            if zone.kind == "standing":
                self._claim_labels(place_labels(zone, None, several), f"zones[{zone_index}]")
            while row is not None and row.zone == zone_index:
                path = f"zones[{zone_index}]"
                if zone.kind == "seats":
                    path += f".rows[{positions[zone_index]}].numbers"
                    positions[zone_index] += 1
                self._claim_labels(place_labels(zone, row, several), path)
                row = next(rows)

    def _claim_labels(self, labels: list[str], path: str) -> None:
        known = set(labels)
        if len(known) == len(labels) and self.labels.isdisjoint(known):
            self.labels |= known
            return
        repeated = (label for label, count in Counter(labels).items() if count > 1 or label in self.labels)
        if len(self.problems) < MAX_PROBLEMS:
            self._wrong(path, "duplicate_label", f"A seat is called like another one, for example {next(repeated)!r}.")
