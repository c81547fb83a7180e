"""The worker is killed while it has bookings in hand: the supervisor starts another, and every booking ends."""

import asyncio

import asyncpg

from tests.support.crowd import ENDS, Crowd, at_rest, database_url
from tests.support.locks import nobody_writes_payments, waiting_for_locks
from tests.support.platform import Platform
from tests.support.processes import kill, pid_of
from tests.support.waiting import eventually

BUYERS = 60
KILLS_AT = (10, 30)


async def test_bookings_end_although_their_worker_is_killed_again_and_again(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=6, seats=10)
    crowd = await Crowd.gather(platform, slug, event, range(BUYERS))
    buying = asyncio.create_task(crowd.buy())
    killed: list[int] = []

    for told in KILLS_AT:
        await eventually(lambda: len(crowd.acknowledged) >= told, within=30)  # noqa: B023
        worker = await eventually(lambda: pid_of(platform.data, platform.worker_of("bookings")))
        assert worker is not None
        killed.append(worker)
        await kill([worker])
    await buying
    await at_rest(platform, slug)

    assert len(set(killed)) == len(KILLS_AT)
    ended = await crowd.statuses()
    assert len(ended) == BUYERS
    assert set(ended.values()) <= set(ENDS)


async def test_what_a_killed_worker_waited_for_is_given_up_at_once(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    crowd = await Crowd.gather(platform, slug, event, [0], ["pm_card_visa"])
    worker = await eventually(lambda: pid_of(platform.data, platform.worker_of("payments")))
    assert worker is not None
    watching = await asyncpg.connect(database_url(platform))

    async with nobody_writes_payments(platform, slug):
        await crowd.buy()
        orphans = await eventually(lambda: waiting_for_locks(watching, "worker"))
        await kill([worker])

        async def given_up() -> bool:
            return orphans.isdisjoint(await waiting_for_locks(watching, "worker"))

        await eventually(given_up, within=5)
    await watching.close()
    await at_rest(platform, slug)

    assert list((await crowd.statuses()).values()) == ["CONFIRMED"]
