"""Answers turned into what pages show."""

from typing import Any

import msgspec
import pytest

from boxoffice.pages.errors import error_view
from boxoffice.storefront import views
from boxoffice.storefront.answers import Booking, Event, Offers
from tests.storefront.shop import booking_answer, event_answer, offers_answer


def event_of(**changes: Any) -> Event:
    return msgspec.convert(event_answer(**changes), Event)


def offers_of(**changes: Any) -> Offers:
    return msgspec.convert(offers_answer(**changes), Offers)


@pytest.mark.parametrize(
    ("sale", "words"),
    [
        ("open", None),
        ("not_yet", "On sale Wed 25 Nov, 10:00"),
        ("sold_out", "Sold out"),
        ("closed", "Sale ended"),
        ("cancelled", "Cancelled"),
    ],
)
def test_a_badge_says_what_a_buyer_should_know_first(sale: str, words: str | None) -> None:
    badge = views.sale_badge(event_of(sale=sale))

    assert (badge.words if badge else None) == words


def test_a_nearly_empty_hall_is_announced() -> None:
    badge = views.sale_badge(event_of(), left_share=0.04)

    assert badge == views.Badge("few", "Few left")


def test_the_lowest_price_says_from_only_when_there_are_several() -> None:
    event = event_of()

    assert views.lowest_price(event.categories, "EUR") == "from €35.00"
    assert views.lowest_price(event.categories[:1], "EUR") == "€89.00"


def test_an_event_s_page_tells_prices_with_their_fees_and_what_is_left() -> None:
    view = views.event_view(event_of(), offers_of(), "http://acme.localhost")

    assert [(line.name, line.price, line.fee, line.left) for line in view.prices] == [
        ("Stalls", "€89.00", "incl. €3.00 fee", "40 left"),
        ("Circle", "€35.00", "", "sold out"),
    ]
    assert view.on_sale
    assert view.call_to_action == "Get tickets from €35.00"
    assert view.doors == "18:30"


def test_an_event_not_yet_on_sale_says_when_and_offers_no_button() -> None:
    view = views.event_view(event_of(sale="not_yet"), offers_of(sale="not_yet"), "")

    assert not view.on_sale
    assert view.sale_note == "Tickets go on sale Wednesday 25 November 2026, 10:00 (Berlin time)."


def test_structured_data_carries_the_very_prices_of_the_page() -> None:
    data = views.structured_data(event_of(), offers_of(), "http://acme.localhost")

    assert data["startDate"] == "2026-12-04T19:30:00+01:00"
    assert [offer["price"] for offer in data["offers"]] == ["89.00", "35.00"]
    assert data["eventStatus"] == "https://schema.org/EventScheduled"


def test_an_order_is_listed_with_its_state_in_words() -> None:
    booking = msgspec.convert(booking_answer(event_answer()["id"], status="FAILED"), Booking)

    line = views.order_line(booking, "Europe/Berlin")

    assert (line.badge.words, line.seats, line.total) == ("Payment failed", "1 ticket", "€89.00")


def test_an_order_with_a_seat_given_back_is_listed_with_those_that_are_left() -> None:
    answer = booking_answer(event_answer()["id"])
    answer["seats"] = [{**answer["seats"][0], "seat_no": number, "state": state}
                       for number, state in enumerate(["VALID", "REFUNDED", "REFUNDING"])]  # fmt: skip

    line = views.order_line(msgspec.convert(answer, Booking), "Europe/Berlin")

    assert line.seats == "1 ticket"


@pytest.mark.parametrize(
    ("status", "code", "title"),
    [
        (404, "tenant_not_found", "Nobody sells here"),
        (403, "tenant_suspended", "Sales are paused"),
        (503, "tenant_provisioning", "Almost ready"),
        (429, "rate_limited", "A little too fast"),
        (404, "not_found", "Nothing here"),
        (418, "unheard_of", "Something went wrong"),
    ],
)
def test_every_error_has_a_title_for_people(status: int, code: str, title: str) -> None:
    assert error_view(status, code).title == title
