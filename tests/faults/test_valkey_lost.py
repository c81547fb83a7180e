"""Valkey dies during a sale: holds are no longer exclusive, claims still are."""

import asyncio

from tests.support.crowd import Crowd, at_rest
from tests.support.platform import Platform
from tests.support.processes import frozen, kill, supervisor_of
from tests.support.waiting import eventually

SEATS = range(10)
FREE_SEAT = 15


async def test_without_valkey_sales_go_on_and_no_seat_is_sold_twice(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=2, seats=10)
    crowds = [await Crowd.gather(platform, slug, event, SEATS, ["pm_card_visa"]) for _ in range(2)]

    with frozen(supervisor_of(platform.data)):  # or Valkey would be back within half a second
        await kill([platform.server_pid("valkey")])
        await asyncio.gather(*(crowd.hold() for crowd in crowds))
        await asyncio.gather(*(crowd.buy() for crowd in crowds))
    buyers = [buyer for crowd in crowds for buyer in crowd.buyers]
    told = [buyer for crowd in crowds for buyer in crowd.acknowledged]

    async def exclusive_again() -> bool:
        held = await platform.hold(slug, event, [FREE_SEAT])
        return held.status == 201 and bool(held.json["exclusive"])

    await eventually(exclusive_again)
    another = await platform.hold(slug, event, [FREE_SEAT])
    await at_rest(platform, slug)

    assert {buyer.exclusive for buyer in buyers} == {False}
    assert sorted(buyer.seat for buyer in told) == list(SEATS)
    refusals = [refusal for crowd in crowds for refusal in crowd.refusals]
    assert {(refusal.status, refusal.code) for refusal in refusals} == {(409, "seat_unavailable")}
    assert {status for crowd in crowds for status in (await crowd.statuses()).values()} == {"CONFIRMED"}
    assert (another.status, another.code) == (409, "seat_unavailable")
