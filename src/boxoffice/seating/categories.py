"""Matches the categories a plan was painted with to those an event sells."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from boxoffice.seating.parse import PlanInvalid, Problem
from boxoffice.seating.plan import Plan


class EventCategory(Protocol):
    """What matching needs to know of an event's category."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...


def match_categories(plan: Plan, offered: Iterable[EventCategory]) -> Plan:
    """The same plan, its seats in the event's categories: matched by key, else by name.

    A seat whose category the event lacks raises PlanInvalid; a category that paints no seat needs no match.
    """
    by_key: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for category in offered:
        by_key[category.key] = category.key
        by_name.setdefault(_folded(category.name), category.key)
    keys, problems = [], []
    for index, painted in enumerate(plan.categories):
        key = by_key.get(painted.key) or by_name.get(_folded(painted.name or painted.key))
        if key is None:
            seat_no = plan.category_of.find(index)
            if seat_no >= 0:
                problems.append(_unmatched(plan, index, seat_no))
        keys.append(key if key is not None else painted.key)
    if problems:
        raise PlanInvalid(problems)
    return replace(plan, category_keys=tuple(keys), _masks={})


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _unmatched(plan: Plan, category: int, seat_no: int) -> Problem:
    painted = plan.categories[category]
    zone, row = plan.zone_of(seat_no), plan.row_of(seat_no)
    path = f"zones[{plan.zones.index(zone)}]"
    if row is not None and zone.kind == "seats":
        position = sum(1 for other in plan.rows if other.zone == row.zone and other.start < row.start)
        path += f".rows[{position}].seats[{seat_no - row.start}]"
    detail = f"The event has no category with the key {painted.key!r} or the name {painted.name!r}."
    return Problem(f"{path}.category", "unmatched_category", detail)
