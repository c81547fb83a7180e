"""A worker process for tests: notes each message in its tenant's table `notes`, slowly; its address comes on stdin."""

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from boxoffice.kafka.access import Access
from boxoffice.kernel import worker
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.message import Received
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory
from tests.support.brokers import open_bus
from tests.support.messaging import Noted, noted_on

NOTE = "INSERT INTO notes (message_id, worker) SELECT message_id, $2 FROM unnest($1::uuid[]) AS m (message_id)"


class Order(msgspec.Struct):
    """What a worker process is told: where its database and its bus are, what it reads and how slow it is."""

    url: str
    platform_role: str
    group: str
    lease: float
    seconds: float = 0.0
    topic: str = Noted.topic
    adapter: str = "pglog"
    servers: str = ""


def noting(group: str, worker_name: str, seconds: float = 0.0, kind: type[Noted] = Noted) -> Service:
    """A service that notes messages in the table `notes`; each batch takes it some time before it commits."""

    async def note(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        await tx.db.execute(NOTE, [message.id for message in messages], worker_name)
        if seconds:
            print("noting", flush=True)  # noqa: T201
            # A simple query: halted between the parts of a prepared one, a session counts as busy and not as idle in
            # its transaction, and only transaction_timeout ends it.
            await tx.db.execute(f"SELECT pg_sleep({seconds:f})")

    return Service(group, subscriptions=[on(kind, note)])


async def main() -> None:
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    kind = Noted if order.topic == Noted.topic else noted_on(order.topic)
    database = await Database.connect(order.url, platform_role=order.platform_role)
    bus = open_bus(order.adapter, database, Access(order.servers) if order.servers else None, order.lease)
    await worker.run(
        [noting(order.group, "child", order.seconds, kind)], database, Directory(database), bus, asyncio.Event(),
        lease_seconds=order.lease,
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
