"""What a plan says about its places: numbers, labels, rows, zones, categories, flags."""

from itertools import pairwise

import pytest
from hypothesis import given

from boxoffice.seating.parse import parse
from tests.seating.plans import HALL, Document, document, documents, row, standing, table, zone


def test_places_are_numbered_by_zone_then_row_then_seat() -> None:
    plan = parse(HALL)

    described = [(seat.label, seat.category) for seat in map(plan.describe, range(plan.seats))]

    assert described == [
        ("North 12, row A, seat 1", "gold"),
        ("North 12, row A, seat 2", "gold"),
        ("North 12, row A, seat 3", "gold"),
        ("North 12, row A, seat 4", "gold"),
        ("North 12, row A, seat 5", "gold"),
        ("North 12, row B, seat 1", "gold"),
        ("North 12, row B, seat 2", "gold"),
        ("North 12, row B, seat 2a", "silver"),
        ("T4, seat 1", "gold"),
        ("T4, seat 2", "gold"),
        ("T4, seat 3", "gold"),
        ("T5", "silver"),
        ("PIT, place 1", "silver"),
        ("PIT, place 2", "silver"),
        ("PIT, place 3", "silver"),
        ("PIT, place 4", "silver"),
    ]


def test_the_only_zone_of_a_house_is_left_out_of_labels() -> None:
    plan = parse(document(zone(row("1..2"), row("1", "B"))))

    assert list(plan.labels()) == ["Row A, seat 1", "Row A, seat 2", "Row B, seat 1"]


@pytest.mark.parametrize(
    ("only", "labels"),
    [(standing(2), ["Pit, place 1", "Pit, place 2"]), (table(2), ["T1, seat 1", "T1, seat 2"])],
)
def test_places_without_a_row_keep_the_name_of_their_zone(only: Document, labels: list[str]) -> None:
    plan = parse(document(only))

    assert list(plan.labels()) == labels


def test_zones_of_the_same_name_are_told_apart_by_their_keys() -> None:
    plan = parse(document({**zone(row("1"), key="L"), "name": "Box"}, {**zone(row("1"), key="R"), "name": "Box"}))

    assert list(plan.labels()) == ["L, row A, seat 1", "R, row A, seat 1"]


def test_flags_belong_to_the_seat_with_that_number() -> None:
    plan = parse(HALL)

    flagged = {seat_no: set(plan.describe(seat_no).flags) for seat_no in range(plan.seats) if plan.flags_of[seat_no]}

    assert flagged == {3: {"wheelchair"}, 4: {"companion"}, 11: set()}


def test_zones_are_runs_of_numbers() -> None:
    plan = parse(HALL)

    ranges = {zone.key: (zone.start, zone.end, zone.kind) for zone in plan.zones}

    assert ranges == {
        "N12": (0, 8, "seats"),
        "T4": (8, 11, "table"),
        "T5": (11, 12, "table"),
        "PIT": (12, 16, "standing"),
    }
    assert plan.zone("PIT") == plan.zones[3]
    assert plan.zone("pit") is None


@pytest.mark.parametrize("seat_no", [-1, 16])
def test_a_number_outside_the_plan_is_not_described(seat_no: int) -> None:
    plan = parse(HALL)

    with pytest.raises(IndexError):
        plan.describe(seat_no)


@given(documents())
def test_every_place_of_any_plan_has_one_label_of_its_own(drawn: Document) -> None:
    plan = parse(drawn)

    labels = list(plan.labels())

    assert len(set(labels)) == len(labels) == plan.seats
    assert labels == [plan.label(seat_no) for seat_no in range(plan.seats)]


@given(documents())
def test_zones_rows_and_strips_of_any_plan_cover_every_place_once(drawn: Document) -> None:
    plan = parse(drawn)

    strips = [(strip.start, strip.end) for strip in plan.layout.strips]

    assert [zone.start for zone in plan.zones] == [0, *(zone.end for zone in plan.zones[:-1])]
    assert plan.zones[-1].end == plan.seats == strips[-1][1]
    assert all(one[1] == next_one[0] for one, next_one in pairwise(strips))
    for seat_no in range(plan.seats):
        at = plan.row_of(seat_no)
        assert (at is None) == (plan.zone_of(seat_no).kind == "standing")
        assert at is None or at.start <= seat_no < at.end


def test_an_aisle_parts_a_row_into_stretches() -> None:
    plan = parse(document(zone(row("1..6", xy=[0, 0, 10, 0, 10, 0, 40, 0, 10, 0, 10, 0]))))

    stretches = sorted((stretch.start, stretch.end) for stretch in plan.layout.stretches)

    assert stretches == [(0, 3), (3, 6)]
