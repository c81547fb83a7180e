"""Every process of the distributed form is replaced while people buy: no request is lost, nothing is done twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from tests.support.crowd import at_rest, database_url
from tests.support.platform import OPERATOR, PASSWORD, Platform, Reply, running_platform
from tests.support.processes import tree
from tests.support.waiting import lasting

pytestmark = pytest.mark.prove

SHOPPERS, SEATS = 4, 3_000
THOUGHT_SECONDS = 0.5
PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
async def platform() -> AsyncIterator[Platform]:
    async with running_platform("services", instances="bookings=2,events=2") as running:
        await running.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield running


class Shoppers:
    """Each looks around, holds a seat of its own, buys it and looks at the order, again and again.

    Every request is made once and counted: what came of it, an answer's status or the fault that kept it away.
    """

    def __init__(self, platform: Platform, slug: str, event: str) -> None:
        self._platform = platform
        self._slug = slug
        self._event = event
        self.outcomes: Counter[str] = Counter()
        self.booked: dict[str, str] = {}  # booking → its guest
        self.done = asyncio.Event()
        self._seats = iter(range(SEATS))

    async def shop(self) -> None:
        while not self.done.is_set():
            slug, guest = self._slug, await self._platform.guest(self._slug)
            await self._noted("home", self._platform.ask("GET", "/", slug=slug, headers=PAGE))
            await self._noted("events", self._platform.ask("GET", "/api/events", slug=slug))
            held = await self._noted("hold", self._platform.hold(slug, self._event, [next(self._seats)], guest=guest))
            if held is None or held.status != 201:
                continue
            booked = await self._noted("book", self._platform.book(slug, held.json["token"], guest=guest))
            if booked is not None and booked.status == 202:
                booking = booked.json["id"]
                self.booked[booking] = guest
                shown = self._platform.ask("GET", f"/api/bookings/{booking}?key={uuid4().hex}", slug=slug, guest=guest)
                await self._noted("show", shown)
            await lasting(THOUGHT_SECONDS, self.done)

    async def _noted(self, what: str, asked: Awaitable[Reply]) -> Reply | None:
        try:
            reply = await asked
        except (aiohttp.ClientError, TimeoutError) as fault:
            self.outcomes[f"{what} {fault!r}"] += 1
            return None
        self.outcomes[f"{what} {reply.status}"] += 1
        return reply


async def test_no_request_is_lost_while_all_processes_are_replaced(platform: Platform) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug, rows=30, seats=100)
    shoppers = Shoppers(platform, slug, event)
    before = running(platform)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(SHOPPERS):
            tasks.create_task(shoppers.shop())
        await platform.command("roll")
        shoppers.done.set()

    assert set(shoppers.outcomes) == {"home 200", "events 200", "hold 201", "book 202", "show 200"}
    after = running(platform)
    assert len(before) == len(after)
    assert not before & after
    for booking, guest in shoppers.booked.items():
        await platform.until(slug, booking, "CONFIRMED", guest=guest, within=30)
    await at_rest(platform, slug)
    assert await bookings_made(platform, slug) == len(shoppers.booked)


def running(platform: Platform) -> set[int]:
    """The processes that answer or work; nginx, which renews itself, is not one of them."""
    return {pid for pid, command in tree(platform.pid).items() if " run " in command}


async def bookings_made(platform: Platform, slug: str) -> int:
    connection = await asyncpg.connect(database_url(platform))
    try:
        return int(await connection.fetchval(f'SELECT count(*) FROM "tenant_{slug}".bookings'))
    finally:
        await connection.close()
