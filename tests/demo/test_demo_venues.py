"""The demo venues are real plans."""

import pytest

from boxoffice.demo.parties import parties
from boxoffice.demo.venues import PLANS, plan_document
from boxoffice.seating.choice import Shortage, best_available
from boxoffice.seating.parse import parse
from boxoffice.seating.plan import COMPANION, WHEELCHAIR


@pytest.mark.parametrize(("name", "seats"), [("theatre", 1_214), ("club", 832), ("arena", 20_000)])
def test_a_demo_venue_is_a_valid_plan(name: str, seats: int) -> None:
    plan = parse(plan_document(name))

    assert plan.seats == seats
    assert plan.hash == parse(PLANS[name]()).hash


@pytest.mark.parametrize("name", list(PLANS))
def test_every_place_lies_on_the_drawing(name: str) -> None:
    document = plan_document(name)
    plan = parse(document)

    width, height = document["size"]

    assert min(plan.layout.x) > 0
    assert max(plan.layout.x) < width
    assert min(plan.layout.y) > 0
    assert max(plan.layout.y) < height


@pytest.mark.parametrize("name", ["theatre", "arena"])
def test_no_two_seats_lie_on_each_other(name: str) -> None:
    plan = parse(plan_document(name))

    cells = {(x // 11, y // 11) for x, y in zip(plan.layout.x, plan.layout.y, strict=True)}

    assert len(cells) == plan.seats


@pytest.mark.parametrize("name", ["theatre", "arena"])
def test_wheelchair_places_have_a_companion_place_beside_them(name: str) -> None:
    plan = parse(plan_document(name))

    beside = [plan.flags_of[place - 1] | plan.flags_of[place + 1] for place in plan.wheelchair_places]

    assert len(beside) >= 4
    assert all(flags & COMPANION for flags in beside)


@pytest.mark.parametrize("name", list(PLANS))
def test_no_category_has_the_yellow_of_held_seats(name: str) -> None:
    colors = {category["color"].upper() for category in plan_document(name)["categories"]}

    assert colors.isdisjoint({"#F0E442", "#FACC15"})


def test_the_theatre_first_offers_the_middle_of_the_front_row() -> None:
    plan = parse(plan_document("theatre"))

    chosen = best_available(plan, bytes(plan.seats), 2)

    assert not isinstance(chosen, Shortage)
    assert [plan.label(seat_no) for seat_no in chosen] == ["Stalls, row A, seat 11", "Stalls, row A, seat 12"]


@pytest.mark.parametrize("name", list(PLANS))
@pytest.mark.parametrize("share", [0.0, 0.4, 0.97])
def test_parties_take_about_their_share_and_no_seat_twice(name: str, share: float) -> None:
    plan = parse(plan_document(name))

    sold = [seat_no for party in parties(plan, share, "seed") for seat_no in party.seats]

    assert len(sold) == len(set(sold))
    assert abs(len(sold) / plan.seats - share) < 0.06
    assert not any(plan.flags_of[seat_no] & WHEELCHAIR for seat_no in sold)


def test_parties_are_the_same_every_time_and_sit_together() -> None:
    plan = parse(plan_document("theatre"))

    bought = parties(plan, 0.5, "tempest")

    assert bought == parties(plan, 0.5, "tempest")
    assert all(party.seats == tuple(range(party.seats[0], party.seats[0] + len(party.seats))) for party in bought)
    assert len({party.email for party in bought}) == len(bought)
