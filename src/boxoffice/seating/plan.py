"""What a published seat plan means: every sellable place has a number 0…N-1, a label, a row, a category and flags."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from boxoffice.seating.layout import Layout

WHEELCHAIR = 1
COMPANION = 2
RESTRICTED_VIEW = 4
AISLE = 8
STEP_FREE = 16
WHOLE_TABLE = 128
"""Not a flag of the document: marks a table that is sold as one place, which no party of two should be handed."""

FLAGS: Mapping[str, int] = {
    "wheelchair": WHEELCHAIR,
    "companion": COMPANION,
    "restricted_view": RESTRICTED_VIEW,
    "aisle": AISLE,
    "step_free": STEP_FREE,
}


ZoneKind = Literal["seats", "table", "standing"]


class PlanCategory(NamedTuple):
    """A category as the plan names it."""

    key: str
    name: str
    color: str


class Zone(NamedTuple):
    """A part of the venue: the places `start` to `end` (exclusive)."""

    key: str
    title: str
    """What labels call it: its name, or its key when it has no name of its own."""
    kind: ZoneKind
    level: str
    gate: str
    start: int
    end: int


class Row(NamedTuple):
    """Neighbours: the places `start` to `end` (exclusive) of one zone. A table is a row without a label."""

    zone: int
    label: str
    start: int
    end: int
    numbers: range | tuple[str, ...]


class Seat(NamedTuple):
    """One sellable place, described."""

    seat_no: int
    label: str
    zone: str
    row: str
    number: str
    category: str
    flags: frozenset[str]


@dataclass(frozen=True, eq=False)
class Plan:
    """A valid plan, ready to be sold from. `document` is canonical: what is stored, served and hashed."""

    document: bytes
    hash: str
    name: str
    categories: tuple[PlanCategory, ...]
    category_keys: tuple[str, ...]
    """Parallel to `categories`: what each is called on the wire (the event's key once `match_categories` has run)."""
    zones: tuple[Zone, ...]
    rows: tuple[Row, ...]
    category_of: bytes
    """Per place, an index into `categories` and `category_keys`."""
    flags_of: bytes
    """Per place, a sum of WHEELCHAIR, COMPANION, …"""
    layout: Layout
    _masks: dict[tuple[str | None, int, bool], int] = field(default_factory=dict, repr=False)

    @property
    def seats(self) -> int:
        """How many places the plan sells: N."""
        return len(self.category_of)

    def zone_of(self, seat_no: int) -> Zone:
        return self.zones[bisect_right(self._zone_starts, seat_no) - 1]

    def zone(self, key: str) -> Zone | None:
        """The zone with this key, if the plan has one."""
        return self._zones_by_key.get(key)

    def row_of(self, seat_no: int) -> Row | None:
        """The row (or table) of a place; none for standing places."""
        position = bisect_right(self._row_starts, seat_no) - 1
        return self.rows[position] if position >= 0 and seat_no < self.rows[position].end else None

    def category_key(self, seat_no: int) -> str:
        return self.category_keys[self.category_of[seat_no]]

    def seat_categories(self) -> list[str]:
        """The category key of every place, in order of seat_no."""
        keys = self.category_keys
        return [keys[index] for index in self.category_of]

    def label(self, seat_no: int) -> str:
        """What the place is called on a ticket; unique in the plan."""
        return self.describe(seat_no).label

    def labels(self) -> Iterator[str]:
        """The labels of all places, in order of seat_no."""
        rows = {row.start: row for row in self.rows}
        for zone in self.zones:
            position = zone.start
            while position < zone.end:
                row = rows.get(position)
                end = zone.end if row is None else row.end
                yield from place_labels(zone, row, len(self.zones) > 1)
                position = end

    def describe(self, seat_no: int) -> Seat:
        """Everything about one place."""
        if not 0 <= seat_no < self.seats:
            raise IndexError(seat_no)
        zone, row = self.zone_of(seat_no), self.row_of(seat_no)
        number = str(row.numbers[seat_no - row.start]) if row else str(seat_no - zone.start + 1)
        flags = self.flags_of[seat_no]
        return Seat(
            seat_no=seat_no,
            label=place_label(zone, row, number, len(self.zones) > 1),
            zone=zone.key,
            row=row.label if row else "",
            number=number,
            category=self.category_key(seat_no),
            flags=frozenset(name for name, bit in FLAGS.items() if flags & bit),
        )

    def closed_mask(self, category: str | None, avoided: int = 0, standing: bool = True) -> int:
        """Places out of the question, as a little-endian integer of one byte per place: another category than asked
        for, one of the `avoided` flags, or a standing place when `standing` is false. OR it onto the states.
        """
        wanted = (category, avoided, standing)
        mask = self._masks.get(wanted)
        if mask is None:
            mask = self._masks[wanted] = int.from_bytes(self._closed_bytes(*wanted), "little")
        return mask

    def _closed_bytes(self, category: str | None, avoided: int, standing: bool) -> bytes:
        keys = self.category_keys
        other = bytes(
            1 if category is not None and (index >= len(keys) or keys[index] != category) else 0 for index in range(256)
        )
        avoiding = bytes(1 if flags & avoided else 0 for flags in range(256))
        closed = bytearray(self.category_of.translate(other))
        flagged = self.flags_of.translate(avoiding)
        position = flagged.find(1)
        while position >= 0:
            closed[position] = 1
            position = flagged.find(1, position + 1)
        if not standing:
            for zone in self.standing_zones:
                closed[zone.start : zone.end] = b"\1" * (zone.end - zone.start)
        return bytes(closed)

    @cached_property
    def standing_zones(self) -> tuple[Zone, ...]:
        return tuple(zone for zone in self.zones if zone.kind == "standing")

    @cached_property
    def wheelchair_places(self) -> tuple[int, ...]:
        return tuple(seat_no for seat_no, flags in enumerate(self.flags_of) if flags & WHEELCHAIR)

    @cached_property
    def _zones_by_key(self) -> dict[str, Zone]:
        return {zone.key: zone for zone in self.zones}

    @cached_property
    def _zone_starts(self) -> list[int]:
        return [zone.start for zone in self.zones]

    @cached_property
    def _row_starts(self) -> list[int]:
        return [row.start for row in self.rows]


def place_labels(zone: Zone, row: Row | None, several_zones: bool) -> list[str]:
    """The labels of one row, of a table, or of a whole standing zone."""
    if row is None:
        return [place_label(zone, None, str(number), several_zones) for number in range(1, zone.end - zone.start + 1)]
    return [place_label(zone, row, str(number), several_zones) for number in row.numbers]


def place_label(zone: Zone, row: Row | None, number: str, several_zones: bool) -> str:
    """A place in the words of its ticket: `Stalls, row C, seat 12`, `Table 4, seat 2`, `Table 5`, `Pit, place 80`.

    The zone is left out when it is the only one and rows tell its places apart.
    """
    if row is None:
        return f"{zone.title}, place {number}"
    if not number:
        return zone.title
    if not row.label:
        return f"{zone.title}, seat {number}"
    return f"{zone.title}, row {row.label}, seat {number}" if several_zones else f"Row {row.label}, seat {number}"
