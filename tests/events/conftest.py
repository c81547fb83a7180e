"""A shop in which events are drafted and published."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from boxoffice.doors.keys import Keyring
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import valkey as kernel_valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.shop import Shop, open_shop


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = kernel_valkey.connect(servers.valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def shop(database: Database, web_database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring) -> Shop:
    return open_shop(web_database, Directory(web_database), tenant, valkey, keyring, worker=database)
