"""Which seats to offer: the best that are together, what is near a seat that is gone, places in a standing zone.

All functions are pure, and quick because under a rush every buyer calls them at once: 100 µs or so in 20,000 seats.
`states` holds one byte per place (see `availability`); only AVAILABLE places, zero bytes, are ever chosen.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from boxoffice.seating.layout import Layout, Strip
from boxoffice.seating.plan import COMPANION, WHEELCHAIR, WHOLE_TABLE, Plan, Zone

FREE = b"\0"
RUNS_PER_STRETCH_MAX = 500
"""Keeps a plan that is one endless row from costing every buyer a walk along all of it."""

Run = tuple[int, int]
"""(cost, first seat) of neighbouring free seats."""


class Shortage(StrEnum):
    """Why nothing could be chosen; the values are the codes of the public contract."""

    SOLD_OUT = "sold_out"
    NO_ADJACENT_SEATS = "no_adjacent_seats"


def best_available(
    plan: Plan,
    states: bytes | bytearray,
    quantity: int,
    *,
    category: str | None = None,
    accessible: bool = False,
    seed: int = 0,
    spread: int = 1,
) -> list[int] | Shortage:
    """Seats side by side in one row: first such that nobody's seat is stranded alone, then those of the least cost.

    With `spread` k the answer is one of the k best choices that do not overlap, picked by `seed`: buyers who come in
    the same moment with different seeds do not fight for the same seats. Wheelchair places are given only when
    `accessible` asks for one, companion places only when nothing else is left, whole tables only when their category
    is named. Standing places serve when no seats of the wanted category are left together.
    """
    whole_tables = WHOLE_TABLE if category is None else 0
    if _free(states, plan.closed_mask(category)).count(FREE) < quantity:
        return Shortage.SOLD_OUT
    seated = _free(states, plan.closed_mask(category, whole_tables, standing=False))
    if accessible:
        return _accessible_run(plan, states, seated, quantity) or Shortage.NO_ADJACENT_SEATS
    for avoided in (WHEELCHAIR | COMPANION, WHEELCHAIR):
        eligible = _free(states, plan.closed_mask(category, whole_tables | avoided, standing=False))
        runs = _best_runs(plan, states, eligible, quantity, max(1, spread))
        if runs:
            start = runs[seed % len(runs)]
            return list(range(start, start + quantity))
    return _standing_anywhere(plan, states, quantity, category, seed)


def standing(plan: Plan, states: bytes | bytearray, zone: Zone, quantity: int, seed: int = 0) -> list[int] | Shortage:
    """Free places of one zone, counted from an offset given by `seed` so that buyers of one moment do not collide."""
    if states.count(FREE, zone.start, zone.end) < quantity:
        return Shortage.SOLD_OUT
    offset = zone.start + seed % (zone.end - zone.start)
    chosen = _free_places(states, offset, zone.end, quantity)
    return chosen + _free_places(states, zone.start, offset, quantity - len(chosen))


def alternatives(
    plan: Plan,
    states: bytes | bytearray,
    wanted: Sequence[int],
    prices: Mapping[str, int],
    limit: int = 10,
) -> list[int]:
    """Free places of the category of a wanted seat or of a cheaper one, nearest first; never empty while any remain.

    Who wanted a wheelchair place is shown those first; everybody else is shown them last.
    """
    if not wanted or limit <= 0:
        return []
    taken = bytearray(states)
    for seat_no in wanted:
        taken[seat_no] = 1
    closed = _unaffordable(plan, wanted, prices)
    in_chair = any(plan.flags_of[seat_no] & WHEELCHAIR for seat_no in wanted)
    anchor = sorted(wanted)[len(wanted) // 2]
    eligible = _free(taken, closed | plan.closed_mask(None, WHEELCHAIR))
    ordinary = _nearest(plan.layout, eligible, anchor, limit) if not in_chair else []
    if len(ordinary) == limit:
        return ordinary
    every = _free(taken, closed)
    chairs = bytearray(b"\1") * plan.seats
    for seat_no in plan.wheelchair_places:
        chairs[seat_no] = every[seat_no]
    for_chairs = _nearest(plan.layout, bytes(chairs), anchor, limit)
    if in_chair and len(for_chairs) < limit:
        ordinary = _nearest(plan.layout, eligible, anchor, limit)
    return (for_chairs + ordinary if in_chair else ordinary + for_chairs)[:limit]


def strands(plan: Plan, states: bytes | bytearray, start: int, end: int) -> bool:
    """Whether taking the seats `start` to `end` leaves a single free seat beside them, cut off from all others.

    A lone wheelchair place is not stranded: it is meant to stand alone.
    """
    lows, highs = plan.layout.stretch_bounds
    low, high = lows[start], highs[start]
    before, after = start - 1, end
    if before >= low and not states[before] and (before == low or states[before - 1]):
        stranded_before = not plan.flags_of[before] & WHEELCHAIR
    else:
        stranded_before = False
    if stranded_before or after == high or states[after] or not (after + 1 == high or states[after + 1]):
        return stranded_before
    return not plan.flags_of[after] & WHEELCHAIR


def _free(states: bytes | bytearray, closed: int) -> bytes:
    """The states with every place out of the question marked as taken."""
    return (int.from_bytes(states, "little") | closed).to_bytes(len(states), "little")


def _best_runs(plan: Plan, states: bytes | bytearray, eligible: bytes, quantity: int, spread: int) -> list[int]:
    """The first seats of up to `spread` choices that do not overlap, the best first.

    Stretches come in order of their nearest seat, so the search ends as soon as no later one can be better.
    """
    wanted = bytes(quantity)
    if wanted not in eligible:
        return []
    cost_before = plan.layout.cost_before
    kind: list[Run] = []
    stranding: list[Run] = []
    for nearest, first, last in plan.layout.stretches:
        if len(kind) == spread and nearest * quantity > kind[-1][0]:
            break
        start = eligible.find(wanted, first, last)
        if start < 0:
            continue
        kind_here: list[Run] = []
        stranding_here: list[Run] = []
        while start >= 0 and len(kind_here) < RUNS_PER_STRETCH_MAX:
            run = cost_before[start + quantity] - cost_before[start], start
            (stranding_here if strands(plan, states, start, start + quantity) else kind_here).append(run)
            start = eligible.find(wanted, start + 1, last)
        _keep_best(kind, kind_here, quantity, spread)
        _keep_best(stranding, stranding_here, quantity, spread)
    return [start for _, start in kind or stranding]


def _keep_best(best: list[Run], found: list[Run], quantity: int, limit: int) -> None:
    """Merge the runs found in one stretch into the best so far; of runs that overlap only the better one stays."""
    taken: list[int] = []
    for run in sorted(found):
        if len(best) == limit and run > best[-1]:
            return
        if all(abs(run[1] - start) >= quantity for start in taken):
            taken.append(run[1])
            insort(best, run)
            del best[limit:]


def _accessible_run(plan: Plan, states: bytes | bytearray, eligible: bytes, quantity: int) -> list[int] | None:
    """Neighbours with one wheelchair place among them: rather with companion places than with other people's seats."""
    lows, highs = plan.layout.stretch_bounds
    cost_before, flags_of, wanted = plan.layout.cost_before, plan.flags_of, bytes(quantity)
    best: tuple[bool, int, int, int, int] | None = None
    for chair in plan.wheelchair_places:
        if eligible[chair]:
            continue
        for start in range(max(lows[chair], chair - quantity + 1), min(chair, highs[chair] - quantity) + 1):
            if eligible[start : start + quantity] != wanted:
                continue
            flags = flags_of[start : start + quantity]
            chairs = sum(1 for flag in flags if flag & WHEELCHAIR)
            others = sum(1 for flag in flags if not flag & (WHEELCHAIR | COMPANION))
            cost = cost_before[start + quantity] - cost_before[start]
            rank = strands(plan, states, start, start + quantity), chairs, others, cost, start
            best = rank if best is None else min(best, rank)
    return None if best is None else list(range(best[-1], best[-1] + quantity))


