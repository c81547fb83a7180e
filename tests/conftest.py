"""Fixtures of all suites: the servers are real and shared by a session, each test brings its own tenant."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from boxoffice.embedded.kafka import Kafka
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.brokers import temporary_kafka
from tests.support.platform import FORMS
from tests.support.servers import temporary_folder, temporary_servers
from tests.support.tenancy import NewTenant, tenant_factory

# The same examples every time: what is merged is never held up by a die. No deadline: the machines are shared.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")
# The same budgets with examples that a seed chooses: make prove SEED=7.
settings.register_profile("exploring", deadline=None, database=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--form", choices=FORMS, default="one", help="The platform's form that tests run against.")


@pytest.fixture(scope="session")
def form(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.getoption("form"))


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[EmbeddedServers]:
    """`database_url` is the superuser's, on an empty database; `postgres` and `valkey` can be killed and started."""
    async with temporary_servers() as running:
        yield running


@pytest.fixture(scope="session")
async def kafka() -> AsyncIterator[Kafka]:
    """One broker of Apache Kafka; only the long proofs ask for it, for it needs Java."""
    async with temporary_kafka() as running:
        yield running


@pytest.fixture(scope="session")
async def logins(servers: EmbeddedServers) -> AsyncIterator[migrate.Logins]:
    """Addresses of the web's, the worker's and the migrator's login of a migrated database of the session's own."""
    with temporary_folder() as folder:
        made = await asyncio.to_thread(
            migrate.bootstrap, servers.postgres.url("suite"), folder / "secrets", ["events", "payments"]
        )
        await asyncio.to_thread(migrate.upgrade, made.migrator)
        yield made


@pytest.fixture(scope="session")
async def database(logins: migrate.Logins) -> AsyncIterator[Database]:
    """The worker's connections."""
    opened = await Database.connect(logins.worker, platform_role=Roles("suite").platform)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def web_database(logins: migrate.Logins) -> AsyncIterator[Database]:
    """The web's connections."""
    opened = await Database.connect(logins.web, platform_role=Roles("suite").platform)
    yield opened
    await opened.close()


@pytest.fixture
async def directory(database: Database) -> Directory:
    return Directory(database)


@pytest.fixture(scope="session")
def new_tenant(database: Database, logins: migrate.Logins) -> NewTenant:
    """Make tenants: `await new_tenant()`, each with its schema and role, ACTIVE."""
    return tenant_factory(database, logins)


@pytest.fixture
async def tenant(new_tenant: NewTenant) -> Tenant:
    return await new_tenant()
