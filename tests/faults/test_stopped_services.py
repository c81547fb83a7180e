"""A service of the distributed form is stopped, and started again later; nobody else is touched."""

from collections.abc import AsyncIterator

import pytest

from boxoffice.remote.breaker import LEAST_CALLS
from tests.support.by_hand import ByHand, services_by_hand
from tests.support.crowd import Crowd, at_rest
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove

PAGE = {"Accept": "text/html"}
OPEN, CLOSED = 'breakers_open{service="events"} 1.0', 'breakers_open{service="events"} 0.0'
PAID = ("pm_card_visa",)


@pytest.fixture(scope="module")
async def platform() -> AsyncIterator[ByHand]:
    async with services_by_hand() as running:
        yield running


async def test_while_events_is_stopped_callers_are_told_at_once_and_after_its_restart_all_is_well(
    platform: ByHand,
) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)

    async with platform.without("events"):
        refusals = [await platform.ask("GET", "/api/events", slug=slug) for _ in range(LEAST_CALLS + 1)]
        page = await platform.ask("GET", "/", slug=slug, headers=PAGE)
        booked = await platform.book(slug, held.json["token"], guest=guest)
        told = await platform.metrics_of_the_gateway()

    assert {(each.status, each.code) for each in refusals} == {(503, "unavailable")}
    assert {each.headers["Content-Type"] for each in refusals} == {"application/problem+json"}
    assert refusals[0].headers["Retry-After"] == "1"
    assert int(refusals[-1].headers["Retry-After"]) > 1  # the breaker's word: nobody was asked any more
    assert OPEN in told
    assert page.status == 503
    assert page.headers["Retry-After"]
    assert "Back in a moment" in page.body.decode()
    assert booked.status == 202  # who has chosen can buy without it
    await eventually(lambda: on_sale(platform, slug), within=20)
    await eventually(lambda: is_closed(platform, slug), within=20)
    assert (await platform.ask("GET", "/", slug=slug, headers=PAGE)).status == 200
    assert await platform.event(slug) != event
    await at_rest(platform, slug)


async def test_while_payments_is_stopped_bookings_wait_and_say_so_and_after_its_restart_all_are_finished(
    platform: ByHand,
) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug)

    async with platform.without("payments"):
        crowd = await Crowd.gather(platform, slug, event, range(8), PAID)
        await crowd.buy()
        statuses = await crowd.statuses()
        first = crowd.buyers[0]
        cookie = {"Cookie": f"__Host-guest={first.guest}"}
        page = await platform.ask("GET", f"/orders/{first.booking}", slug=slug, headers=PAGE | cookie)

    assert crowd.refusals == []
    assert set(statuses.values()) == {"PENDING_PAYMENT"}
    assert page.status == 200
    assert "Payment under way" in page.body.decode()
    for buyer in crowd.buyers:
        await platform.until(slug, str(buyer.booking), "CONFIRMED", guest=buyer.guest, within=30)
    await at_rest(platform, slug)


async def test_bookings_whose_time_runs_out_while_payments_is_stopped_expire_and_give_their_seats_back(
    platform: ByHand,
) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug)
    await shorten_holds(platform, slug)

    async with platform.without("payments"):
        crowd = await Crowd.gather(platform, slug, event, range(4), PAID)
        await crowd.buy()
        await eventually(lambda: nobody_waits(crowd), within=20)

    for buyer in crowd.buyers:
        await platform.until(slug, str(buyer.booking), "EXPIRED", guest=buyer.guest, within=30)
    await at_rest(platform, slug)
    again = await platform.hold(slug, event, list(range(4)))
    assert again.status == 201


async def on_sale(platform: ByHand, slug: str) -> bool:
    return (await platform.ask("GET", "/api/events", slug=slug)).status == 200


async def is_closed(platform: ByHand, slug: str) -> bool:
    """Ask once more: it is calls that prove a service to be well."""
    await platform.ask("GET", "/api/events", slug=slug)
    return CLOSED in await platform.metrics_of_the_gateway()


async def nobody_waits(crowd: Crowd) -> bool:
    return "PENDING_PAYMENT" not in (await crowd.statuses()).values()


async def shorten_holds(platform: ByHand, slug: str) -> None:
    token = await platform.operator()
    listed = await platform.ask("GET", "/api/tenants", token=token)
    mine = next(each["id"] for each in listed.json["items"] if each["slug"] == slug)
    changed = await platform.ask("PATCH", f"/api/tenants/{mine}", json={"settings": {"hold_seconds": 2}}, token=token)
    assert changed.status == 200, changed
