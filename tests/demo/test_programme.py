"""The demo programme shows every state an event can be in."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from boxoffice.demo.people import OPERATOR, TENANTS
from boxoffice.demo.programme import DemoEvent, catalogue
from boxoffice.demo.venues import plan_document
from boxoffice.seating.categories import match_categories
from boxoffice.seating.parse import parse

TODAY = date(2031, 3, 20)  # ten days before Berlin and London put their clocks forward
NOON = datetime.combine(TODAY, time(12), UTC)


def kinds(event: DemoEvent) -> set[str]:
    found = {
        "almost_sold_out": event.sold_share > 0.95,
        "not_yet": event.opens_at > NOON,
        "cancelled": event.cancelled,
        "free": not any(category.price_minor for category in event.categories),
    }
    return {kind for kind, holds in found.items() if holds} or {"normal"}


@pytest.mark.parametrize(
    ("slug", "shown"),
    [
        ("acme", {"normal", "almost_sold_out", "not_yet", "cancelled", "free"}),
        ("globex", {"normal", "almost_sold_out", "not_yet"}),
    ],
)
def test_a_programme_shows_every_kind_of_event(slug: str, shown: set[str]) -> None:
    events = catalogue(slug, TODAY)

    assert set().union(*(kinds(event) for event in events)) == shown
    assert len({event.key for event in events}) == len(events)


@pytest.mark.parametrize("slug", ["acme", "globex"])
def test_every_event_lies_ahead_with_its_sale_before_it(slug: str) -> None:
    for event in catalogue(slug, TODAY):
        assert NOON < event.doors_at < event.starts_at
        assert event.opens_at < event.closes_at <= event.starts_at


@pytest.mark.parametrize("slug", ["acme", "globex"])
def test_every_seat_of_an_event_has_a_price(slug: str) -> None:
    for event in catalogue(slug, TODAY):
        plan = match_categories(parse(plan_document(event.plan)), event.categories)

        assert set(plan.seat_categories()) == {category.key for category in event.categories}


def test_shows_begin_at_the_clock_of_their_city_on_both_sides_of_a_clock_change() -> None:
    events = {event.key: event for event in catalogue("acme", TODAY)}

    winter, summer = (events[key].starts_at.astimezone(ZoneInfo("Europe/Berlin")) for key in ("quartet", "tempest"))

    assert (winter.time(), summer.time()) == (time(20, 0), time(19, 30))
    assert winter.utcoffset() != summer.utcoffset()
    assert all(event.starts_at.utcoffset() == timedelta(0) for event in events.values())


def test_organizers_sell_in_the_currency_of_their_city() -> None:
    sold_in = {
        slug: {(event.currency, event.time_zone) for event in catalogue(slug, TODAY)} for slug in ("acme", "globex")
    }

    assert sold_in == {"acme": {("EUR", "Europe/Berlin")}, "globex": {("GBP", "Europe/London")}}


def test_the_demo_knows_the_people_of_the_readme() -> None:
    logins = {person.email: person.role for tenant in TENANTS for person in (tenant.admin, *tenant.people)}

    assert OPERATOR.email == "operator@platform.example"
    assert logins == {
        f"{name}@{slug}.example": role
        for slug in ("acme", "globex")
        for name, role in (("admin", "ADMIN"), ("organizer", "ORGANIZER"), ("buyer", "CUSTOMER"))
    }
