"""Which seats are offered, checked against all seats that could have been."""

from hypothesis import given
from hypothesis import strategies as st

from boxoffice.seating.availability import SOLD
from boxoffice.seating.choice import Shortage, alternatives, best_available, standing, strands
from boxoffice.seating.parse import parse
from boxoffice.seating.plan import COMPANION, WHEELCHAIR, WHOLE_TABLE, Plan
from tests.seating import plans
from tests.seating.plans import document, houses, row, table, zone

CATEGORIES = st.sampled_from([None, "gold", "silver"])
QUANTITIES = st.integers(1, 5)


def windows(plan: Plan, states: bytes, quantity: int, category: str | None, avoided: int) -> list[int]:
    """Every first seat of a choice that would be allowed, found the slow way."""
    avoided |= WHOLE_TABLE if category is None else 0
    return [
        start
        for _, first, last in plan.layout.stretches
        for start in range(first, last - quantity + 1)
        if all(
            not states[seat_no]
            and not plan.flags_of[seat_no] & avoided
            and category in (None, plan.category_key(seat_no))
            for seat_no in range(start, start + quantity)
        )
    ]


def lonely(plan: Plan, states: bytes, taken: range) -> set[int]:
    """Free ordinary seats without a free neighbour in their stretch, once `taken` is gone."""
    left = bytearray(states)
    left[taken.start : taken.stop] = bytes([SOLD]) * len(taken)
    single = set()
    for _, first, last in plan.layout.stretches:
        for seat_no in range(first, last):
            free_beside = any(
                not left[other] for other in (seat_no - 1, seat_no + 1) if first <= other < last and not left[seat_no]
            )
            if not left[seat_no] and not free_beside and not plan.flags_of[seat_no] & WHEELCHAIR:
                single.add(seat_no)
    return single


def cost(plan: Plan, start: int, quantity: int) -> int:
    return plan.layout.cost_before[start + quantity] - plan.layout.cost_before[start]


@given(houses(), QUANTITIES, CATEGORIES, st.integers(0, 9), st.integers(1, 4))
def test_what_is_offered_is_free_together_and_of_the_wanted_kind(
    house: tuple[Plan, bytes], quantity: int, category: str | None, seed: int, spread: int
) -> None:
    plan, states = house

    chosen = best_available(plan, states, quantity, category=category, seed=seed, spread=spread)

    if isinstance(chosen, Shortage):
        return
    assert len(set(chosen)) == quantity
    assert all(not states[seat_no] and not plan.flags_of[seat_no] & WHEELCHAIR for seat_no in chosen)
    assert all(category in (None, plan.category_key(seat_no)) for seat_no in chosen)
    if plan.zone_of(chosen[0]).kind == "standing":
        assert plan.zone_of(chosen[-1]) == plan.zone_of(chosen[0])
    else:
        assert chosen == list(range(chosen[0], chosen[0] + quantity))
        assert plan.row_of(chosen[0]) == plan.row_of(chosen[-1])


@given(houses(), QUANTITIES, CATEGORIES)
def test_nothing_is_refused_that_could_be_had(house: tuple[Plan, bytes], quantity: int, category: str | None) -> None:
    plan, states = house
    free = sum(1 for i in range(plan.seats) if not states[i] and category in (None, plan.category_key(i)))

    chosen = best_available(plan, states, quantity, category=category)

    assert (chosen is Shortage.SOLD_OUT) == (free < quantity)
    if chosen is Shortage.NO_ADJACENT_SEATS:
        assert not windows(plan, states, quantity, category, WHEELCHAIR)


@given(houses(), QUANTITIES, CATEGORIES)
def test_the_nearest_choice_that_strands_nobody_wins(
    house: tuple[Plan, bytes], quantity: int, category: str | None
) -> None:
    plan, states = house
    before = lonely(plan, states, range(0))
    possible = windows(plan, states, quantity, category, WHEELCHAIR | COMPANION)
    kind = [i for i in possible if not lonely(plan, states, range(i, i + quantity)) - before]

    chosen = best_available(plan, states, quantity, category=category)

    if possible:
        assert not isinstance(chosen, Shortage)
        best = min(kind or possible, key=lambda start: (cost(plan, start, quantity), start))
        assert chosen == list(range(best, best + quantity))


@given(houses(), st.integers(1, 3))
def test_stranding_means_a_new_lonely_seat_beside_the_choice(house: tuple[Plan, bytes], quantity: int) -> None:
    plan, states = house
    before = lonely(plan, states, range(0))

    judged = {
        start: strands(plan, states, start, start + quantity) for start in windows(plan, states, quantity, "gold", 0)
    }

    for start, stranding in judged.items():
        assert stranding == bool(lonely(plan, states, range(start, start + quantity)) - before)


@given(houses(), st.integers(1, 3), st.integers(2, 5))
def test_buyers_of_one_moment_get_choices_that_do_not_overlap(
    house: tuple[Plan, bytes], quantity: int, spread: int
) -> None:
    plan, states = house

    offers = [best_available(plan, states, quantity, seed=seed, spread=spread) for seed in range(spread)]

    found = {tuple(offer) for offer in offers if not isinstance(offer, Shortage)}
    if found and all(plan.zone_of(offer[0]).kind != "standing" for offer in found):
        assert len({seat_no for offer in found for seat_no in offer}) == len(found) * quantity


