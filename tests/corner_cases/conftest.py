"""One platform for all corner cases, with a mail server that tests may stop; each test brings its own tenant."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.support.crowd import database_url
from tests.support.mail_server import TinyMailServer
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
from tests.support.waiting import known_everywhere


@pytest.fixture(scope="session")
async def mail_server() -> AsyncIterator[TinyMailServer]:
    server = TinyMailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def platform(mail_server: TinyMailServer, form: str) -> AsyncIterator[Platform]:
    async with running_platform(form, smtp_url=mail_server.url) as running:
        await running.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield running


@pytest.fixture
async def db(platform: Platform) -> AsyncIterator[asyncpg.Connection]:
    """A connection past all walls: to look with, and to make faults with."""
    connection = await asyncpg.connect(database_url(platform))
    yield connection
    await connection.close()


@pytest.fixture
async def slug(platform: Platform) -> str:
    return await platform.tenant()


@pytest.fixture
def tenant_with(platform: Platform) -> Callable[..., Awaitable[str]]:
    """`await tenant_with(hold_seconds=1)`: the slug of a new tenant whose settings are known to every process."""

    async def make(**settings: Any) -> str:
        slug = await platform.tenant()
        token = await platform.operator()
        path = f"/api/tenants/{await tenant_id(platform, slug)}"
        changed = await platform.ask("PATCH", path, token=token, json={"settings": settings})
        assert changed.status == 200, changed
        await known_everywhere()
        return slug

    return make


async def tenant_id(platform: Platform, slug: str) -> str:
    listed = await platform.ask("GET", "/api/tenants?limit=100", token=await platform.operator())
    return str(next(each["id"] for each in listed.json["items"] if each["slug"] == slug))
