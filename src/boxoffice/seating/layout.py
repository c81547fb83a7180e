"""Where the places of a plan stand to one another: neighbours with no aisle between them, distances, what is near."""

from array import array
from functools import cached_property
from itertools import accumulate, chain
from math import isqrt
from typing import NamedTuple

AISLE_FACTOR = 2.5
"""A gap wider than this many usual seat pitches of the row is an aisle: nobody sits *beside* someone across it."""

NEAR_ENTRIES_MAX = 1_000_000
"""Bounds the memory kept for `near`: some 12 MB a plan."""


class Strip(NamedTuple):
    """A run of places with its bounding box: a row, a table or a standing zone."""

    start: int
    end: int
    left: int
    top: int
    right: int
    bottom: int


class Stretch(NamedTuple):
    """Seats of one row that are side by side without an aisle; `nearest` is the least cost among them."""

    nearest: int
    start: int
    end: int


class Layout:
    """Coordinates of all places; everything derived from them is computed once, when first asked for."""

    def __init__(
        self,
        x: "array[int]",
        y: "array[int]",
        focal: tuple[int, int] | None,
        rows: list[tuple[int, int]],
        standing: list[tuple[int, int]],
    ) -> None:
        self.x = x
        self.y = y
        self.focal = focal
        self._rows = rows
        self._standing = standing
        self._near: dict[int, tuple[array[int], array[int]]] = {}

    @cached_property
    def cost_before(self) -> "array[int]":
        """Prefix sums of how little each place is wanted: a run from a to b costs `cost_before[b] - cost_before[a]`.

        The cost of a place is its distance to the focal point, or its seat_no where the plan names none: row order.
        """
        return array("q", accumulate(chain((0,), self._costs)))

    @cached_property
    def _costs(self) -> list[int]:
        if self.focal is None:
            return list(range(len(self.x)))
        fx, fy = self.focal
        return [isqrt((x - fx) * (x - fx) + (y - fy) * (y - fy)) for x, y in zip(self.x, self.y, strict=True)]

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """All stretches of neighbouring seats, the best first."""
        costs = self._costs
        found = (
            Stretch(min(costs[start:end]), start, end)
            for row_start, row_end in self._rows
            for start, end in self._without_aisles(row_start, row_end)
        )
        return tuple(sorted(found))

    @cached_property
    def stretch_bounds(self) -> tuple["array[int]", "array[int]"]:
        """For every place, the start and the end of its stretch (empty for standing places)."""
        starts, ends = array("i", range(len(self.x))), array("i", range(len(self.x)))
        for _, start, end in self.stretches:
            starts[start:end] = array("i", [start]) * (end - start)
            ends[start:end] = array("i", [end]) * (end - start)
        return starts, ends

    def _without_aisles(self, start: int, end: int) -> list[tuple[int, int]]:
        if end - start < 3:
            return [(start, end)]
        x, y = self.x, self.y
        gaps = [(x[i + 1] - x[i]) ** 2 + (y[i + 1] - y[i]) ** 2 for i in range(start, end - 1)]
        usual = sorted(gaps)[(len(gaps) - 1) // 2]
        if not usual:
            return [(start, end)]
        limit = usual * AISLE_FACTOR * AISLE_FACTOR
        cuts = [start + offset + 1 for offset, gap in enumerate(gaps) if gap > limit]
        return list(zip([start, *cuts], [*cuts, end], strict=True))

    @cached_property
    def strips(self) -> tuple[Strip, ...]:
        """Rows, tables and standing zones in order of seat_no, each with its bounding box."""
        strips = []
        for start, end in sorted(self._rows + self._standing):
            xs, ys = self.x[start:end], self.y[start:end]
            strips.append(Strip(start, end, min(xs), min(ys), max(xs), max(ys)))
        return tuple(strips)

    @cached_property
    def strip_of(self) -> "array[int]":
        """For every place, the index of its strip."""
        indexes = array("i")
        for index, strip in enumerate(self.strips):
            indexes.extend([index] * (strip.end - strip.start))
        return indexes

    def near(self, strip_index: int) -> "tuple[array[int], array[int]]":
        """All strips from the nearest on: their least squared distances, and their indexes."""
        known = self._near.get(strip_index)
        if known is None:
            own = self.strips[strip_index]
            order = sorted((squared_gap(own, strip), index) for index, strip in enumerate(self.strips))
            known = array("q", [gap for gap, _ in order]), array("i", [index for _, index in order])
            if len(self._near) * len(self.strips) > NEAR_ENTRIES_MAX:
                self._near.clear()
            self._near[strip_index] = known
        return known


def squared_gap(one: Strip, other: Strip) -> int:
    """A lower bound for the squared distance between any place of one strip and any of the other."""
    across = max(one.left - other.right, other.left - one.right, 0)
    down = max(one.top - other.bottom, other.top - one.bottom, 0)
    return across * across + down * down
