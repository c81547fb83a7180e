"""How a plan's categories become the event's."""

from typing import NamedTuple

import pytest
from hypothesis import given

from boxoffice.seating.categories import match_categories
from boxoffice.seating.parse import PlanInvalid, parse
from tests.seating.plans import HALL, Document, document, documents, row, standing, zone


class Offered(NamedTuple):
    key: str
    name: str


def test_the_key_decides_and_the_name_helps_out() -> None:
    plan = parse(document(zone(row("1..3", category=["gold", 1, "silver", 2]))))

    matched = match_categories(plan, [Offered("cheap", "  silver "), Offered("gold", "Silver")])

    assert matched.seat_categories() == ["gold", "cheap", "cheap"]


def test_a_seat_in_a_category_that_the_event_lacks_is_named() -> None:
    plan = parse(document(zone(row("1..2"), row("1..3", "B", ["gold", 1, "silver", 2])), standing(2, "P", "silver")))

    with pytest.raises(PlanInvalid) as caught:
        match_categories(plan, [Offered("gold", "Gold")])

    assert [(problem.path, problem.code) for problem in caught.value.problems] == [
        ("zones[0].rows[1].seats[1].category", "unmatched_category")
    ]


def test_a_standing_zone_in_an_unknown_category_is_named() -> None:
    plan = parse(document(zone(row("1..2")), standing(2, "P", "silver")))

    with pytest.raises(PlanInvalid) as caught:
        match_categories(plan, [Offered("gold", "Gold")])

    assert [problem.path for problem in caught.value.problems] == ["zones[1].category"]


def test_a_category_without_seats_needs_no_match() -> None:
    plan = parse(document(zone(row("1..2"))))

    matched = match_categories(plan, [Offered("gold", "Gold")])

    assert set(matched.seat_categories()) == {"gold"}


def test_matching_leaves_the_plan_itself_as_it_was() -> None:
    plan = parse(HALL)

    matched = match_categories(plan, [Offered("a", "Gold"), Offered("b", "Silver")])

    assert set(matched.seat_categories()) == {"a", "b"}
    assert set(plan.seat_categories()) == {"gold", "silver"}
    assert matched.hash == plan.hash


@given(documents())
def test_matching_by_key_keeps_every_seat_where_it_was(drawn: Document) -> None:
    plan = parse(drawn)

    matched = match_categories(plan, [Offered("silver", "Gold"), Offered("gold", "Silver")])

    assert matched.seat_categories() == plan.seat_categories()
