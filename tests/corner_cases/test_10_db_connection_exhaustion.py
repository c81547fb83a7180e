"""Corner case 10: every database connection is taken."""

import asyncio

import asyncpg

from tests.support.crowd import database_url
from tests.support.locks import waiting_for_locks
from tests.support.platform import Platform
from tests.support.waiting import eventually

PROCESSES, POOL, RESERVE = 2, 20, 4
REQUESTS = 120
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'boxoffice__' || $1"


async def test_who_gets_no_connection_is_told_to_come_back_and_the_others_are_served_in_the_end(
    platform: Platform, slug: str, db: asyncpg.Connection
) -> None:
    guest, login = await platform.guest(slug), platform.login_of("bookings")
    other = await platform.tenant()
    event, buyer = await platform.event(other), await platform.guest(other)
    held = await platform.hold(other, event, [0], guest=buyer)
    slow = await platform.book(other, held.json["token"], guest=buyer, method="pm_sim_slow")
    watching = await asyncpg.connect(database_url(platform))

    async def confirmed_by_the_worker() -> bool:
        """It has connections of its own."""
        status = f'SELECT status FROM "tenant_{other}".bookings WHERE id = $1::uuid'
        return bool(await watching.fetchval(status, slow.json["id"]) == "CONFIRMED")

    async with db.transaction():
        await db.execute(f'LOCK TABLE "tenant_{slug}".bookings IN ACCESS EXCLUSIVE MODE')
        asked = [
            asyncio.create_task(platform.ask("GET", "/api/bookings", slug=slug, guest=guest)) for _ in range(REQUESTS)
        ]

        async def some_are_refused() -> bool:
            return any(task.done() for task in asked)

        await eventually(some_are_refused)
        waiting = len(await waiting_for_locks(watching, login))
        backends = await watching.fetchval(BACKENDS, login)
        await eventually(confirmed_by_the_worker)
    replies = await asyncio.gather(*asked)
    await watching.close()

    refused = [reply for reply in replies if reply.status != 200]
    assert {(reply.status, reply.code) for reply in refused} == {(503, "overloaded")}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
    assert len(refused) < REQUESTS
    assert waiting <= PROCESSES * POOL
    assert backends <= PROCESSES * (POOL + RESERVE)
    assert (await platform.ask("GET", "/api/bookings", slug=slug, guest=guest)).status == 200
