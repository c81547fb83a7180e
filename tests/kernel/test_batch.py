"""Micro-batches: who waits shares, who fails fails alone, and nobody is forgotten."""

import asyncio
from collections.abc import Sequence

import pytest

from boxoffice.kernel import batch
from boxoffice.kernel.batch import Batcher
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Status, Tenant, TenantSettings


def some_tenant() -> Tenant:
    return Tenant(
        id=uuid7(), slug="acme", name="Acme", schema="tenant_acme", role="tenant_acme", status=Status.ACTIVE,
        plan="standard", spread=1, settings=TenantSettings(),
    )  # fmt: skip


class Counter:
    """Doubles numbers, batch by batch; the first batch waits until `gate` opens. Odd things happen to some numbers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def flush(self, _: Tenant, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if -1 in numbers:
            raise RuntimeError("this number breaks its batch")
        if -2 in numbers:
            raise asyncio.CancelledError
        if -3 in numbers:
            return []
        return [ValueError(n) if n == 0 else 2 * n for n in numbers]


async def ask(batcher: Batcher[int, int], tenant: Tenant, *numbers: int) -> list[asyncio.Task[int]]:
    """Calls that have all begun to wait, and what they may share has left."""
    tasks = [asyncio.create_task(batcher(tenant, n)) for n in numbers]
    await asyncio.wait(tasks, timeout=0)
    return tasks


async def test_calls_that_come_while_a_batch_runs_leave_together_when_it_returns() -> None:
    counter, tenant = Counter(), some_tenant()
    batcher = Batcher(counter.flush)
    first = await ask(batcher, tenant, 1)
    others = await ask(batcher, tenant, 2, 3, 4)

    counter.gate.set()

    assert await asyncio.gather(*first, *others) == [2, 4, 6, 8]
    assert counter.batches == [[1], [2, 3, 4]]


async def test_after_a_batch_of_several_the_next_one_grows_for_a_while() -> None:
    counter, tenant = Counter(), some_tenant()
    batcher = Batcher(counter.flush)
    crowd = await ask(batcher, tenant, 1, 2)
    await asyncio.wait(crowd, timeout=batch.GATHER_SECONDS_MOST)  # they take as long as that
    counter.gate.set()
    await asyncio.gather(*crowd)

    late = [*await ask(batcher, tenant, 3), *await ask(batcher, tenant, 4)]

    assert await asyncio.gather(*late) == [6, 8]
    assert counter.batches == [[1, 2], [3, 4]]


async def test_tenants_do_not_wait_for_each_other() -> None:
    counter = Counter()
    batcher = Batcher(counter.flush)

    tasks = [*await ask(batcher, some_tenant(), 1), *await ask(batcher, some_tenant(), 2)]

    assert counter.batches == [[1], [2]]
    counter.gate.set()
    await asyncio.gather(*tasks)


async def test_a_refused_call_is_refused_alone() -> None:
    counter, tenant = Counter(), some_tenant()
    counter.gate.set()

    outcomes = await asyncio.gather(*await ask(Batcher(counter.flush), tenant, 1, 0, 3), return_exceptions=True)

    assert [type(each) for each in outcomes] == [int, ValueError, int]


async def test_a_call_that_breaks_its_batch_fails_alone() -> None:
    counter, tenant = Counter(), some_tenant()
    counter.gate.set()

    outcomes = await asyncio.gather(*await ask(Batcher(counter.flush), tenant, 1, -1, 3), return_exceptions=True)

    assert [each if isinstance(each, int) else type(each) for each in outcomes] == [2, RuntimeError, 6]
    assert counter.batches == [[1, -1, 3], [1], [-1], [3]]


@pytest.mark.parametrize("odd", [-2, -3])
async def test_whatever_happens_to_a_batch_nobody_waits_for_ever(odd: int) -> None:
    counter, tenant = Counter(), some_tenant()
    batcher = Batcher(counter.flush)
    first = await ask(batcher, tenant, odd)
    others = await ask(batcher, tenant, 2, 3)
    counter.gate.set()

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*first, *others, return_exceptions=True)
        after = await batcher(tenant, 5)

    assert isinstance(outcomes[0], BaseException)
    assert after == 10


async def test_a_caller_who_leaves_takes_nothing_from_the_others() -> None:
    counter, tenant = Counter(), some_tenant()
    tasks = await ask(Batcher(counter.flush), tenant, 1, 2, 3)
    tasks[1].cancel()
    counter.gate.set()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert [each if isinstance(each, int) else type(each) for each in outcomes] == [2, asyncio.CancelledError, 6]


async def test_a_batch_has_a_size_and_a_queue_has_an_end() -> None:
    counter, tenant = Counter(), some_tenant()
    batcher = Batcher(counter.flush, most_at_once=100)
    first = await ask(batcher, tenant, 1)
    others = await ask(batcher, tenant, *range(1, batch.MOST_WAITING + 2))
    counter.gate.set()

    outcomes = await asyncio.gather(*first, *others, return_exceptions=True)

    assert isinstance(outcomes[-1], Unavailable)
    assert outcomes[-1].code == "overloaded"
    assert not any(isinstance(each, BaseException) for each in outcomes[:-1])
    assert max(len(each) for each in counter.batches) == 100
