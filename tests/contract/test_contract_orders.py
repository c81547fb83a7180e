"""An organizer's list of an event's bookings."""

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import World
from tests.support.platform import Reply

ORDER = {
    "id", "reference", "status", "contact", "seats", "total_minor", "currency", "created_at", "payment", "refund",
}  # fmt: skip


@pytest.fixture(scope="module")
async def event(world: World) -> str:
    """An event with three orders, of seats 0, 1 and 2; the card of the last was declined."""
    slug, platform = world.acme.slug, world.platform
    event = await platform.event(slug)
    for seat, (name, method) in enumerate(
        (("Bea Buyer", "pm_card_visa"), ("Carl 100%", "pm_card_visa"), ("Dora", "pm_card_chargeDeclined"))
    ):
        guest = await platform.guest(slug)
        held = await platform.hold(slug, event, [seat], guest=guest)
        body = {"hold_token": held.json["token"], "payment_method": method,
                "contact": {"email": f"Buyer{seat}@shop.example", "name": name}}  # fmt: skip
        made = await platform.ask("POST", "/api/bookings", slug=slug, json=body, guest=guest, key=uuid4().hex)
        await platform.until(slug, made.json["id"], "CONFIRMED", "FAILED", guest=guest)
    return event


async def orders(world: World, event: str, query: str = "", role: str = "organizer") -> Reply:
    path = f"/api/events/{event}/bookings{query}"
    return await world.platform.ask("GET", path, slug=world.acme.slug, headers=world.acme.who[role])


def names(reply: Reply) -> list[Any]:
    return [each["contact"]["name"] for each in reply.json["items"]]


async def test_orders_are_listed_newest_first_with_every_field(world: World, event: str) -> None:
    listed = await orders(world, event)

    assert names(listed) == ["Dora", "Carl 100%", "Bea Buyer"]
    assert listed.json["next_cursor"] is None
    assert listed.headers["Cache-Control"] == "no-store"
    assert {frozenset(each) for each in listed.json["items"]} == {frozenset(ORDER)}
    first = listed.json["items"][-1]
    assert first["contact"] == {"email": "Buyer0@shop.example", "name": "Bea Buyer"}
    assert (first["status"], first["payment"]["status"], first["refund"]) == ("CONFIRMED", "captured", None)
    assert [seat["seat_no"] for seat in first["seats"]] == [0]


async def test_orders_are_found_by_reference_buyer_status_and_seat(world: World, event: str) -> None:
    reference = (await orders(world, event)).json["items"][0]["reference"]

    assert names(await orders(world, event, f"?q={reference.lower()}")) == ["Dora"]
    assert names(await orders(world, event, "?q=BUYER1@shop")) == ["Carl 100%"]
    assert names(await orders(world, event, "?q=100%25")) == ["Carl 100%"]
    assert names(await orders(world, event, "?q=_")) == []
    assert names(await orders(world, event, "?status=FAILED")) == ["Dora"]
    assert names(await orders(world, event, "?seat=0")) == ["Bea Buyer"]
    assert wrong_paths(await orders(world, event, "?status=LOST")) == ["status"]


async def test_pages_of_one_hold_every_order_once(world: World, event: str) -> None:
    found, cursor = [], ""
    while cursor is not None:
        page = await orders(world, event, f"?limit=1{cursor}")
        found += names(page)
        cursor = f"&cursor={page.json['next_cursor']}" if page.json["next_cursor"] else None  # type: ignore[assignment]

    assert found == ["Dora", "Carl 100%", "Bea Buyer"]


async def test_an_event_that_is_nobody_s_has_no_orders(world: World, event: str) -> None:
    assert problem(await orders(world, str(uuid4()))) == (404, "event_not_found")
    assert problem(await orders(world, event, role="customer")) == (403, "forbidden")
