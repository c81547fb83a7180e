"""One platform for all faults: each test brings its own tenant, and finds the platform running again."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from boxoffice.embedded.servers import is_running
from tests.support.platform import OPERATOR, PASSWORD, Platform
from tests.support.servers import temporary_folder
from tests.support.waiting import known_everywhere

HOLD_SECONDS = 5


@pytest.fixture(scope="session")
async def installed(form: str) -> AsyncIterator[Platform]:
    with temporary_folder() as folder:
        platform = Platform(folder, {"web_processes": "1"}, form)
        try:
            await platform.start()
            await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
            yield platform
        finally:
            await platform.stop()


@pytest.fixture
async def platform(installed: Platform) -> Platform:
    if not is_running(installed.data):
        await again(installed)
    return installed


@pytest.fixture
async def slug(platform: Platform) -> str:
    """A tenant whose holds last five seconds."""
    return await tenant_with_short_holds(platform)


async def tenant_with_short_holds(platform: Platform, seconds: int = HOLD_SECONDS) -> str:
    slug = await platform.tenant()
    operator = await platform.operator()
    listed = await platform.ask("GET", "/api/tenants?limit=100", token=operator)
    tenant = next(each for each in listed.json["items"] if each["slug"] == slug)
    changed = await platform.ask(
        "PATCH", f"/api/tenants/{tenant['id']}", token=operator, json={"settings": {"hold_seconds": seconds}}
    )
    assert changed.status == 200, changed
    await known_everywhere()
    return slug


async def again(platform: Platform) -> None:
    """Start a platform that has ended on its data."""
    await platform.stop()
    platform.output = Path(platform.output).with_name(f"output-{uuid4().hex[:6]}")
    await platform.start()
