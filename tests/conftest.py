"""Fixtures of all suites: the servers are real and shared by a session, each test brings its own tenant."""

from collections.abc import AsyncIterator

import pytest

from boxoffice.embedded.servers import EmbeddedServers
from tests.support.servers import temporary_servers


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[EmbeddedServers]:
    """`database_url` is the superuser's, on an empty database; `postgres` and `valkey` can be killed and started."""
    async with temporary_servers() as running:
        yield running
