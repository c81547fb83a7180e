"""Lists come in pages behind opaque cursors, and their filters refuse nonsense."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import DRAFT, World, key

LISTS = [
    ("tenant", "/api/events", "anonymous"),
    ("tenant", "/api/bookings", "customer"),
    ("platform", "/api/tenants", "operator"),
    ("platform", "/api/sagas", "operator"),
]


async def ask(world: World, host: str, path: str, role: str) -> Any:
    slug = "platform" if host == "platform" else world.acme.slug
    return await world.platform.ask("GET", path, slug=slug, headers=world.roles(host)[role])


@pytest.mark.parametrize("limit", ["0", "-1", "101", "ten", "", "1.5", "99999999999999999999"])
@pytest.mark.parametrize(("host", "path", "role"), LISTS)
async def test_a_page_has_1_to_100_items(world: World, host: str, path: str, role: str, limit: str) -> None:
    refused = await ask(world, host, f"{path}?limit={limit}", role)
    taken = await ask(world, host, f"{path}?limit=100", role)

    assert wrong_paths(refused) == ["limit"]
    assert set(taken.json) == {"items", "next_cursor"}


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "W10", "", "%00", "W251bGwsbnVsbF0", "eyJhIjoxfQ", "\u00e4"])
@pytest.mark.parametrize(("host", "path", "role"), LISTS)
async def test_a_cursor_that_is_not_ours_is_refused(world: World, host: str, path: str, role: str, cursor: str) -> None:
    reply = await ask(world, host, f"{path}?cursor={cursor}", role)

    assert problem(reply) == (422, "bad_cursor")
    assert wrong_paths(reply) == ["cursor"]


@pytest.mark.parametrize(("host", "path", "role"), [listed for listed in LISTS if listed[1] != "/api/bookings"])
async def test_a_moment_in_a_cursor_has_a_time_zone(world: World, host: str, path: str, role: str) -> None:
    """Lists that are sorted by a moment; ours always name its offset."""
    place = json.dumps(["2030-01-01T00:00:00", str(uuid4())]).encode()
    cursor = base64.urlsafe_b64encode(place).rstrip(b"=").decode()

    reply = await ask(world, host, f"{path}?cursor={cursor}", role)

    assert problem(reply) == (422, "bad_cursor")


async def test_pages_of_one_hold_everything_once(world: World) -> None:
    acme = world.acme
    for _ in range(2):
        await world.platform.ask(
            "POST", "/api/events", slug=acme.slug, json=DRAFT, headers={**acme.who["admin"], **key()}
        )
    whole = await ask(world, "tenant", "/api/events?limit=100", "admin")

    found, cursor = [], ""
    while True:
        page = await ask(world, "tenant", f"/api/events?limit=1{cursor}", "admin")
        found += page.json["items"]
        if page.json["next_cursor"] is None:
            break
        cursor = f"&cursor={page.json['next_cursor']}"

    assert [event["id"] for event in found] == [event["id"] for event in whole.json["items"]]
    assert len(found) >= 3


@pytest.mark.parametrize("name", ["from", "to", "status"])
@pytest.mark.parametrize("value", ["nonsense", "2031-05-01", "2031-05-01T20:00:00", ""])
async def test_nonsense_in_a_filter_is_refused(world: World, name: str, value: str) -> None:
    reply = await ask(world, "tenant", f"/api/events?{name}={value}", "anonymous")

    assert wrong_paths(reply) == [name]


@pytest.mark.parametrize("q", ["", "%25", "_", "'", "\\", "';--", "%00", "%F0%9F%8E%AD", "a" * 2_000, "%ff", "\u0130"])
async def test_anything_can_be_searched_for(world: World, q: str) -> None:
    reply = await ask(world, "tenant", f"/api/events?q={q}", "anonymous")

    assert reply.status == 200


async def test_filters_choose(world: World) -> None:
    name = (await ask(world, "tenant", f"/api/events/{world.acme.event}", "anonymous")).json["name"]

    async def found(query: str, role: str = "anonymous") -> list[str]:
        return [event["id"] for event in (await ask(world, "tenant", f"/api/events?{query}", role)).json["items"]]

    assert await found(f"q={name.replace(' ', '+')}") == [world.acme.event]
    assert await found("q=no+such+evening") == []
    assert world.acme.event in await found("from=2031-05-01T18:00:00Z&to=2031-05-01T18:00:01Z")
    assert world.acme.event not in await found("from=2031-05-01T18:00:01Z")
    assert await found("status=DRAFT") == []
    assert world.acme.draft in await found("status=DRAFT", "organizer")


async def test_a_parameter_that_nobody_knows_is_passed_over(world: World) -> None:
    reply = await ask(world, "tenant", "/api/events?utm_source=poster", "anonymous")

    assert reply.status == 200
