"""Ctrl-C under load: what is being asked is answered, nothing keeps running, and the next start goes on from there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import asyncpg

from boxoffice.embedded.processes import command_line
from tests.faults.conftest import again
from tests.support import invariants
from tests.support.crowd import ENDS, Crowd, at_rest, database_url
from tests.support.locks import waiting_for_locks
from tests.support.platform import Platform
from tests.support.processes import supervisor_of, tree
from tests.support.waiting import eventually

IN_HAND = 8


async def test_an_interrupt_answers_what_was_asked_and_leaves_no_process(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=6, seats=10)
    unpaid = await Crowd.gather(platform, slug, event, range(IN_HAND), ["pm_sim_never"])
    await unpaid.buy()
    others = await Crowd.gather(platform, slug, event, range(IN_HAND, 60))
    supervisor = supervisor_of(platform.data)
    everything = tree(supervisor)

    async with sagas_locked(platform, slug) as cancelling_waits:
        cancelling = [
            asyncio.create_task(
                platform.ask(
                    "POST", f"/api/bookings/{buyer.booking}/cancellation", slug=slug, guest=buyer.guest, key=buyer.key
                )
            )
            for buyer in unpaid.buyers
        ]
        await eventually(cancelling_waits)
        buying = asyncio.create_task(others.buy())
        await eventually(lambda: len(others.acknowledged) >= 1)
        os.kill(supervisor, signal.SIGINT)
        await eventually(lambda: nobody_answers(platform))
    answers = await asyncio.gather(*cancelling)
    await buying
    await eventually(lambda: [pid for pid in everything if command_line(pid) is not None] == [], within=40)
    said = platform.output.read_text()
    told = [str(buyer.booking) for buyer in others.acknowledged]
    await again(platform)
    missing = await invariants.unknown(database_url(platform), slug, told)
    await at_rest(platform, slug)

    assert [answer.status for answer in answers] == [202] * IN_HAND
    assert len(everything) > 4
    assert "did not end within" not in said
    assert missing == []
    assert set((await unpaid.statuses()).values()) == {"CANCELLED"}
    assert set((await others.statuses()).values()) <= set(ENDS)


@asynccontextmanager
async def sagas_locked(platform: Platform, slug: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Hold the sagas there are, and give the question whether as many requests as there are of them wait for it."""
    url = database_url(platform)
    locking, watching = await asyncpg.connect(url), await asyncpg.connect(url)

    async def all_wait() -> bool:
        return len(await waiting_for_locks(watching, platform.login_of("bookings"))) == IN_HAND

    try:
        async with locking.transaction():
            await locking.execute(f'SELECT id FROM "tenant_{slug}".saga_state FOR UPDATE')
            yield all_wait
    finally:
        await locking.close()
        await watching.close()


async def nobody_answers(platform: Platform) -> bool:
    try:
        await asyncio.wait_for(platform.ask("GET", "/"), 1)
    except (aiohttp.ClientError, TimeoutError):
        return True
    return False
