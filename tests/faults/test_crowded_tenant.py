"""A crowd at one organizer whose requests all hang takes no connection away from the buyers of another."""

import asyncio

import asyncpg

from tests.support.crowd import database_url
from tests.support.locks import waiting_for_locks
from tests.support.platform import Platform
from tests.support.waiting import eventually

CROWD = 60  # three times as many as a process has connections
SHARE = 10


async def test_a_crowd_at_one_tenant_leaves_the_other_its_connections(platform: Platform) -> None:
    crowded, quiet = await platform.tenant(), await platform.tenant()
    one, other = await platform.guest(crowded), await platform.guest(quiet)
    locking, watching = [await asyncpg.connect(database_url(platform)) for _ in range(2)]

    async def all_hang() -> bool:
        return len(await waiting_for_locks(watching, "web")) == SHARE

    try:
        async with locking.transaction():
            await locking.execute(f'LOCK TABLE "tenant_{crowded}".bookings IN ACCESS EXCLUSIVE MODE')
            crowd = [
                asyncio.create_task(platform.ask("GET", "/api/bookings", slug=crowded, guest=one)) for _ in range(CROWD)
            ]
            await eventually(all_hang)
            served = [await platform.ask("GET", "/api/bookings", slug=quiet, guest=other) for _ in range(20)]
            hanging = await waiting_for_locks(watching, "web")
            refused = await asyncio.gather(*crowd)
    finally:
        await locking.close()
        await watching.close()
    after = await platform.ask("GET", "/api/bookings", slug=crowded, guest=one)

    assert {reply.status for reply in served} == {200}
    assert len(hanging) == SHARE
    assert {(reply.status, reply.code) for reply in refused} <= {(503, "overloaded"), (503, "unavailable")}
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in refused)
    assert after.status == 200
