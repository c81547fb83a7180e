"""The two buses: from a commit to the handler, one message at a time; and messages a second when thousands wait.

    make bench-bus            or: python -m bench.bus --alone 300 --many 20000

A whole worker in this process (relay, consumer, inbox) and one service that notes when it hears. The servers are real:
PostgreSQL, and one broker of Kafka. The reference is pgbench on the same PostgreSQL (bench/README.md).
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import uvloop

from bench import reference
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.message import Received
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.brokers import let_carry, open_bus, temporary_kafka
from tests.support.messaging import Noted, fresh_topic, noted_on, working
from tests.support.servers import temporary_folder
from tests.support.tenancy import tenant_factory

BUSES = ("pglog", "kafka")
WARM = 50
TOGETHER = 20  # messages of one transaction, when many are published
PUBLISHERS = 8
LEASE_SECONDS = 10.0


@dataclass(frozen=True)
class Ground:
    """What both buses stand on."""

    database: Database
    directory: Directory
    tenant: Tenant


class Ear:
    """Notes when a message is handled, and when as many were as are waited for."""

    def __init__(self) -> None:
        self.heard = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    async def hear(self, tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        self.heard += len(messages)
        if self.heard >= self._wanted:
            self._enough.set()

    async def wait(self, further: int) -> None:
        self._wanted, self._enough = self.heard + further, asyncio.Event()
        async with asyncio.timeout(60):
            await self._enough.wait()


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[tuple[Ground, str]]:
    """Fresh servers with one tenant; and the address of the database."""
    async with EmbeddedServers(folder / "data", max_connections=200) as servers:
        url = servers.postgres.url("bench")
        logins = await asyncio.to_thread(migrate.bootstrap, url, folder / "secrets", [])
        await asyncio.to_thread(migrate.upgrade, logins.migrator)
        database = await Database.connect(logins.worker, platform_role=Roles("bench").platform)
        tenant = await tenant_factory(database, logins)(spread=4)
        yield Ground(database, Directory(database), tenant), url
        await database.close()


async def say(on_what: Ground, kind: type[Noted], ids: Sequence[UUID]) -> None:
    async with on_what.database.transaction(on_what.tenant) as tx:
        for id in ids:
            tx.publish(kind(about=id, text="a booking was requested"))


async def alone(on_what: Ground, kind: type[Noted], ear: Ear, count: int) -> list[float]:
    """Seconds from the commit to the handler, each message for itself."""
    times = []
    for _ in range(count):
        waiting = asyncio.ensure_future(ear.wait(1))
        await asyncio.sleep(0)
        await say(on_what, kind, [uuid4()])
        began = time.perf_counter()
        await waiting
        times.append(time.perf_counter() - began)
    return sorted(times[WARM:])


async def many(on_what: Ground, kind: type[Noted], ear: Ear, count: int) -> float:
    """Messages a second, from the first one's publication to the last one's handling."""

    async def publisher(share: int) -> None:
        for _ in range(0, share, TOGETHER):
            await say(on_what, kind, [uuid4() for _ in range(TOGETHER)])

    share = count // PUBLISHERS // TOGETHER * TOGETHER
    waiting = asyncio.ensure_future(ear.wait(share * PUBLISHERS))
    began = time.perf_counter()
    await asyncio.gather(*(publisher(share) for _ in range(PUBLISHERS)))
    await waiting
    return share * PUBLISHERS / (time.perf_counter() - began)


async def main(arguments: argparse.Namespace) -> None:
    with temporary_folder() as folder:
        async with ground(folder) as (on_what, url), temporary_kafka() as kafka:
            await reference.prepare(url, folder)
            tps = await reference.transactions_per_second(url, folder, arguments.reference, 1)
            print(f"pgbench      {tps:.0f} transactions/s")
            for name in BUSES:
                await let_carry(name, on_what.database)
                bus = open_bus(name, on_what.database, kafka.access if name == "kafka" else None, LEASE_SECONDS)
                kind, ear = noted_on(fresh_topic()), Ear()
                service = Service(fresh_topic(), subscriptions=[on(kind, ear.hear)])
                async with working(on_what.database, on_what.directory, service, bus=bus, lease=LEASE_SECONDS):
                    times = await alone(on_what, kind, ear, arguments.alone + WARM)
                    rate = await many(on_what, kind, ear, arguments.many)
                middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
                print(
                    f"{name:12} alone p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms; "
                    f"many {rate:.0f} messages/s, ratio {rate / tps:.2f} of pgbench"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", type=int, default=300, help="messages, one after the other")
    parser.add_argument("--many", type=int, default=20_000, help="messages, as fast as they go")
    parser.add_argument("--reference", type=int, default=5, help="seconds of pgbench")
    uvloop.run(main(parser.parse_args()))
