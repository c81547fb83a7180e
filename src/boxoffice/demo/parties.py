"""Who has already bought what: parties of one to four for a share of a house, the same ones every time."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from boxoffice.demo.people import buyer
from boxoffice.seating.plan import WHEELCHAIR, Plan

PARTY_SIZES = (1, 2, 2, 2, 2, 3, 4, 4)


class Party(NamedTuple):
    """A purchase: neighbours, and the one who paid for them."""

    seats: tuple[int, ...]
    name: str
    email: str


def parties(plan: Plan, share: float, seed: str) -> list[Party]:
    """Purchases of about `share` of the plan's places, none sold twice; wheelchair places stay free."""
    chance = Random(seed)  # noqa: S311 - a demo that looks alike every time, not a secret
    sold = [seats for seats in _groups(plan, chance) if chance.random() < share]
    return [Party(seats, *buyer(chance, number)) for number, seats in enumerate(sold, start=1)]


def _groups(plan: Plan, chance: Random) -> Iterator[tuple[int, ...]]:
    stretches = [(start, end) for _, start, end in plan.layout.stretches]
    stretches += [(zone.start, zone.end) for zone in plan.standing_zones]
    for start, end in stretches:
        group: list[int] = []
        size = chance.choice(PARTY_SIZES)
        for seat_no in range(start, end):
            wheelchair_place = plan.flags_of[seat_no] & WHEELCHAIR
            if not wheelchair_place:
                group.append(seat_no)
            if group and (wheelchair_place or len(group) == size):
                yield tuple(group)
                group, size = [], chance.choice(PARTY_SIZES)
        if group:
            yield tuple(group)
