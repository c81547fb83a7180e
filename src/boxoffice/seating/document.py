"""The `seatplan/1` document as it travels and is stored: its parts, their bounds, and nothing about what they mean."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_SEATS = 100_000
MAX_ROWS = 20_000
MAX_ZONES = 2_000
MAX_CATEGORIES = 100

PRINTABLE = r"^(?![\s\S]*[\x00-\x1f\x7f])"
"""No control character anywhere; a plain `$` would let a newline at the end pass."""

Coordinate = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
"""In quarter units; the designer bakes every curve into points, so no arithmetic on geometry is ever needed to draw."""
Point = tuple[Coordinate, Coordinate]
Key = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
Name = Annotated[str, Meta(max_length=200, pattern=PRINTABLE)]
SeatLabel = Annotated[str, Meta(min_length=1, max_length=32, pattern=PRINTABLE)]
Color = Annotated[str, Meta(max_length=7, pattern=r"^#[0-9A-Fa-f]{6}$")]
Count = Annotated[int, Meta(ge=1, le=MAX_SEATS)]
Flag = Literal["wheelchair", "companion", "restricted_view", "aisle", "step_free"]
Scalar = str | int | float | bool | None


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of the document: unknown fields are refused, absent ones stay absent."""


class CategoryPart(Part, frozen=True, kw_only=True):
    """A price category as the designer painted it; the event's own categories win over it."""

    key: Key
    name: Name = ""
    color: Color = "#0072B2"


class RowPart(Part, frozen=True, kw_only=True):
    """Seats side by side: how they are called, what they cost, where they stand."""

    label: SeatLabel
    numbers: Annotated[str, Meta(max_length=40)] | Annotated[list[SeatLabel], Meta(max_length=MAX_SEATS)]
    category: Key | list[Key | int]
    xy: list[Coordinate] = []
    flags: dict[SeatLabel, Flag | list[Flag]] = {}
    gen: Annotated[dict[Key, Scalar | list[Scalar]], Meta(max_length=20)] = {}


class ZonePart(Part, frozen=True, kw_only=True):
    """What every kind of zone has: a key that labels begin with, and what a visitor wants to know about it."""

    key: SeatLabel
    name: Name = ""
    level: Name = ""
    gate: Name = ""
    outline: Annotated[list[Coordinate], Meta(max_length=2_000)] = []


class SeatedZonePart(ZonePart, frozen=True, kw_only=True, tag_field="kind", tag="seats"):
    """A block of numbered rows."""

    rows: Annotated[list[RowPart], Meta(max_length=MAX_ROWS)]


class TablePart(ZonePart, frozen=True, kw_only=True, tag_field="kind", tag="table"):
    """A table, sold seat by seat or as a whole."""

    category: Key
    seats: Count
    sell: Literal["seat", "whole"] = "seat"
    shape: Literal["round", "rect"] = "round"
    at: Point = (0, 0)


class StandingZonePart(ZonePart, frozen=True, kw_only=True, tag_field="kind", tag="standing"):
    """An area where places have a number for the till but no name on the floor."""

    category: Key
    capacity: Count


class ShapePart(Part, frozen=True, kw_only=True):
    """Scenery: drawn, never sold."""

    type: Literal["text", "rect", "ellipse", "polygon", "image"]
    at: Point
    size: Point | None = None
    points: Annotated[list[Coordinate], Meta(max_length=2_000)] = []
    rotation: Annotated[int, Meta(ge=-360, le=360)] = 0
    text: Name = ""
    color: Color | None = None
    href: Annotated[str, Meta(max_length=300, pattern=r"^/[A-Za-z0-9][A-Za-z0-9_./-]*$")] = ""


class SeatPlanDocument(Part, frozen=True, kw_only=True):
    """One venue, whole. Canonical bytes of this struct are what is hashed, stored and served."""

    format: Literal["seatplan/1"]
    categories: Annotated[list[CategoryPart], Meta(max_length=MAX_CATEGORIES)]
    zones: Annotated[list[SeatedZonePart | TablePart | StandingZonePart], Meta(max_length=MAX_ZONES)]
    name: Name = ""
    size: Point | None = None
    focal: Point | None = None
    shapes: Annotated[list[ShapePart], Meta(max_length=1_000)] = []
