"""What organizers and the operator do meanwhile: new events, events called off in mid-sale, suspensions."""

import asyncio
from contextlib import suppress
from random import Random

import aiohttp

from tests.nemesis.buyers import ROWS, SEATS_A_ROW, Shop
from tests.nemesis.system import tenant_id
from tests.support.platform import Platform, Reply
from tests.support.waiting import eventually, lasting

ON_SALE = 2
EVENT_SECONDS = 15.0
BETWEEN_SUSPENSIONS_SECONDS = 30.0
SUSPENDED_SECONDS = 1.5


async def open_events(platform: Platform, shop: Shop) -> None:
    while len(shop.events) < ON_SALE:
        shop.events.append(await platform.event(shop.slug, rows=ROWS, seats=SEATS_A_ROW))


async def organize(platform: Platform, shop: Shop, random: Random, gone: asyncio.Event) -> int:
    """Put a new event on sale now and then, and call the oldest off; answers how many were called off."""
    called_off = 0
    while not await lasting(EVENT_SECONDS * (0.5 + random.random()), gone):
        with suppress(AssertionError, aiohttp.ClientError, OSError, TimeoutError):  # then later
            shop.events.append(await platform.event(shop.slug, rows=ROWS, seats=SEATS_A_ROW))
        if len(shop.events) > ON_SALE:
            called_off += await call_off(platform, shop, shop.events.pop(0))
    return called_off


async def call_off(platform: Platform, shop: Shop, event: str) -> bool:
    async def asked() -> Reply:
        token = await platform.token_of(shop.slug, f"admin@{shop.slug}.example")
        return await platform.ask("POST", f"/api/events/{event}/cancellation", slug=shop.slug, token=token)

    with suppress(AssertionError, aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(10):
            return (await asked()).status == 202
    return False


async def suspend(platform: Platform, shop: Shop, random: Random, gone: asyncio.Event) -> int:
    """Suspend the tenant for a moment now and then, gently or strictly; answers how often."""
    id, times = await tenant_id(platform, shop.slug), 0
    while not await lasting(BETWEEN_SUSPENSIONS_SECONDS * (0.5 + random.random()), gone):
        mode = random.choice(["drain", "strict"])
        times += await suspension(platform, "POST", id, {"mode": mode})
        await lasting(SUSPENDED_SECONDS, gone)
        await resume(platform, id)
    return times


async def resume(platform: Platform, id: str) -> None:
    await eventually(lambda: suspension(platform, "DELETE", id, None), within=120)


async def suspension(platform: Platform, method: str, id: str, body: object) -> bool:
    with suppress(AssertionError, aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(10):
            operator = await platform.operator()
            reply = await platform.ask(method, f"/api/tenants/{id}/suspension", token=operator, json=body)
            return reply.status < 300
    return False
