"""Real Apache Kafka for tests, in throw-away folders, and buses by their name."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from boxoffice.embedded.kafka import Kafka
from boxoffice.embedded.servers import left_behind
from boxoffice.kafka.access import Access
from boxoffice.kafka.bus import KafkaBus
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.startup import StartupProblem

PREFIX = "boxoffice-kafka-"
TOOLS = Path(__file__).parents[2] / ".tools"
SESSION_SECONDS = 2.0
LEASE_SECONDS = {"pglog": 0.6, "kafka": SESSION_SECONDS, "kafka-classic": SESSION_SECONDS}


@asynccontextmanager
async def temporary_kafka(*, brokers: int = 1, secure: bool = False) -> AsyncIterator[Kafka]:
    await asyncio.to_thread(_remove_what_killed_sessions_left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        async with Kafka(
            folder, tools=TOOLS, brokers=brokers, secure=secure, session_seconds=SESSION_SECONDS
        ) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_bus(adapter: str, database: Database, access: Access | None, lease: float | None = None) -> Bus:
    """A process's bus of this kind: `pglog`, `kafka` or `kafka-classic`."""
    lease = lease or LEASE_SECONDS[adapter]
    if access is None:
        return PgLog(database, lease_seconds=lease)
    protocol = "classic" if adapter == "kafka-classic" else "consumer"
    return KafkaBus(database, access, protocol=protocol, lease_seconds=lease)  # type: ignore[arg-type]


async def let_carry(adapter: str, database: Database) -> None:
    """Let relays move messages to this bus, without a move: nothing waits on another."""
    async with database.system() as db:
        await db.execute("UPDATE bus.carrier SET current = $1, next = NULL", adapter.partition("-")[0])


def _remove_what_killed_sessions_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if left_behind(folder):
            with suppress(StartupProblem):
                Kafka(folder, tools=TOOLS, brokers=len(list(folder.glob("broker-*")))).remove()