def _standing_anywhere(
    plan: Plan, states: bytes | bytearray, quantity: int, category: str | None, seed: int
) -> list[int] | Shortage:
    for zone in plan.standing_zones:
        if category in (None, plan.category_key(zone.start)):
            chosen = standing(plan, states, zone, quantity, seed)
            if not isinstance(chosen, Shortage):
                return chosen
    return Shortage.NO_ADJACENT_SEATS


def _free_places(states: bytes | bytearray, start: int, end: int, limit: int) -> list[int]:
    places: list[int] = []
    position = states.find(FREE, start, end)
    while position >= 0 and len(places) < limit:
        places.append(position)
        position = states.find(FREE, position + 1, end)
    return places


def _unaffordable(plan: Plan, wanted: Sequence[int], prices: Mapping[str, int]) -> int:
    """The mask of all places that are neither of a wanted category nor as cheap as the dearest wanted one."""
    same = {plan.category_key(seat_no) for seat_no in wanted}
    ceiling = max(prices.get(key, 0) for key in same)
    closed = -1
    for key in set(plan.category_keys):
        if key in same or prices.get(key, ceiling + 1) <= ceiling:
            closed &= plan.closed_mask(key)
    return closed


def _nearest(layout: Layout, eligible: bytes, anchor: int, limit: int) -> list[int]:
    """The free places nearest to `anchor`, strip by strip until no later strip can hold a nearer one."""
    x, y, strips = layout.x, layout.y, layout.strips
    ax, ay = x[anchor], y[anchor]
    found: list[tuple[int, int, int]] = []
    for gap, index in zip(*layout.near(layout.strip_of[anchor]), strict=True):
        if len(found) == limit and gap > found[-1][0]:
            break
        for place in _candidates(eligible, strips[index], anchor, limit):
            distance = (x[place] - ax) ** 2 + (y[place] - ay) ** 2
            rank = distance, abs(place - anchor), place
            if len(found) < limit or rank < found[-1]:
                insort(found, rank)
                del found[limit:]
    return [place for _, _, place in found]


def _candidates(eligible: bytes, strip: Strip, anchor: int, limit: int) -> Iterator[int]:
    """The free places of a strip that may be among the `limit` nearest to `anchor`.

    In the anchor's own strip those are the next ones to each side; places of a standing zone are all equally far.
    """
    own = strip.start <= anchor < strip.end
    alike = strip.left == strip.right and strip.top == strip.bottom
    yield from _free_places(eligible, anchor if own else strip.start, strip.end, limit if own or alike else strip.end)
    if own:
        position = eligible.rfind(FREE, strip.start, anchor)
        while position >= 0 and limit > 0:
            yield position
            limit -= 1
            position = eligible.rfind(FREE, strip.start, position)
