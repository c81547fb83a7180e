"""Draws rows and blocks for the demo venues: arcs and grids as points in whole quarter units."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import cos, pi, sin, tau

SEAT_PITCH = 22
ROW_PITCH = 26
GRID_ROW_PITCH = 28
AISLE_SLOTS = 4
"""An aisle is as wide as the seats that would stand in it."""

Point = tuple[int, int]


def deltas(points: Sequence[Point]) -> list[int]:
    """The first point, then steps from point to point: how a plan writes the places of a row."""
    flat = list(points[0])
    for (x0, y0), (x1, y1) in pairwise(points):
        flat += [x1 - x0, y1 - y0]
    return flat


def flatten(points: Iterable[Point]) -> list[int]:
    """A polygon as a plan writes it."""
    return [coordinate for point in points for coordinate in point]


def on_circle(centre: Point, radius: float, angle: float) -> Point:
    """The point at `angle` from straight down (away from a stage at the top), growing to the right."""
    return round(centre[0] + radius * sin(angle)), round(centre[1] + radius * cos(angle))


def arc_row(centre: Point, radius: float, seats: int, aisles_after: Sequence[int] = ()) -> list[Point]:
    """Seats on an arc, its middle straight below the centre, with an aisle after each of the given positions."""
    slots, slot = [], 0
    for position in range(seats):
        slots.append(slot)
        slot += AISLE_SLOTS if position + 1 in aisles_after else 1
    middle = slots[-1] / 2
    return [on_circle(centre, radius, (slot - middle) * SEAT_PITCH / radius) for slot in slots]


def half_angle(radius: float, seats: int, aisles: int) -> float:
    """How far an arc row reaches to each side, its last seat included."""
    return (seats + aisles * (AISLE_SLOTS - 1) + 1) * SEAT_PITCH / radius / 2


def block_row(centre: Point, radius: float, seats: int, first: float, last: float) -> list[Point]:
    """Seats spread evenly on an arc between two angles."""
    step = (last - first) / max(1, seats - 1)
    return [on_circle(centre, radius, first + position * step) for position in range(seats)]


def grid_row(left: int, y: int, seats: int) -> list[Point]:
    """Seats on a straight line."""
    return [(left + position * SEAT_PITCH, y) for position in range(seats)]


def sector(centre: Point, inner: float, outer: float, first: float, last: float, corners: int = 8) -> list[Point]:
    """The outline of a block between two circles and two angles."""
    angles = [first + (last - first) * step / (corners - 1) for step in range(corners)]
    near = [on_circle(centre, inner, angle) for angle in angles]
    far = [on_circle(centre, outer, angle) for angle in reversed(angles)]
    return near + far


def rectangle(left: int, top: int, right: int, bottom: int) -> list[Point]:
    """The outline of a grid block."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ring_angles(blocks: int, radius: float, aisle: int = 40) -> list[tuple[float, float]]:
    """First and last seat angle of each block of a full ring, clockwise from the top, with aisles between."""
    width = tau / blocks
    gap = aisle / radius / 2
    return [(pi - block * width - width / 2 + gap, pi - block * width + width / 2 - gap) for block in range(blocks)]
