"""The table `notes`, which shows what became of each message: none is lost when it is there, none doubled if once."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import msgspec
import psycopg

from boxoffice.kernel import migrate
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from tests.support.messaging import Noted
from tests.support.noting_worker import Order
from tests.support.tenancy import NewTenant


async def with_notes(new_tenant: NewTenant, logins: migrate.Logins, spread: int = 1) -> Tenant:
    """A tenant whose schema has the table."""
    tenant = await new_tenant(spread=spread)
    with psycopg.connect(logins.migrator) as db:
        db.execute(f'CREATE TABLE "{tenant.schema}".notes (message_id uuid NOT NULL, worker text NOT NULL)')
    return tenant


async def notes(database: Database, tenant: Tenant) -> list[tuple[UUID, str]]:
    """Each message that was handled, and by which worker."""
    async with database.transaction(tenant) as tx:
        return [(row["message_id"], row["worker"]) for row in await tx.db.fetch("SELECT message_id, worker FROM notes")]


async def tell(database: Database, tenant: Tenant, count: int, kind: type[Noted] = Noted) -> list[UUID]:
    """Publish some messages in one transaction; their ids."""
    ids = [uuid7() for _ in range(count)]
    async with database.transaction(tenant) as tx:
        for id in ids:
            tx.publish(kind(about=uuid4(), text=""), id=id)
    return ids


@asynccontextmanager
async def noting_child(order: Order) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own; killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.noting_worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": "src:."},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    await process.stdin.drain()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
