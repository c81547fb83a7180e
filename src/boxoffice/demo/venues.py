"""The demo venues as `seatplan/1` documents: a theatre of curved rows, a club to stand in, an arena of 20,000."""

from collections.abc import Callable, Mapping
from functools import cache
from math import cos, pi
from typing import Any

from boxoffice.demo.geometry import (
    GRID_ROW_PITCH,
    ROW_PITCH,
    SEAT_PITCH,
    arc_row,
    block_row,
    deltas,
    flatten,
    grid_row,
    half_angle,
    rectangle,
    ring_angles,
    sector,
)

BLUE, GREEN, PURPLE, VERMILLION, SKY = "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"
"""The Okabe–Ito palette without its yellow, which on the map belongs to seats that others hold."""

Document = dict[str, Any]


def theatre() -> Document:
    """1,214 seats in stalls, circle and gallery, bent around the stage."""
    centre = (700, -200)
    return {
        "format": "seatplan/1",
        "name": "Great House",
        "size": [1400, 1360],
        "focal": [700, 140],
        "categories": [
            {"key": "premium", "name": "Premium", "color": BLUE},
            {"key": "standard", "name": "Standard", "color": GREEN},
            {"key": "gallery", "name": "Gallery", "color": PURPLE},
        ],
        "zones": [_stalls(centre), _circle(centre), _gallery(centre)],
        "shapes": [
            {"type": "rect", "at": [280, 30], "size": [840, 110], "color": "#444444"},
            {"type": "text", "at": [700, 85], "text": "Stage"},
        ],
    }


def _stalls(centre: tuple[int, int]) -> Document:
    rows = []
    for position, label in enumerate("ABCDEFGHIJKLMNOPQRST"):
        seats = 22 + position
        side = seats // 4
        aisles = (side, seats - side)
        category: str | list[str | int] = "standard"
        if position < 10:
            category = ["standard", side, "premium", seats - 2 * side, "standard", side]
        flags = {str(number): "aisle" for end in aisles for number in (end, end + 1)}
        if label == "T":
            flags |= {"1": "companion", "2": "wheelchair", "3": "wheelchair", "4": "companion"}
            flags |= {"38": "companion", "39": "wheelchair", "40": "wheelchair", "41": "companion"}
        rows.append(_arc(centre, 520 + position * ROW_PITCH, label, seats, category, aisles, flags))
    return _curved_zone(centre, "Stalls", "Ground floor", "Doors 1 and 2", 520, rows, half_angle(520, 22, 2))


def _circle(centre: tuple[int, int]) -> Document:
    rows = []
    for position, label in enumerate("ABCDEFGH"):
        seats = 42 + position
        side = seats // 4
        category = "premium" if position < 2 else "standard"
        flags = {"1": "restricted_view", str(seats): "restricted_view"}
        rows.append(_arc(centre, 1120 + position * ROW_PITCH, label, seats, category, (side, seats - side), flags))
    return _curved_zone(centre, "Circle", "First floor", "Door 3", 1120, rows, half_angle(1120, 43, 2))


