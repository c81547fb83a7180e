"""Tenants and auth over HTTP in this process; the worker's part is played by calling its sender."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from boxoffice.kernel import valkey as kernel_valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.timers import Due
from boxoffice.tenants.actions import PROVISION
from tests.support.people import House, build_house

CLAIM = """
    UPDATE platform.timers SET claimed_until = now() + interval '10 s', attempts = attempts + 1
     WHERE id = $1 AND kind = $2
    RETURNING id, kind, seq, attempts, tenant_id
"""


@dataclass
class Worker:
    """What the worker's timer loop does for tenants, one timer at a time."""

    house: House

    async def due(self, tenant_id: UUID) -> Due | None:
        async with self.house.database.platform() as tx:
            row = await tx.db.fetchrow(CLAIM, tenant_id, PROVISION)
        return None if row is None else Due(**dict(row))

    async def provision(self, tenant_id: UUID) -> None:
        due = await self.due(tenant_id)
        assert due is not None
        tenant = await self.house.directory.by_id(tenant_id)
        await self.house.services["tenants"].senders[PROVISION](self.house.database, tenant, [due])


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = kernel_valkey.connect(servers.valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def house(web_database: Database, tmp_path: Path, valkey: Redis) -> House:
    """What a web process has: no migrator's login. Where no worker answers, there is no use in waiting long for it."""
    return build_house(web_database, Directory(web_database), tmp_path, "suite", valkey=valkey, settle_seconds=0.05)


@pytest.fixture
def worker(database: Database, tmp_path: Path, valkey: Redis, logins: migrate.Logins) -> Worker:
    return Worker(
        build_house(database, Directory(database), tmp_path, "suite", valkey=valkey, migrator_url=logins.migrator)
    )


@pytest.fixture
async def operator(house: House) -> str:
    """An operator's access token."""
    return await house.operator()