@given(houses(), st.integers(1, 3), CATEGORIES)
def test_an_accessible_choice_has_a_wheelchair_place_and_is_found_when_there_is_one(
    house: tuple[Plan, bytes], quantity: int, category: str | None
) -> None:
    plan, states = house
    with_chair = [
        start
        for start in windows(plan, states, quantity, category, 0)
        if any(plan.flags_of[i] & WHEELCHAIR for i in range(start, start + quantity))
    ]

    chosen = best_available(plan, states, quantity, category=category, accessible=True)

    assert isinstance(chosen, Shortage) == (not with_chair)
    assert isinstance(chosen, Shortage) or chosen[0] in with_chair


def test_companions_come_with_the_wheelchair() -> None:
    plan = parse(document(zone(row("1..6", flags={"3": "wheelchair", "4": "companion"}))))

    pair = best_available(plan, bytes(6), 2, accessible=True)

    assert pair == [2, 3]


def test_companion_places_are_given_to_others_only_when_nothing_else_is_left() -> None:
    plan = parse(document(zone(row("1..6", flags={"1": "wheelchair", "2": "companion", "3": "companion"}))))

    at_first, at_last = (best_available(plan, states, 2) for states in (bytes(6), bytes([0, 0, 0, 1, 1, 1])))

    assert at_first in ([3, 4], [4, 5])
    assert at_last == [1, 2]


def test_seats_across_an_aisle_are_not_together() -> None:
    plan = parse(document(zone(row("1..6", xy=[0, 0, 10, 0, 10, 0, 40, 0, 10, 0, 10, 0]))))

    chosen = best_available(plan, bytes([2, 2, 0, 0, 2, 2]), 2)

    assert chosen is Shortage.NO_ADJACENT_SEATS


def test_even_one_endless_row_begins_at_its_beginning() -> None:
    plan = parse(document(zone(row("1..100000"))))

    chosen = best_available(plan, bytes(plan.seats), 4, spread=3, seed=2)

    assert chosen == [8, 9, 10, 11]


def test_a_whole_table_is_offered_only_to_those_who_ask_for_its_category() -> None:
    plan = parse(document(zone(row("1..1")), table(8, "T1", "whole", "silver")))

    anyone, party = best_available(plan, b"\2\0", 1), best_available(plan, b"\0\0", 1, category="silver")

    assert (anyone, party) == (Shortage.NO_ADJACENT_SEATS, [1])


def test_places_to_stand_are_offered_where_no_seats_are_left_together() -> None:
    plan = parse(document(zone(row("1..3")), plans.standing(4)))

    chosen = best_available(plan, bytes([0, 2, 0, 0, 0, 0, 0]), 2)

    assert chosen == [3, 4]


def test_places_to_stand_are_offered_where_there_are_no_seats() -> None:
    plan = parse(document(plans.standing(5)))

    chosen = best_available(plan, bytes([0, 2, 0, 0, 0]), 3, seed=3)

    assert chosen == [3, 4, 0]


@given(houses(), QUANTITIES, st.integers(0, 20))
def test_places_to_stand_are_found_from_any_offset(house: tuple[Plan, bytes], quantity: int, seed: int) -> None:
    plan, states = house
    for area in plan.standing_zones:
        free = [place for place in range(area.start, area.end) if not states[place]]

        chosen = standing(plan, states, area, quantity, seed)

        assert isinstance(chosen, Shortage) == (len(free) < quantity)
        assert isinstance(chosen, Shortage) or (len(set(chosen)) == quantity and set(chosen) <= set(free))


@given(houses(), st.data(), st.integers(1, 12), st.sampled_from([{"gold": 2, "silver": 1}, {"gold": 1, "silver": 1}]))
def test_alternatives_are_the_nearest_free_seats_that_cost_no_more(
    house: tuple[Plan, bytes], data: st.DataObject, limit: int, prices: dict[str, int]
) -> None:
    plan, states = house
    wanted = data.draw(st.lists(st.integers(0, plan.seats - 1), min_size=1, max_size=3, unique=True))
    ceiling = max(prices[plan.category_key(seat_no)] for seat_no in wanted)
    anchor = sorted(wanted)[len(wanted) // 2]
    x, y = plan.layout.x, plan.layout.y
    wants_chair = any(plan.flags_of[seat_no] & WHEELCHAIR for seat_no in wanted)

    def rank(seat_no: int) -> tuple[bool, int, int, int]:
        other_kind = bool(plan.flags_of[seat_no] & WHEELCHAIR) != wants_chair
        distance = (x[seat_no] - x[anchor]) ** 2 + (y[seat_no] - y[anchor]) ** 2
        return other_kind, distance, abs(seat_no - anchor), seat_no

    fitting = [
        seat_no
        for seat_no in range(plan.seats)
        if not states[seat_no] and seat_no not in wanted and prices[plan.category_key(seat_no)] <= ceiling
    ]

    offered = alternatives(plan, states, wanted, prices, limit)

    assert [rank(seat_no)[:2] for seat_no in offered] == [rank(seat_no)[:2] for seat_no in sorted(fitting, key=rank)][
        :limit
    ]
    assert set(offered) <= set(fitting)


def test_the_seat_next_to_the_wanted_one_comes_first() -> None:
    plan = parse(document(zone(row("1..9"), row("1..9", "B"))))

    offered = alternatives(plan, bytes([0, 0, 0, 0, 2, 0, 0, 0, 0]) + bytes(9), [4], {"gold": 1}, limit=3)

    assert offered == [3, 5, 13]
