"""A worker process for tests: notes each message in its tenant's table `notes`, slowly; its address comes on stdin."""

import asyncio
import sys
from collections.abc import Sequence

from boxoffice.kernel import worker
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.message import Received
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory
from tests.support.messaging import Noted

NOTE = "INSERT INTO notes (message_id, worker) SELECT message_id, $2 FROM unnest($1::uuid[]) AS m (message_id)"


def noting(group: str, worker_name: str, seconds: float = 0.0) -> Service:
    """A service that notes messages in the table `notes`; each batch takes it some time before it commits."""

    async def note(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        await tx.db.execute(NOTE, [message.id for message in messages], worker_name)
        if seconds:
            print("noting", flush=True)  # noqa: T201
            # A simple query: halted between the parts of a prepared one, a session counts as busy and not as idle in
            # its transaction, and only transaction_timeout ends it.
            await tx.db.execute(f"SELECT pg_sleep({seconds:f})")

    return Service(group, subscriptions=[on(Noted, note)])


async def main() -> None:
    url, platform_role, group, lease, seconds = sys.stdin.readline().split()
    database = await Database.connect(url, platform_role=platform_role)
    bus = PgLog(database, lease_seconds=float(lease))
    await worker.run(
        [noting(group, "child", float(seconds))], database, Directory(database), bus, asyncio.Event(),
        lease_seconds=float(lease),
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
