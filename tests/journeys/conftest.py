"""One platform for all journeys; each brings its own tenant."""

from collections.abc import AsyncIterator

import pytest

from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform


@pytest.fixture(scope="session")
async def platform(form: str) -> AsyncIterator[Platform]:
    async with running_platform(form) as running:
        await running.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield running


@pytest.fixture
async def slug(platform: Platform) -> str:
    return await platform.tenant()
