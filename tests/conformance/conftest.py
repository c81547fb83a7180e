"""Buses of every kind for one list of cases. Each bus a test opens stands for one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from boxoffice.kafka.access import Access
from boxoffice.kernel import migrate
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from tests.support.brokers import LEASE_SECONDS, let_carry, open_bus
from tests.support.bus_process import Elsewhere, member_elsewhere
from tests.support.messaging import fresh_topic

ADAPTERS = [
    "pglog",
    pytest.param("kafka", marks=pytest.mark.prove),
    pytest.param("kafka-classic", marks=pytest.mark.prove),
]


class Machine:
    """A process with a bus of its own."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(bus.run(self._stop))

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.wait([self._running], timeout=2.0)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


NewBus = Callable[[], Bus]
OpenBus = Callable[[], Awaitable[Machine]]
OpenElsewhere = Callable[[str, Sequence[str]], AbstractAsyncContextManager[Elsewhere]]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def lease_seconds(adapter: str) -> float:
    """How long a group waits for a member that says nothing."""
    return LEASE_SECONDS[adapter]


@pytest.fixture
def access(request: pytest.FixtureRequest, adapter: str) -> Access | None:
    """How to reach Kafka, if this is about Kafka: nobody else waits for a broker."""
    return None if adapter == "pglog" else request.getfixturevalue("kafka").access


@pytest.fixture
async def new_bus(adapter: str, access: Access | None, database: Database) -> AsyncIterator[NewBus]:
    """Buses of processes that run them themselves."""
    async with database.system() as db:  # what other tests left there is of topics that a broker may not have
        await db.execute("DELETE FROM platform.outbox")
    await let_carry(adapter, database)
    yield lambda: open_bus(adapter, database, access)
    await let_carry("pglog", database)


@pytest.fixture
async def machine(new_bus: NewBus) -> AsyncIterator[OpenBus]:
    opened: list[Machine] = []

    async def open_one() -> Machine:
        opened.append(Machine(new_bus()))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.stop()


@pytest.fixture
def elsewhere(adapter: str, access: Access | None, logins: migrate.Logins) -> OpenElsewhere:
    """A member in another process."""

    def open_one(group: str, topics: Sequence[str]) -> AbstractAsyncContextManager[Elsewhere]:
        return member_elsewhere(adapter, access, logins.worker, Roles("suite").platform, group, topics)

    return open_one


@pytest.fixture
def group() -> str:
    return fresh_topic().replace("test.", "readers-")
