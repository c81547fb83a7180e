"""Valkey dies during a sale: holds are no longer exclusive, claims still are."""

import asyncio
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from boxoffice.bookings.inventory.holds import HeldSeat, Hold, Holds
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.valkey import Lost
from tests.support.crowd import Crowd, at_rest
from tests.support.platform import Platform
from tests.support.processes import frozen, kill, supervisor_of
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

CONNECTIONS = 4
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


async def test_a_valkey_that_hangs_now_and_then_costs_no_connections() -> None:
    with temporary_folder() as folder:
        async with EmbeddedServers(folder / "data", with_postgres=False) as servers:
            valkey = Redis.from_url(
                servers.valkey_url, socket_timeout=0.1, retry=Retry(NoBackoff(), 1), max_connections=CONNECTIONS
            )
            pid = servers.valkey.pid
            assert pid is not None

            for _ in range(CONNECTIONS + 1):
                await eventually(lambda: answers(Holds(valkey)), within=3)
                with frozen(pid):
                    assert not await answers(Holds(valkey))

            await eventually(lambda: answers(Holds(valkey)), within=3)
            await valkey.aclose()


def a_hold() -> Hold:
    now = datetime.now(UTC)
    return Hold(
        id=uuid7(), revision=1, tenant_id=uuid7(), owner="guest:1", event_id=uuid7(), seats=(HeldSeat(0, 100),),
        currency="EUR", first_at=now, expires_at=now + timedelta(seconds=60),
    )  # fmt: skip


async def answers(holds: Holds) -> bool:
    try:
        refused = await holds.put([(a_hold(), 0, [])])
    except Lost:
        return False
    return refused == [[]]
