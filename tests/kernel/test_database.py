"""The one door to data: what commits together, what a failure undoes, and that no role outlives its transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from boxoffice.kernel import inbox, retries, timers
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due, Timer
from tests.support.messaging import Noted
from tests.support.tenancy import NewTenant
from tests.support.waiting import eventually

PLATFORM_ROLE = Roles("suite").platform


async def outbox_of(database: Database, tenant: Tenant) -> int:
    async with database.platform() as tx:
        return int(await tx.db.fetchval("SELECT count(*) FROM platform.outbox WHERE tenant_id = $1", tenant.id))


async def test_messages_and_timers_commit_with_the_transaction_or_not_at_all(
    web_database: Database, tenant: Tenant
) -> None:
    async def change_my_mind() -> None:
        async with web_database.transaction(tenant) as tx:
            tx.publish(Noted(about=uuid4(), text="undone"))
            await tx.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        await change_my_mind()
    undone = await outbox_of(web_database, tenant)

    async with web_database.transaction(tenant) as tx:
        tx.publish(Noted(about=uuid4(), text="done"))

    assert (undone, await outbox_of(web_database, tenant)) == (0, 1)


async def test_what_comes_after_the_commit_is_done_only_then_and_may_fail(
    web_database: Database, tenant: Tenant
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("a comfort that did not work")

    async def fail_before_the_commit() -> None:
        async with web_database.transaction(tenant) as tx:
            tx.after_commit(lambda: done.append("never"))
            raise RuntimeError

    async with web_database.transaction(tenant) as tx:
        tx.after_commit(fail)
        tx.after_commit(lambda: done.append("after"))
        done.append("inside")
    with pytest.raises(RuntimeError):
        await fail_before_the_commit()

    assert done == ["inside", "after"]


async def test_a_transaction_whose_failure_was_swallowed_does_not_pretend_to_have_committed(
    web_database: Database, tenant: Tenant
) -> None:
    async def swallow() -> None:
        async with web_database.transaction(tenant) as tx:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await tx.db.fetchval("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="had failed before its commit"):
        await swallow()


async def test_neither_role_nor_tenant_nor_path_outlive_the_transaction(logins: Logins, tenant: Tenant) -> None:
    single = await Database.connect(logins.web, platform_role=PLATFORM_ROLE, pool_size=1, reserve_size=1)
    facts = "SELECT current_user::text, current_setting('app.tenant', true), current_setting('search_path')"
    try:
        async with single.transaction(tenant, reserve=True) as tx:
            inside = tuple(await tx.db.fetchrow(facts))
        async with single.system() as db:
            outside = tuple(await db.fetchrow(facts))
    finally:
        await single.close()

    assert inside == (tenant.role, str(tenant.id), f"{tenant.schema}, platform, pg_temp")
    assert outside == ("suite__web", "", '"$user", public')


async def test_a_tenant_sees_only_its_own_rows_of_the_platforms_tables(
    web_database: Database, new_tenant: NewTenant
) -> None:
    one, other = await new_tenant(), await new_tenant()
    async with web_database.transaction(one) as tx:
        tx.later(Timer(id=uuid4(), kind="test.walls", at=tx.now + timedelta(hours=1)))

    async with web_database.transaction(other) as tx:
        seen = await tx.db.fetchval("SELECT count(*) FROM platform.timers")
        changed = await tx.db.execute("UPDATE platform.timers SET fire_at = now()")

    assert (seen, changed) == (0, "UPDATE 0")


async def test_when_every_connection_is_taken_the_caller_is_told_to_come_back(logins: Logins, tenant: Tenant) -> None:
    single = await Database.connect(logins.web, platform_role=PLATFORM_ROLE, pool_size=1, reserve_size=1)
    try:
        async with single.transaction(tenant):
            with pytest.raises(Unavailable) as refused:
                async with single.transaction(tenant):
                    pass
            async with single.transaction(tenant, reserve=True) as spared:
                assert await spared.db.fetchval("SELECT true")
    finally:
        await single.close()

    assert refused.value.code == "overloaded"


async def test_a_cancelled_transaction_is_undone_and_its_connection_goes_on(logins: Logins, tenant: Tenant) -> None:
    single = await Database.connect(logins.web, platform_role=PLATFORM_ROLE, pool_size=1, reserve_size=1)
    begun = asyncio.Event()

    async def work() -> None:
        async with single.transaction(tenant) as tx:
            tx.later(Timer(id=uuid4(), kind="test.cancelled", at=tx.now + timedelta(hours=1)))
            await tx.flush()
            begun.set()
            await tx.db.fetchval("SELECT pg_sleep(60)")

    try:
        working = asyncio.create_task(work())
        await begun.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        async with single.transaction(tenant) as tx:
            left = await tx.db.fetchval("SELECT count(*) FROM platform.timers WHERE kind = 'test.cancelled'")
    finally:
        await single.close()

    assert left == 0


async def test_the_pool_heals_when_the_server_ends_its_connections(
    logins: Logins, database: Database, tenant: Tenant
) -> None:
    single = await Database.connect(logins.worker, platform_role=PLATFORM_ROLE, pool_size=1, reserve_size=1)

    async def answers() -> bool:
        async with single.transaction(tenant) as tx:
            return bool(await tx.db.fetchval("SELECT true"))

    async def lose_the_connection() -> None:
        async with single.transaction(tenant) as tx:
            pid = await tx.db.fetchval("SELECT pg_backend_pid()")
            async with database.system() as db:
                await db.execute("SELECT pg_terminate_backend($1)", pid)
            await tx.db.fetchval("SELECT true")

    try:
        with pytest.raises(Unavailable) as refused:
            await lose_the_connection()

        assert refused.value.code == "unavailable"
        assert await eventually(answers)
    finally:
        await single.close()


def _envelope(tenant: Tenant) -> Envelope:
    return Envelope(
        id=uuid7(), type="Noted", topic="test.hot", tenant_id=tenant.id, key="k", time=Tx(None, tenant).now,
        headers={"subject": str(uuid7())}, value=b"{}",
    )  # fmt: skip


async def _publish(tx: Tx) -> None:
    tx.publish(Noted(about=uuid4(), text="hot"))


async def _arm(tx: Tx) -> None:
    tx.later(Timer(id=uuid4(), kind="test.hot", at=tx.now + timedelta(hours=1)))


async def _forget(tx: Tx) -> None:
    tx.forget(uuid4(), "test.hot")


async def _done(tx: Tx) -> None:
    due = Due(id=uuid4(), kind="test.hot", seq=1, attempts=1, tenant_id=tx.tenant.id)
    assert await timers.current(tx.db, [due]) == []
    assert not await timers.done(tx, due)


async def _admit(tx: Tx) -> None:
    fresh, blocked = await inbox.admit(tx.db, "hot", tx.tenant.id, [_envelope(tx.tenant)])
    assert (len(fresh), len(blocked)) == (1, 0)


async def _admit_one(tx: Tx) -> None:
    assert await inbox.admit_one(tx.db, "hot", tx.tenant.id, uuid7())


async def _park(tx: Tx) -> None:
    await retries.park(tx.db, "hot", [_envelope(tx.tenant)], attempts=1, pause=timedelta(hours=1))


ARRAYS = ("uuid", "text", "int2", "int4", "int8", "bool", "bytea", "timestamptz", "jsonb", "json", "interval", "date")


async def _arrays(tx: Tx) -> None:
    for kind in ARRAYS:
        assert await tx.db.fetchval(f"SELECT $1::{kind}[]", []) == []


@pytest.mark.parametrize("statement", [_publish, _arm, _forget, _done, _admit, _admit_one, _park, _arrays])
async def test_every_hot_statement_works_on_a_fresh_connection_as_a_tenant(
    logins: Logins, tenant: Tenant, statement: Callable[[Tx], Awaitable[Any]]
) -> None:
    for login in (logins.web, logins.worker):
        fresh = await Database.connect(login, platform_role=PLATFORM_ROLE, pool_size=1, reserve_size=1)
        try:
            async with fresh.transaction(tenant) as tx:
                await statement(tx)
        finally:
            await fresh.close()
