"""Idempotency-Key: the same request again has the same outcome, whatever door it knocks at."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem
from tests.contract.world import DRAFT, World
from tests.support.platform import Reply, plan

BAD_KEYS = ["", " ", "a b", "a" * 256, "t\u00f6ne", "a\tb"]


async def post(world: World, path: str, role: str, key: str | None, json: Any = None, host: str = "tenant") -> Reply:
    slug = "platform" if host == "platform" else world.acme.slug
    headers = dict(world.roles(host)[role]) | ({} if key is None else {"Idempotency-Key": key})
    return await world.platform.ask("POST", path, slug=slug, json=json, headers=headers)


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("path", ["/api/bookings", "/api/events", "/api/guests"])
async def test_a_key_is_1_to_255_visible_characters(world: World, path: str, key: str) -> None:
    reply = await post(world, path, "admin", key, DRAFT if path == "/api/events" else {})

    assert problem(reply) == (400, "idempotency_key_invalid")


async def test_a_key_of_255_visible_characters_is_taken(world: World) -> None:
    reply = await post(world, "/api/events", "admin", "!~" + uuid4().hex * 7 + "a" * 29, DRAFT)

    assert reply.status == 201


@pytest.mark.parametrize(("host", "path", "role"), [
    ("tenant", "/api/bookings", "customer"), ("platform", "/api/tenants", "operator"),
    ("tenant", f"/api/bookings/{uuid4()}/refunds", "organizer"),
])  # fmt: skip
async def test_some_doors_need_a_key(world: World, host: str, path: str, role: str) -> None:
    reply = await post(world, path, role, None, {}, host)

    assert problem(reply) == (400, "idempotency_key_required")


async def test_a_key_is_ignored_where_nobody_is_known_and_at_signing_in(world: World) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    seats = [{"best_available": {"quantity": 1}}] * 2

    held = [await post(world, path, "anonymous", "a b", wish) for wish in seats]
    guests = [await post(world, "/api/guests", "anonymous", "same") for _ in range(2)]
    refused = await post(world, "/api/auth/login", "anonymous", "a b", {"email": "a@b.example", "password": "x"})

    assert [reply.status for reply in (*held, *guests)] == [201] * 4
    assert held[0].json["id"] != held[1].json["id"]
    assert guests[0].json["guest_token"] != guests[1].json["guest_token"]
    assert problem(refused) == (401, "bad_credentials")


async def repeated(
    world: World, path: str, role: str, body: Any, other: Any, status: int, host: str = "tenant"
) -> tuple[Reply, Reply]:
    """Sent twice with one key it answers the same; with another body it is refused."""
    key = uuid4().hex

    first = await post(world, path, role, key, body, host)
    again = await post(world, path, role, key, body, host)
    reused = await post(world, path, role, key, other, host) if other is not None else None

    assert (first.status, again.status) == (status, status), (first, again)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    if reused is not None:
        assert problem(reused) == (422, "key_reused")
    return first, again


async def test_a_draft_is_made_once(world: World) -> None:
    first, again = await repeated(world, "/api/events", "admin", DRAFT, {**DRAFT, "name": "Another"}, 201)

    assert first.json == again.json


async def test_an_event_is_published_once(world: World) -> None:
    draft = (await post(world, "/api/events", "admin", None, DRAFT)).json["id"]
    path = f"/api/events/{draft}"
    await world.platform.ask(
        "PUT", f"{path}/seat-plan", slug=world.acme.slug, json=plan(1, 2), headers=world.acme.who["admin"]
    )

    first, again = await repeated(world, f"{path}/publication", "admin", None, None, 202)

    assert first.json["id"] == again.json["id"] == draft


@pytest.mark.parametrize("role", ["guest", "customer"])
async def test_seats_are_held_once(world: World, role: str) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    wish = {"best_available": {"quantity": 2}}

    first, again = await repeated(world, path, role, wish, {"best_available": {"quantity": 1}}, 201)

    assert {name: first.json[name] for name in ("id", "seats", "expires_at", "total_minor", "token")} == {
        name: again.json[name] for name in ("id", "seats", "expires_at", "total_minor", "token")
    }


async def test_two_wishes_with_one_key_at_once_hold_once(world: World) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    key = uuid4().hex

    replies = await asyncio.gather(
        *(post(world, path, "customer", key, {"best_available": {"quantity": 2}}) for _ in range(8))
    )

    held = [reply for reply in replies if reply.status == 201]
    assert held
    assert len({reply.json["id"] for reply in held}) == 1
    assert all((reply.status, reply.code) == (409, "in_flight") for reply in replies if reply not in held)


async def test_a_refused_wish_frees_its_key(world: World) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    taken = (await post(world, path, "guest", None, {"best_available": {"quantity": 1}})).json
    key = uuid4().hex
    wish = {"seats": [taken["seats"][0]["seat_no"]]}

    refused = await post(world, path, "customer", key, wish)
    await world.platform.ask(
        "DELETE", f"/api/holds/{taken['id']}", slug=world.acme.slug, headers=world.acme.who["guest"]
    )
    held = await post(world, path, "customer", key, wish)

    assert problem(refused) == (409, "seat_unavailable")
    assert held.status == 201


async def test_a_hold_is_extended_once(world: World) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    hold = (await post(world, path, "customer", None, {"best_available": {"quantity": 1}})).json["id"]

    first, again = await repeated(world, f"/api/holds/{hold}/extension", "customer", None, None, 200)

    assert first.json["expires_at"] == again.json["expires_at"]


async def test_a_guest_is_made_once_for_who_asks(world: World) -> None:
    first, again = await repeated(world, "/api/guests", "customer", None, None, 201)

    assert first.json["guest_id"] == again.json["guest_id"]


async def test_a_booking_is_made_once(world: World) -> None:
    path = f"/api/events/{world.acme.event}/holds"
    token = (await post(world, path, "customer", None, {"best_available": {"quantity": 1}})).json["token"]
    body = {
        "hold_token": token, "payment_method": "pm_card_visa",
        "contact": {"email": "bea@buyers.example", "name": "Bea"},
    }  # fmt: skip

    first, again = await repeated(
        world, "/api/bookings", "customer", body, {**body, "payment_method": "pm_sim_slow"}, 202
    )

    assert first.json["id"] == again.json["id"]


async def test_a_tenant_is_suspended_once(world: World) -> None:
    path = f"/api/tenants/{world.spare.id}/suspension"

    first, again = await repeated(world, path, "operator", {"mode": "drain"}, None, 200, "platform")
    await world.platform.ask("DELETE", path, headers=world.operator)

    assert first.json["status"] == again.json["status"] == "SUSPENDED"


async def test_one_key_serves_every_caller_and_door_by_itself(world: World) -> None:
    key = uuid4().hex
    path = f"/api/events/{world.acme.event}/holds"
    wish = {"best_available": {"quantity": 1}}

    mine = await post(world, path, "customer", key, wish)
    yours = await post(world, path, "guest", key, wish)
    elsewhere = await post(world, "/api/guests", "customer", key)
    theirs = await world.platform.ask(
        "POST", f"/api/events/{world.globex.event}/holds", slug=world.globex.slug, json=wish, key=key,
        headers=world.globex.who["customer"],
    )  # fmt: skip

    assert [reply.status for reply in (mine, yours, elsewhere, theirs)] == [201] * 4
    assert len({reply.json["id"] for reply in (mine, yours, theirs)}) == 3
