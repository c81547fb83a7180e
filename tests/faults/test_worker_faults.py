"""Workers that are halted, and a database that is killed under load: nothing is lost and nothing is done twice."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.messaging import Noted, fresh_topic, working
from tests.support.noting_worker import noting
from tests.support.servers import temporary_folder, temporary_servers
from tests.support.tenancy import NewTenant, tenant_factory
from tests.support.waiting import eventually

LEASE_SECONDS = 1.0


async def with_notes(new_tenant: NewTenant, logins: migrate.Logins) -> Tenant:
    """A tenant whose schema has the table `notes`."""
    tenant = await new_tenant()
    with psycopg.connect(logins.migrator) as db:
        db.execute(f'CREATE TABLE "{tenant.schema}".notes (message_id uuid NOT NULL, worker text NOT NULL)')
    return tenant


async def notes(database: Database, tenant: Tenant) -> list[tuple[UUID, str]]:
    async with database.transaction(tenant) as tx:
        return [(row["message_id"], row["worker"]) for row in await tx.db.fetch("SELECT message_id, worker FROM notes")]


async def tell(database: Database, tenant: Tenant, count: int) -> list[UUID]:
    ids = [uuid7() for _ in range(count)]
    async with database.transaction(tenant) as tx:
        for id in ids:
            tx.publish(Noted(about=uuid4(), text=""), id=id)
    return ids


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.noting_worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": "src:."},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write((" ".join(arguments) + "\n").encode())
    await process.stdin.drain()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_worker_halted_in_a_transaction_is_replaced_and_changes_nothing_when_it_goes_on(
    database: Database, directory: Directory, new_tenant: NewTenant, logins: migrate.Logins
) -> None:
    tenant, group = await with_notes(new_tenant, logins), fresh_topic()
    impatient = f"{logins.worker}&idle_in_transaction_session_timeout=1000"
    async with child(impatient, Roles("suite").platform, group, str(LEASE_SECONDS), "0.8") as process:
        assert process.stdout is not None
        ids = await tell(database, tenant, 20)
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"noting\n"
        process.send_signal(signal.SIGSTOP)

        async with working(database, directory, noting(group, "successor"), lease=LEASE_SECONDS) as bus:
            await eventually(lambda: _noted(database, tenant, 20), within=20)
            process.send_signal(signal.SIGCONT)
            more = await tell(database, tenant, 20)
            await eventually(lambda: _noted(database, tenant, 40), within=20)
            await eventually(lambda: _no_lag(bus, group), within=20)

    found = await notes(database, tenant)
    assert sorted(id for id, _ in found) == sorted(ids + more)
    assert {worker for id, worker in found if id in ids} == {"successor"}


async def test_a_worker_killed_in_a_transaction_is_replaced(
    database: Database, directory: Directory, new_tenant: NewTenant, logins: migrate.Logins
) -> None:
    tenant, group = await with_notes(new_tenant, logins), fresh_topic()
    async with child(logins.worker, Roles("suite").platform, group, str(LEASE_SECONDS), "30") as process:
        assert process.stdout is not None
        ids = await tell(database, tenant, 20)
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"noting\n"
        process.kill()

        async with working(database, directory, noting(group, "successor"), lease=LEASE_SECONDS):
            await eventually(lambda: _noted(database, tenant, 20), within=20)

    assert sorted(id for id, _ in await notes(database, tenant)) == sorted(ids)


async def _noted(database: Database, tenant: Tenant, count: int) -> bool:
    return len(await notes(database, tenant)) >= count


async def _no_lag(bus: Bus, group: str) -> bool:
    return sum((await bus.lag(group, [Noted.topic])).values()) == 0


@pytest.fixture
async def own_servers() -> AsyncIterator[EmbeddedServers]:
    """Servers that a test may kill."""
    async with temporary_servers() as running:
        yield running


async def test_a_postgresql_killed_under_load_loses_and_doubles_nothing(own_servers: EmbeddedServers) -> None:
    with temporary_folder() as folder:
        logins = migrate.bootstrap(own_servers.postgres.url("shaken"), folder / "secrets")
    migrate.upgrade(logins.migrator)
    database = await Database.connect(logins.worker, platform_role=Roles("shaken").platform)
    tenant = await with_notes(tenant_factory(database, logins), logins)
    acknowledged: list[UUID] = []
    ended = asyncio.Event()

    async def write() -> None:
        while not ended.is_set():
            try:
                acknowledged.extend(await tell(database, tenant, 3))
            except Unavailable:
                await asyncio.wait([asyncio.create_task(ended.wait())], timeout=0.05)

    async with working(database, Directory(database), noting("noting", "only"), lease=LEASE_SECONDS):
        writing = [asyncio.create_task(write()) for _ in range(4)]
        for _ in range(2):
            before = len(acknowledged)
            await eventually(lambda before=before: len(acknowledged) > before + 100, within=30)  # type: ignore[misc]
            await asyncio.to_thread(own_servers.postgres.kill)
            await asyncio.to_thread(own_servers.postgres.start)
        before = len(acknowledged)
        await eventually(lambda: len(acknowledged) > before + 100, within=30)
        ended.set()
        await asyncio.gather(*writing)
        await eventually(lambda: _all_noted(database, tenant, acknowledged), within=30)
        await eventually(lambda: _outbox_is_empty(database), within=30)

    found = [id for id, _ in await notes(database, tenant)]
    await database.close()
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)


async def _all_noted(database: Database, tenant: Tenant, ids: list[UUID]) -> bool:
    return set(ids) <= {id for id, _ in await notes(database, tenant)}


async def _outbox_is_empty(database: Database) -> bool:
    async with database.platform() as tx:
        return bool(await tx.db.fetchval("SELECT count(*) = 0 FROM platform.outbox"))
