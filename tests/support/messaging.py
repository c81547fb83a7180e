"""Messages, services and workers made for tests of the bus and of what stands on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar
from uuid import UUID, uuid4

from boxoffice.kernel import outbox, worker
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus, Member, Portion
from boxoffice.kernel.database import Database
from boxoffice.kernel.message import Message
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant


class Noted(Message, frozen=True, kw_only=True):
    """Something was noted about a subject."""

    topic: ClassVar[str] = "test.noted"
    about: UUID
    text: str

    @property
    def subject(self) -> UUID:
        return self.about


class Struck(Noted, frozen=True, kw_only=True):
    """Something noted was struck out."""

    topic: ClassVar[str] = "test.struck"


def noted_on(topic_of_its_own: str) -> type[Noted]:
    """A kind of Noted that has a topic of its own."""

    class NotedThere(Noted, frozen=True, kw_only=True):
        topic: ClassVar[str] = topic_of_its_own

    return NotedThere


def fresh_topic() -> str:
    return f"test.{uuid4().hex[:12]}"


async def publish(
    database: Database, tenant: Tenant, topic: str, values: Sequence[str | bytes], key: str | None = None
) -> list[UUID]:
    """Put raw messages into the outbox in one transaction, all under one key; their ids."""
    ids = []
    async with database.transaction(tenant) as tx:
        rows = []
        for value in values:
            about = uuid4()
            made = outbox.outgoing(tenant, Noted(about=about, text=""), None, None, tx)
            ids.append(made.id)
            rows.append(
                outbox.Outgoing(
                    made.id, tenant.id, topic, key or made.key, "Noted", made.headers,
                    value if isinstance(value, bytes) else value.encode(),
                )
            )  # fmt: skip
        await outbox.write(tx.db, rows)
    return ids


async def relay(bus: Bus, database: Database) -> None:
    """Relay until the outbox is empty: another relay may have the lease for a while."""
    async with asyncio.timeout(30):
        while await bus.relay(100) or await waiting(database):
            pass


async def waiting(database: Database) -> bool:
    """Whether there are messages that no relay has moved."""
    async with database.system() as db:
        return bool(await db.fetchval("SELECT EXISTS (SELECT FROM platform.outbox)"))


async def relay_all(bus: PgLog) -> None:
    while await bus.relay(500):
        pass


async def read(member: Member, count: int, within: float = 10.0) -> list[Portion]:
    """Poll until `count` messages came; fails when they do not in time."""
    portions: list[Portion] = []
    async with asyncio.timeout(within):
        while sum(len(portion.messages) for portion in portions) < count:
            portions += await member.poll(500)
    return portions


def values(portions: Sequence[Portion]) -> list[str]:
    return [message.value.decode() for portion in portions for message in portion.messages]


@asynccontextmanager
async def working(
    database: Database, directory: Directory, *services: Service, policy: Policy | None = None, lease: float = 2.0,
    bus: Bus | None = None,
) -> AsyncIterator[Bus]:  # fmt: skip
    """A whole worker in this process, on the embedded bus if on no other, with pauses short enough for tests."""
    stop = asyncio.Event()
    bus = bus or PgLog(database, lease_seconds=lease)
    policy = policy or Policy(base_seconds=0.05, longest_seconds=0.2, attempts=4)
    running = asyncio.create_task(
        worker.run(services, database, directory, bus, stop, policy=policy, lease_seconds=lease)
    )
    try:
        yield bus
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)
