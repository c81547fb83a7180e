"""A simulator on a socket of this machine, and Stripe's own SDK, unmodified, to talk to it."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.stripe_simulator import Shop, open_shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as opened:
        yield opened


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()
