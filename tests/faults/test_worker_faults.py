"""Workers that are halted or killed in the middle of their work: nothing is lost and nothing is done twice."""

import asyncio
import signal

from boxoffice.kernel import migrate
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.messaging import fresh_topic, noted_on, working
from tests.support.notes import notes, noting_child, tell, with_notes
from tests.support.noting_worker import Order, noting
from tests.support.tenancy import NewTenant
from tests.support.waiting import eventually

LEASE_SECONDS = 1.0


async def test_a_worker_halted_in_a_transaction_is_replaced_and_changes_nothing_when_it_goes_on(
    database: Database, directory: Directory, new_tenant: NewTenant, logins: migrate.Logins
) -> None:
    tenant, group, kind = await with_notes(new_tenant, logins), fresh_topic(), noted_on(fresh_topic())
    impatient = f"{logins.worker}&idle_in_transaction_session_timeout=1000"
    order = Order(impatient, Roles("suite").platform, group, LEASE_SECONDS, 0.8, kind.topic)
    async with noting_child(order) as process:
        assert process.stdout is not None
        ids = await tell(database, tenant, 20, kind)
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"noting\n"
        process.send_signal(signal.SIGSTOP)

        async with working(database, directory, noting(group, "successor", kind=kind), lease=LEASE_SECONDS) as bus:
            await eventually(lambda: _noted(database, tenant, 20), within=20)
            process.send_signal(signal.SIGCONT)
            more = await tell(database, tenant, 20, kind)
            await eventually(lambda: _noted(database, tenant, 40), within=20)
            await eventually(lambda: _no_lag(bus, group, kind.topic), within=20)

    found = await notes(database, tenant)
    assert sorted(id for id, _ in found) == sorted(ids + more)
    assert {worker for id, worker in found if id in ids} == {"successor"}


async def test_a_worker_killed_in_a_transaction_is_replaced(
    database: Database, directory: Directory, new_tenant: NewTenant, logins: migrate.Logins
) -> None:
    tenant, group, kind = await with_notes(new_tenant, logins), fresh_topic(), noted_on(fresh_topic())
    order = Order(logins.worker, Roles("suite").platform, group, LEASE_SECONDS, 30.0, kind.topic)
    async with noting_child(order) as process:
        assert process.stdout is not None
        ids = await tell(database, tenant, 20, kind)
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"noting\n"
        process.kill()

        async with working(database, directory, noting(group, "successor", kind=kind), lease=LEASE_SECONDS):
            await eventually(lambda: _noted(database, tenant, 20), within=20)

    assert sorted(id for id, _ in await notes(database, tenant)) == sorted(ids)


async def _noted(database: Database, tenant: Tenant, count: int) -> bool:
    return len(await notes(database, tenant)) >= count


async def _no_lag(bus: Bus, group: str, topic: str) -> bool:
    return sum((await bus.lag(group, [topic])).values()) == 0
