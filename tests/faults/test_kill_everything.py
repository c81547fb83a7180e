"""kill -9 of everything in the middle of a sale: whatever a buyer was told before is still true afterwards."""

import asyncio

from tests.faults.conftest import again
from tests.support import invariants
from tests.support.crowd import ENDS, Crowd, at_rest, database_url
from tests.support.platform import Platform
from tests.support.processes import kill, supervisor_of, tree
from tests.support.waiting import eventually

BUYERS = 100
TOLD_BEFORE = 40


async def test_what_was_acknowledged_survives_the_death_of_every_process(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=10, seats=10)
    crowd = await Crowd.gather(platform, slug, event, range(BUYERS))
    buying = asyncio.create_task(crowd.buy())
    await eventually(lambda: len(crowd.acknowledged) >= TOLD_BEFORE, within=30)

    await kill(tree(supervisor_of(platform.data)))
    await buying
    told = {buyer.key: buyer.booking for buyer in crowd.acknowledged}
    await again(platform)
    missing = await invariants.unknown(database_url(platform), slug, [str(id) for id in told.values()])
    repeated = {buyer.key: await crowd.book(buyer) for buyer in crowd.acknowledged}
    await crowd.buy()
    await at_rest(platform, slug)

    assert TOLD_BEFORE <= len(told) < BUYERS
    assert missing == []
    assert {key: reply.json.get("id") for key, reply in repeated.items()} == told
    assert {reply.headers.get("Idempotency-Replayed") for reply in repeated.values()} == {"true"}
    ended = await crowd.statuses()
    assert {booking: status for booking, status in ended.items() if status not in ENDS} == {}
