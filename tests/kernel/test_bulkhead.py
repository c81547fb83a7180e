"""One tenant's crowd leaves the others their connections, and waits in order and within bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from boxoffice.kernel.bulkhead import WAITING_MOST, Bulkhead
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Tenant
from tests.support.tenancy import NewTenant

POOL = 4
CROWD = 12


@pytest.fixture
async def small(logins: Logins) -> AsyncIterator[Database]:
    opened = await Database.connect(logins.web, platform_role=Roles("suite").platform, pool_size=POOL, reserve_size=1)
    yield opened
    await opened.close()


async def one(database: Database, tenant: Tenant, *, reserve: bool = False) -> int:
    async with database.transaction(tenant, reserve=reserve) as tx:
        return int(await tx.db.fetchval("SELECT 1"))


async def test_a_crowd_at_one_tenant_leaves_connections_to_the_others(small: Database, new_tenant: NewTenant) -> None:
    crowded, quiet = await new_tenant(), await new_tenant()
    async with AsyncExitStack() as held:
        for _ in range(POOL // 2):
            await held.enter_async_context(small.transaction(crowded))
        crowd = [asyncio.create_task(one(small, crowded)) for _ in range(CROWD)]

        served = [await one(small, quiet) for _ in range(3)]
        waiting = [buyer for buyer in crowd if not buyer.done()]
        refused = await asyncio.gather(*crowd, return_exceptions=True)

    assert served == [1, 1, 1]
    assert len(waiting) == CROWD
    assert {refusal.code for refusal in refused if isinstance(refusal, Unavailable)} == {"overloaded"}
    assert await one(small, crowded) == 1


async def test_what_is_kept_for_recovery_is_not_counted(small: Database, tenant: Tenant) -> None:
    async with AsyncExitStack() as held:
        for _ in range(POOL // 2):
            await held.enter_async_context(small.transaction(tenant))

        async with small.transaction(tenant, reserve=True) as tx:
            assert await tx.db.fetchval("SELECT 1") == 1


async def test_a_lock_on_what_is_one_tenant_s_leaves_some_of_the_reserve_to_the_others(
    logins: Logins, new_tenant: NewTenant
) -> None:
    stuck, other = await new_tenant(), await new_tenant()
    database = await Database.connect(logins.web, platform_role=Roles("suite").platform, pool_size=1, reserve_size=2)

    async with AsyncExitStack() as held:
        await held.enter_async_context(database.transaction(stuck, reserve=True))
        waiting = asyncio.create_task(held.enter_async_context(database.transaction(stuck, reserve=True)))
        served = [await one(database, other, reserve=True) for _ in range(3)]
        refused = await asyncio.gather(waiting, return_exceptions=True)
    await database.close()

    assert served == [1, 1, 1]
    assert isinstance(refused[0], Unavailable)


async def entered(bulkhead: Bulkhead, tenant: UUID) -> None:
    if not bulkhead.enter(tenant):
        await bulkhead.wait(tenant)


async def test_places_are_handed_on_in_the_order_of_asking() -> None:
    bulkhead, tenant, order = Bulkhead(1, 5), uuid4(), list[int]()

    async def visit(number: int) -> None:
        await entered(bulkhead, tenant)
        order.append(number)
        bulkhead.leave(tenant)

    bulkhead.enter(tenant)
    visits = [asyncio.create_task(visit(number)) for number in range(5)]
    await asyncio.wait(visits, timeout=0.01)
    before = list(order)
    bulkhead.leave(tenant)
    await asyncio.gather(*visits)

    assert (before, order) == ([], [0, 1, 2, 3, 4])
    assert bulkhead.enter(tenant)


@pytest.mark.parametrize("given_first", [False, True])
async def test_who_gives_up_takes_no_place_along(given_first: bool) -> None:
    bulkhead, tenant = Bulkhead(1, 5), uuid4()
    bulkhead.enter(tenant)
    leaver = asyncio.create_task(entered(bulkhead, tenant))
    await asyncio.wait([leaver], timeout=0.01)

    if given_first:  # the place and the end reach it together
        bulkhead.leave(tenant)
        leaver.cancel()
    else:
        leaver.cancel()
        await asyncio.wait([leaver])
        bulkhead.leave(tenant)
    await asyncio.gather(leaver, return_exceptions=True)

    assert leaver.cancelled()
    assert bulkhead.enter(tenant)
    assert not bulkhead.enter(tenant)


async def test_a_queue_that_is_too_long_refuses_at_once() -> None:
    bulkhead, tenant = Bulkhead(1, 5), uuid4()
    bulkhead.enter(tenant)
    waiting = [asyncio.create_task(entered(bulkhead, tenant)) for _ in range(WAITING_MOST)]
    await asyncio.wait(waiting, timeout=0.01)

    with pytest.raises(Unavailable, match="overloaded"):
        await entered(bulkhead, tenant)

    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
