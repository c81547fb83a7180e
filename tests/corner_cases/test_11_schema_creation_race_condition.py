"""Corner case 11: two requests create the same tenant at the same time, or a crash comes in between."""

import asyncio
from uuid import uuid4

import asyncpg

from tests.support.locks import nobody_makes_the_schema, waiting_for_locks
from tests.support.platform import Platform
from tests.support.processes import kill, pid_of
from tests.support.waiting import eventually

AT_ONCE = 6


async def test_of_many_onboardings_of_one_slug_at_once_one_wins(platform: Platform, db: asyncpg.Connection) -> None:
    slug = f"t{uuid4().hex[:12]}"

    replies = await asyncio.gather(*(platform.onboard(slug) for _ in range(AT_ONCE)))

    assert sorted(reply.status for reply in replies) == [201] + [409] * (AT_ONCE - 1)
    assert {reply.code for reply in replies if reply.status == 409} == {"slug_taken"}
    assert await db.fetchval("SELECT count(*) FROM platform.tenants WHERE slug = $1", slug) == 1
    assert await platform.token_of(slug, f"admin@{slug}.example")


async def test_an_onboarding_sent_twice_with_one_key_makes_one_tenant(platform: Platform) -> None:
    slug, key = f"t{uuid4().hex[:12]}", uuid4().hex

    first = await platform.onboard(slug, key=key)
    again = await platform.onboard(slug, key=key)

    assert (first.status, again.status) == (201, 201)
    assert first.json["id"] == again.json["id"]


async def test_a_tenant_whose_schema_was_not_made_before_the_crash_is_made_after_it(
    platform: Platform, db: asyncpg.Connection
) -> None:
    slug = f"t{uuid4().hex[:12]}"
    worker = await eventually(lambda: pid_of(platform.data, platform.worker_of("tenants")))
    assert worker is not None

    async with nobody_makes_the_schema(platform, slug):
        made = await platform.onboard(slug)
        meanwhile = await platform.ask("GET", "/api/events", slug=slug)
        await eventually(lambda: waiting_for_locks(db, "migrator"))
        await kill([worker])

    async def active() -> bool:
        return (await platform.ask("GET", "/api/events", slug=slug)).status == 200

    assert (made.status, made.json["status"]) == (201, "PROVISIONING")
    assert (meanwhile.status, meanwhile.code) == (503, "tenant_provisioning")
    await eventually(active, within=30)
    assert await platform.token_of(slug, f"admin@{slug}.example")
