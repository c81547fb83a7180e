"""Servers that stop answering without a word cost a bounded wait, and everything goes on when they are back."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest
import uvloop
from redis.asyncio import Redis

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import bootstrap
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.valkey import Breaker, Lost, connect
from boxoffice.kernel.wake import OUTBOX, Wake
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

DEADLINE = 4.0
POOL = 3
LONG = 60.0  # nothing here may take so long; without a deadline it would take for ever


@pytest.fixture
async def before_postgres(logins: Logins) -> AsyncIterator[Proxy]:
    async with Proxy(logins.web) as proxy:
        yield proxy


@pytest.fixture
async def distant(before_postgres: Proxy) -> AsyncIterator[Database]:
    opened = await Database.connect(
        before_postgres.url, platform_role=Roles("suite").platform, pool_size=2 * POOL, reserve_size=1,
        deadline_seconds=DEADLINE,
    )  # fmt: skip
    yield opened
    await opened.close()


async def one(distant: Database, tenant: Tenant) -> int:
    async with distant.transaction(tenant) as tx:
        return int(await tx.db.fetchval("SELECT 1"))


async def outcome(distant: Database, tenant: Tenant) -> str:
    try:
        async with asyncio.timeout(LONG):
            await one(distant, tenant)
    except Unavailable as refusal:
        return refusal.code
    return "works"


async def open_several(distant: Database, tenant: Tenant) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(POOL):
            await stack.enter_async_context(distant.transaction(tenant))


async def test_a_database_that_swallows_everything_is_unavailable_until_it_answers_again(
    distant: Database, before_postgres: Proxy, tenant: Tenant
) -> None:
    await open_several(distant, tenant)
    async with before_postgres.turned("blackhole"):
        during = [await outcome(distant, tenant) for _ in range(3)]

    assert await eventually(lambda: one(distant, tenant)) == 1
    assert set(during) <= {"unavailable", "overloaded"}


async def test_a_transaction_that_hangs_in_its_middle_ends_too(
    distant: Database, before_postgres: Proxy, tenant: Tenant
) -> None:
    async def hang() -> None:
        async with asyncio.timeout(LONG), distant.transaction(tenant) as tx:
            await before_postgres.turn("blackhole")
            await tx.db.fetchval("SELECT 1")

    with pytest.raises(Unavailable, match="unavailable"):
        await hang()
    await before_postgres.turn("pass")

    assert await eventually(lambda: one(distant, tenant)) == 1


async def test_a_database_that_forgot_its_connections_costs_one_wait_and_not_one_for_each(
    distant: Database, before_postgres: Proxy, tenant: Tenant
) -> None:
    await open_several(distant, tenant)
    async with before_postgres.turned("half_open"):
        after = [await outcome(distant, tenant) for _ in range(POOL + 1)]

    assert after == ["unavailable", *["works"] * POOL]


async def test_a_valkey_that_swallows_everything_is_waited_for_once(servers: EmbeddedServers) -> None:
    async with Proxy(servers.valkey_url) as proxy, connect(proxy.url) as valkey:
        breaker, asked = Breaker(valkey), 0

        async def question() -> bool:
            nonlocal asked
            asked += 1
            return bool(await valkey.ping())

        async def answers() -> bool:
            try:
                return await breaker.ask(question)
            except Lost:
                return False

        well = await answers()
        async with proxy.turned("blackhole"):
            began = time.monotonic()
            lost = [await answers() for _ in range(50)]
            waited = time.monotonic() - began

        assert well
        assert not any(lost)
        assert asked == 2
        assert waited < LONG
        assert await eventually(answers)


def test_a_valkey_that_resets_its_connections_is_lost_and_not_a_fault(servers: EmbeddedServers) -> None:
    async def outcomes() -> list[str]:
        async with Proxy(servers.valkey_url) as proxy, connect(proxy.url) as valkey:
            breaker = Breaker(valkey)
            await breaker.ask(valkey.ping)
            async with proxy.turned("reset"):
                await asyncio.wait([asyncio.create_task(proxy.connect())])  # time for the reset to arrive
                return [await told(breaker, valkey), await told(breaker, valkey)]

    async def told(breaker: Breaker, valkey: Redis) -> str:
        try:
            await breaker.ask(valkey.ping)
        except Lost:
            return "lost"
        return "works"

    assert uvloop.run(outcomes()) == ["lost", "lost"]  # the loop that the platform runs on has errors of its own


async def test_a_listener_whose_valkey_forgot_it_listens_anew(servers: EmbeddedServers) -> None:
    async with Proxy(servers.valkey_url) as proxy, connect(proxy.url) as valkey, connect(servers.valkey_url) as direct:
        deaf, ringing = Wake(valkey, "anew", silence_seconds=0.5), Wake(direct, "anew")
        bell, stop = deaf.bell(OUTBOX), asyncio.Event()
        listening = asyncio.create_task(deaf.listen(stop))

        def rung() -> bool:
            ringing.ring_others(OUTBOX)
            return bell.is_set()

        await eventually(rung)
        async with proxy.turned("half_open"):
            bell.clear()
            assert await eventually(rung)

        stop.set()
        await listening


def test_what_is_done_once_does_not_wait_for_ever_for_a_server_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(psycopg.errors.ConnectionTimeout):
            bootstrap.connect(f"postgresql://nobody@127.0.0.1:{port}/boxoffice")
