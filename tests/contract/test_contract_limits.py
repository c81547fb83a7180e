"""Whoever asks too often is told so, when to come again, and alone."""

from typing import Any

from tests.contract.problems import problem
from tests.contract.world import World, key
from tests.support.platform import Platform
from tests.support.waiting import eventually


async def set_limits(world: World, slug: str, limits: dict[str, int | None]) -> None:
    tenant = (await world.parts.directory.by_slug(slug)).id
    reply = await world.platform.ask(
        "PATCH",
        f"/api/tenants/{tenant}",
        json={"settings": {"rate_limits": limits}},
        headers={**world.operator, **key()},
    )
    assert reply.status == 200, reply


async def test_every_answer_says_what_is_left(world: World) -> None:
    reply = await world.platform.ask("GET", "/api/events", slug=world.acme.slug)

    assert reply.headers["RateLimit-Policy"] == '"read";q=12000;w=60'
    assert reply.headers["RateLimit"].startswith('"read";r=')


async def test_too_many_requests_are_refused_until_the_operator_lifts_the_limit(
    platform: Platform, world: World, slug: str
) -> None:
    token = await platform.buyer(slug)
    await set_limits(world, slug, {"read": 6})

    async def refused() -> Any:
        reply = await platform.ask("GET", "/api/events", slug=slug)
        return reply if reply.status == 429 else None

    reply = await eventually(refused)
    other_class = await platform.ask("POST", "/api/guests", slug=slug)
    other_caller = await platform.ask("GET", "/api/bookings", slug=slug, token=token)
    other_tenant = await platform.ask("GET", "/api/events", slug=world.acme.slug)
    await set_limits(world, slug, {"read": 0})

    async def lifted() -> bool:
        return all([(await platform.ask("GET", "/api/events", slug=slug)).status == 200 for _ in range(12)])

    assert problem(reply) == (429, "rate_limited")
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert reply.headers["RateLimit-Policy"] == '"read";q=6;w=60'
    assert reply.headers["RateLimit"].startswith('"read";r=0;t=')
    assert [each.status for each in (other_class, other_caller, other_tenant)] == [201, 200, 200]
    await eventually(lifted, within=3)


async def test_a_refused_person_sees_a_page(platform: Platform, world: World, slug: str) -> None:
    await set_limits(world, slug, {"pages": 2})

    async def refused() -> Any:
        reply = await platform.ask("GET", "/", slug=slug, headers={"Accept": "text/html"})
        return reply if reply.status == 429 else None

    reply = await eventually(refused)

    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert int(reply.headers["Retry-After"]) >= 1
