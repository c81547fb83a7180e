"""One platform for the whole contract, with two tenants and somebody in every role at each."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.world import World, populate
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    async with running_platform(least_hold_seconds="1") as running:
        await running.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield running


@pytest.fixture(scope="session")
async def world(platform: Platform) -> AsyncIterator[World]:
    async with populate(platform) as populated:
        yield populated


@pytest.fixture
async def slug(platform: Platform) -> str:
    """A tenant of this test's own."""
    return await platform.tenant()