def _gallery(centre: tuple[int, int]) -> Document:
    rows = []
    for position, label in enumerate("ABCDE"):
        seats = 42 + position
        flags = dict.fromkeys(("1", "2", str(seats - 1), str(seats)), "restricted_view")
        radius = 1410 + position * ROW_PITCH
        rows.append(_arc(centre, radius, label, seats, "gallery", (seats // 2,), flags))
    return _curved_zone(centre, "Gallery", "Second floor", "Door 4", 1410, rows, half_angle(1410, 43, 1))


def _arc(
    centre: tuple[int, int],
    radius: int,
    label: str,
    seats: int,
    category: str | list[str | int],
    aisles: tuple[int, ...],
    flags: dict[str, str],
) -> Document:
    points = arc_row(centre, radius, seats, aisles)
    row = {"label": label, "numbers": f"1..{seats}", "category": category, "xy": deltas(points)}
    return row | {"flags": flags, "gen": {"tool": "arc", "radius": radius}}


def _curved_zone(
    centre: tuple[int, int], key: str, level: str, gate: str, radius: int, rows: list[Document], half: float
) -> Document:
    outer = radius + (len(rows) - 1) * ROW_PITCH + SEAT_PITCH
    outline = sector(centre, radius - SEAT_PITCH, outer, -half, half, corners=16)
    return {
        "kind": "seats",
        "key": key,
        "name": key,
        "level": level,
        "gate": gate,
        "outline": flatten(outline),
        "rows": rows,
    }


def club() -> Document:
    """800 places to stand, sixteen stools at the bar and four tables beside it."""
    tables = [
        {
            "kind": "table",
            "key": f"T{number}",
            "name": f"Table {number}",
            "at": [1330, 420 + number * 130],
            "seats": 4,
            "sell": "seat",
            "shape": "round",
            "category": "bar",
        }
        for number in range(1, 5)
    ]
    bar = {
        "kind": "seats",
        "key": "Bar",
        "name": "At the bar",
        "outline": flatten(rectangle(1180, 180, 1560, 420)),
        "rows": [
            {
                "label": label,
                "numbers": "1..8",
                "category": "bar",
                "xy": deltas(grid_row(1280, y, 8)),
            }
            for label, y in (("A", 270), ("B", 340))
        ],
    }
    floor = {
        "kind": "standing",
        "key": "Floor",
        "name": "Dance floor",
        "capacity": 800,
        "category": "floor",
        "outline": flatten(rectangle(80, 240, 1120, 1060)),
    }
    return {
        "format": "seatplan/1",
        "name": "The Cellar",
        "size": [1640, 1140],
        "focal": [600, 160],
        "categories": [
            {"key": "floor", "name": "Standing", "color": BLUE},
            {"key": "bar", "name": "Bar and tables", "color": VERMILLION},
        ],
        "zones": [floor, bar, *tables],
        "shapes": [
            {"type": "rect", "at": [300, 60], "size": [600, 120], "color": "#444444"},
            {"type": "text", "at": [600, 120], "text": "Stage"},
            {"type": "text", "at": [1370, 215], "text": "Bar"},
        ],
    }


def arena() -> Document:
    """20,000 seats: four blocks on the floor and two rings of blocks around it."""
    centre = (2700, 2700)
    return {
        "format": "seatplan/1",
        "name": "Full house, end stage",
        "size": [5400, 5400],
        "focal": [2700, 1980],
        "categories": [
            {"key": "front", "name": "Front floor", "color": VERMILLION},
            {"key": "floor", "name": "Floor", "color": PURPLE},
            {"key": "lower", "name": "Lower tier", "color": BLUE},
            {"key": "upper", "name": "Upper tier", "color": GREEN},
        ],
        "zones": [
            *_floor_blocks(),
            *(_ring_block(centre, 100, block, 20, 1388, 24, 18) for block in range(20)),
            *(_ring_block(centre, 200, block, 28, 2100, 20, 16) for block in range(28)),
        ],
        "shapes": [
            {"type": "rect", "at": [2250, 1640], "size": [900, 300], "color": "#444444"},
            {"type": "text", "at": [2700, 1790], "text": "Stage"},
        ],
    }


def _floor_blocks() -> list[Document]:
    blocks = []
    for number, (left, top) in enumerate(((2120, 2080), (2730, 2080), (2120, 2810), (2730, 2810)), start=1):
        rows = [
            {
                "label": str(row + 1),
                "numbers": "1..25",
                "category": "front" if number <= 2 else "floor",
                "xy": deltas(grid_row(left + SEAT_PITCH, top + row * GRID_ROW_PITCH, 25)),
            }
            for row in range(24)
        ]
        outline = rectangle(left, top - SEAT_PITCH, left + 26 * SEAT_PITCH, top + 24 * GRID_ROW_PITCH)
        blocks.append(_block(f"F{number}", f"Floor {number}", "Floor", f"Gate {number}", outline, rows))
    return blocks


def _ring_block(
    centre: tuple[int, int], hundred: int, block: int, blocks: int, radius: int, depth: int, seats: int
) -> Document:
    first, last = ring_angles(blocks, radius)[block]
    behind_the_stage = cos((first + last) / 2) < -cos(pi / 6)
    tier = "lower" if hundred == 100 and not behind_the_stage else "upper"
    rows = []
    for position in range(depth):
        points = block_row(centre, radius + position * ROW_PITCH, seats, first, last)
        row: Document = {"label": str(position + 1), "numbers": f"1..{seats}", "category": tier, "xy": deltas(points)}
        if hundred == 100 and position == depth - 1 and block % 5 == 2:
            row["flags"] = {"1": "companion", "2": "wheelchair", "3": "wheelchair", "4": "companion"}
        rows.append(row)
    margin = SEAT_PITCH / radius
    outer = radius + (depth - 1) * ROW_PITCH + SEAT_PITCH
    outline = sector(centre, radius - SEAT_PITCH, outer, first - margin / 2, last + margin / 2, corners=5)
    level = "Lower tier" if hundred == 100 else "Upper tier"
    key = str(hundred + block + 1)
    return _block(key, f"Block {key}", level, f"Gate {1 + block * 4 // blocks}", outline, rows)


def _block(
    key: str, name: str, level: str, gate: str, outline: list[tuple[int, int]], rows: list[Document]
) -> Document:
    zone: Document = {"kind": "seats", "key": key, "name": name, "level": level, "gate": gate}
    return zone | {"outline": flatten(outline), "rows": rows}


PLANS: Mapping[str, Callable[[], Document]] = {"theatre": theatre, "club": club, "arena": arena}


@cache
def plan_document(name: str) -> Document:
    """The document of a demo venue, drawn once."""
    return PLANS[name]()
