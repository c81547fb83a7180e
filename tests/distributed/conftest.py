"""One platform in its distributed form for all that befalls it: nginx, gateway, services, Kafka."""

from collections.abc import AsyncIterator

import pytest

from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
from tests.support.rush import Rush


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    async with running_platform("services", web_processes="1") as running:
        await running.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield running


@pytest.fixture
async def slug(platform: Platform) -> str:
    """A tenant without limits on how often its buyers ask."""
    slug = await platform.tenant()
    operator = await platform.operator()
    listed = await platform.ask("GET", "/api/tenants?limit=100", token=operator)
    tenant = next(each for each in listed.json["items"] if each["slug"] == slug)
    limits = dict.fromkeys(("read", "write", "guests", "sign_in", "pages"), 0)
    changed = await platform.ask(
        "PATCH", f"/api/tenants/{tenant['id']}", token=operator, json={"settings": {"rate_limits": limits}}
    )
    assert changed.status == 200, changed
    return slug


@pytest.fixture
async def rush(platform: Platform, slug: str) -> AsyncIterator[Rush]:
    """Buyers who keep coming while the test lasts."""
    async with Rush(platform, slug, await platform.event(slug, rows=40, seats=80)) as buying:
        yield buying
