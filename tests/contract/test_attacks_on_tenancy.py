"""Attacks on the walls between tenants, people and roles; each with a twin that shows that the way itself is open."""

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.doors import doors, filled, knock
from tests.contract.problems import problem, say
from tests.contract.world import DRAFT, World, inside, key
from tests.support.asgi import request
from tests.support.platform import Platform, Reply, plan
from tests.support.waiting import eventually


@pytest.mark.parametrize("role", ["guest", "customer", "admin"])
@pytest.mark.parametrize("name", doors("tenant"))
async def test_another_tenants_token_opens_no_door(world: World, name: str, role: str) -> None:
    """A1: every door of the document."""
    foreign = await knock(world, name, world.globex.who[role], world.acme.slug)
    own = await knock(world, name, world.acme.who["guest"], world.acme.slug)

    assert problem(foreign) == (403, "wrong_tenant")
    assert own.code != "wrong_tenant"


@pytest.mark.parametrize(("form", "code"), [
    ("{b}.localhost", 200), ("{b}.localhost.", 200), ("{B}.localhost:1", 200), ("{b}.localhost.evil.example", 404),
    ("evil.{b}.localhost", 404), ("{b}.localhost%00.evil.example", 400), ("{b}.localhost@evil.example", 400),
])  # fmt: skip
async def test_a_host_is_the_tenant_that_is_read_in_it_or_none(world: World, form: str, code: int) -> None:
    """A2: with the token of acme; 403 would be the answer of globex, and it must come exactly where globex is meant."""
    slug = world.globex.slug
    host = form.format(b=slug, B=slug.upper())
    lines = ["GET /api/events HTTP/1.1", f"Host: {host}", "Connection: close"]

    plain, _ = await say(world.platform, "\r\n".join([*lines, "", ""]))
    token = world.acme.who["customer"]["Authorization"]
    foreign, _ = await say(world.platform, "\r\n".join([*lines, f"Authorization: {token}", "", ""]))

    assert plain == code
    assert foreign == (403 if code == 200 else code)


@pytest.mark.parametrize("name", [
    "X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Tenant-Id", "X-Tenant", "Forwarded", "X-Original-URL",
    "X-Rewrite-URL", "X-User-Id", "X-User-Role",
])  # fmt: skip
async def test_no_other_field_names_the_tenant_or_the_caller(world: World, name: str) -> None:
    """A3."""
    globex = world.globex
    values = [
        f"{globex.slug}.localhost",
        f"host={globex.slug}.localhost",
        globex.id,
        globex.slug,
        "/api/bookings",
        "ADMIN",
    ]

    plain = await world.platform.ask("GET", "/api/events", slug=world.acme.slug)
    for value in values:
        pretended = await world.platform.ask("GET", "/api/events", slug=world.acme.slug, headers={name: value})
        person = await world.platform.ask("GET", "/api/auth/me", slug=world.acme.slug, headers={name: value})

        assert (pretended.status, [event["id"] for event in pretended.json["items"]]) == (
            200, [event["id"] for event in plain.json["items"]],
        )  # fmt: skip
        assert problem(person) == (401, "unauthenticated")


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_no_other_field_names_the_method(world: World, name: str) -> None:
    """A3."""
    who = world.acme.who["customer"]
    wish = {"best_available": {"quantity": 1}}
    held = await world.platform.ask(
        "POST", f"/api/events/{world.acme.event}/holds", slug=world.acme.slug, json=wish, headers=who
    )
    path = f"/api/holds/{held.json['id']}"

    overridden = await world.platform.ask("GET", path, slug=world.acme.slug, headers={**who, name: "DELETE"})
    still_there = await world.platform.ask("GET", path, slug=world.acme.slug, headers=who)
    deleted = await world.platform.ask("DELETE", path, slug=world.acme.slug, headers=who)

    assert (overridden.status, still_there.status, deleted.status) == (200, 200, 204)


async def test_a_service_believes_no_gateway(world: World) -> None:
    """A4: straight at a service, with the fields that a gateway might have added."""
    host = f"{world.acme.slug}.localhost"
    me = await world.platform.ask("GET", "/api/auth/me", slug=world.acme.slug, headers=world.acme.who["customer"])
    forged = {"X-User-Id": me.json["id"], "X-User-Role": "ADMIN", "X-Tenant-Id": world.acme.id}

    for name, method, path in (
        ("bookings", "GET", "/api/bookings"),
        ("events", "POST", "/api/events"),
        ("auth", "POST", "/internal/guests"),
        ("payments", "GET", "/internal/payments/methods"),
    ):
        answer = await request(world.parts.apps[name], method, path, host=host, headers=forged)

        assert answer is not None
        assert (answer.status, answer.code) == (401, "unauthenticated")
    served = await request(
        world.parts.apps["bookings"], "GET", "/api/bookings", host=host, headers=world.acme.who["customer"]
    )
    assert served is not None
    assert served.status == 200


async def test_a_users_token_opens_no_inner_door(world: World) -> None:
    """A4: straight at a service, with a good token of an admin."""
    host = f"{world.acme.slug}.localhost"

    answer = await request(
        world.parts.apps["payments"], "GET", "/internal/payments/methods", host=host, headers=world.acme.who["admin"]
    )
    own = await world.parts.peers("bookings").call(
        "payments", "GET", "/internal/payments/methods", tenant=await world.parts.directory.by_slug(world.acme.slug)
    )

    assert answer is not None
    assert (answer.status, answer.code) == (403, "forbidden")
    assert own.status == 200


async def at_acme(world: World, name: str, role: str, body: Any, ids: dict[str, str] | None = None) -> Reply:
    method, path = filled(name, ids)
    headers = {**world.acme.who[role], **key()}
    return await world.platform.ask(method, path, slug=world.acme.slug, json=body, headers=headers)


async def foreign_ids(world: World) -> dict[str, str]:
    """What exists at globex, under the names of path parameters."""
    globex = world.globex
    wish = {"best_available": {"quantity": 1}}
    path = f"/api/events/{globex.event}/holds"
    held, kept = [
        await world.platform.ask("POST", path, slug=globex.slug, json=wish, headers=globex.who["customer"])
        for _ in range(2)
    ]
    body = {
        "hold_token": held.json["token"], "payment_method": "pm_card_visa",
        "contact": {"email": "bea@buyers.example", "name": "Bea"},
    }  # fmt: skip
    booked = await world.platform.ask(
        "POST", "/api/bookings", slug=globex.slug, json=body, headers={**globex.who["customer"], **key()}
    )
    return {
        "event_id": globex.event, "hold_id": kept.json["id"], "booking_id": booked.json["id"],
        "name": "0" * 64 + ".json", "hold_token": kept.json["token"],
    }  # fmt: skip


WITH_IDS = [
    ("GET /api/events/{event_id}", None), ("GET /api/events/{event_id}/offers", None),
    ("GET /api/events/{event_id}/availability", None), ("POST /api/events/{event_id}/holds", {"seats": [0]}),
    ("PATCH /api/events/{event_id}", {"name": "Mine"}), ("PUT /api/events/{event_id}/seat-plan", plan(1, 2)),
    ("POST /api/events/{event_id}/publication", None), ("GET /api/holds/{hold_id}", None),
    ("PUT /api/holds/{hold_id}/seats", {"seats": [0]}), ("POST /api/holds/{hold_id}/extension", None),
    ("DELETE /api/holds/{hold_id}", None), ("GET /api/bookings/{booking_id}", None),
    ("GET /api/bookings/{booking_id}/tickets", None), ("POST /api/bookings/{booking_id}/cancellation", None),
    ("GET /api/bookings/{booking_id}/cancellation", None),
    ("POST /api/bookings/{booking_id}/payments", {"payment_method": "pm_card_visa"}),
]  # fmt: skip


async def test_another_tenants_ids_are_ids_that_nobody_has(world: World) -> None:
    """A5: an admin of acme gets the same answer for an id of globex as for one out of thin air."""
    ids = await foreign_ids(world)
    globex = world.globex
    for name, body in WITH_IDS:
        foreign = await at_acme(world, name, "admin", body, ids)
        unknown = await at_acme(world, name, "admin", body)

        assert foreign.status == unknown.status == 404, (name, foreign)
        assert foreign.body == unknown.body
        assert foreign.headers.keys() == unknown.headers.keys()
    seen = await world.platform.ask(
        "GET", f"/api/holds/{ids['hold_id']}", slug=globex.slug, headers=globex.who["customer"]
    )
    assert seen.status == 200


async def test_another_tenants_hold_token_and_cursor_are_worth_nothing(world: World) -> None:
    """A5: ids in bodies and cursors."""
    ids = await foreign_ids(world)
    acme, globex = world.acme, world.globex
    for _ in range(2):
        await world.platform.ask(
            "POST", "/api/events", slug=globex.slug, json=DRAFT, headers={**globex.who["admin"], **key()}
        )
    page = await world.platform.ask("GET", "/api/events?limit=1", slug=globex.slug, headers=globex.who["admin"])
    body = {
        "hold_token": ids["hold_token"], "payment_method": "pm_card_visa",
        "contact": {"email": "bea@buyers.example", "name": "Bea"},
    }  # fmt: skip

    booked = await world.platform.ask(
        "POST", "/api/bookings", slug=acme.slug, json=body, headers={**acme.who["customer"], **key()}
    )
    path = f"/api/events?cursor={page.json['next_cursor']}"
    listed = await world.platform.ask("GET", path, slug=acme.slug, headers=acme.who["admin"])
    theirs = await world.platform.ask("GET", path, slug=globex.slug, headers=globex.who["admin"])

    assert problem(booked) == (422, "invalid_body")
    assert not {event["id"] for event in listed.json["items"]} & {event["id"] for event in theirs.json["items"]}
    assert theirs.json["items"]


async def test_another_buyers_things_are_things_that_nobody_has(world: World) -> None:
    """A6: same tenant; even its admin has no buyer's door to somebody else's booking."""
    acme = world.acme
    made = await world.platform.ask(
        "POST", f"/api/events/{acme.event}/holds", slug=acme.slug, json={"best_available": {"quantity": 1}},
        headers=acme.who["customer"],
    )  # fmt: skip
    ids = {"booking_id": world.confirmed, "hold_id": made.json["id"]}
    names = [(name, body) for name, body in WITH_IDS if "hold_id" in name or "booking_id" in name]
    for role in ("guest", "scanner", "admin"):
        for name, body in names:
            other = await at_acme(world, name, role, body, ids)
            unknown = await at_acme(world, name, role, body)

            assert (other.status, other.body) == (404, unknown.body), (name, role)
        token = await book(world, made.json["token"], acme.who[role])
        assert token.status == 404
    mine = [
        await at_acme(world, f"GET /api/{path}", "customer", None, ids)
        for path in ("bookings/{booking_id}", "bookings/{booking_id}/tickets", "holds/{hold_id}")
    ]
    assert [reply.status for reply in mine] == [200] * 3


async def book(world: World, token: str, who: dict[str, str]) -> Reply:
    body = {
        "hold_token": token, "payment_method": "pm_card_visa", "contact": {"email": "eve@x.example", "name": "Eve"}
    }  # fmt: skip
    return await world.platform.ask("POST", "/api/bookings", slug=world.acme.slug, json=body, headers={**who, **key()})


async def test_a_suspension_reaches_a_buyer_in_the_middle(platform: Platform, world: World, slug: str) -> None:
    """A7: with a token that every process has verified, and a hold that was taken in time."""
    event = await platform.event(slug)
    token = await platform.buyer(slug)
    held = [await platform.hold(slug, event, [seat], token=token) for seat in range(12)]
    first = await platform.book(slug, held.pop().json["token"], token=token)
    tenant = (await world.parts.directory.by_slug(slug)).id
    await platform.ask("POST", f"/api/tenants/{tenant}/suspension", json={}, headers={**world.operator, **key()})
    refused: list[Reply] = []

    async def both_processes_refuse() -> bool:
        replies = [await platform.ask("GET", f"/api/events/{event}", slug=slug, token=token) for _ in range(12)]
        return {reply.status for reply in replies} == {403}

    await eventually(both_processes_refuse, within=2)
    for hold in held:
        refused.append(await platform.book(slug, hold.json["token"], token=token))

    assert first.status == 202
    assert {problem(reply) for reply in refused} == {(403, "tenant_suspended")}


async def test_everything_in_valkey_belongs_to_one_tenant_by_its_name(world: World) -> None:
    """A8: no key without the id of the tenant whose it is, so that equal ids and names cannot meet."""
    known = {str(tenant.id) for tenant in world.parts.directory.all()} | {"platform"}
    for at in (world.acme, world.globex):
        await world.platform.hold(at.slug, at.event, [1_990])

    keys = [name.decode() async for name in world.parts.valkey.scan_iter(count=1_000)]

    owned = [name for name in keys if re.match(r"^(?:\{([^}]+)\}:|rl:[a-z_]+:([^:]+))", name)]
    assert {name for name in keys if name not in owned and not name.startswith("tenants:")} == set()
    assert all(any(tenant in name for tenant in known) for name in owned)
    assert len([name for name in owned if ":held:" in name]) >= 2


async def test_one_seat_number_is_two_seats_at_two_tenants(world: World) -> None:
    """A8."""
    held = [await world.platform.hold(at.slug, at.event, [1_980]) for at in (world.acme, world.globex)]
    again = await world.platform.hold(world.acme.slug, world.acme.event, [1_980])

    assert [reply.status for reply in held] == [201, 201]
    assert again.status == 409


async def test_a_tenants_name_never_becomes_more_than_a_name(platform: Platform, world: World) -> None:
    """A10: what a slug may hold reaches the database as the schema's name and nothing else."""
    for slug in ('x"; set role postgres; --', "x', 'y", "a-b;drop", "$user", "public,a", "a\\b", "t--"):
        body = {"slug": slug, "name": slug, "admin": {"email": "a@b.example", "password": "correct-horse-battery",
                                                      "first_name": "A", "last_name": "B"}}  # fmt: skip
        refused = await platform.ask("POST", "/api/tenants", json=body, headers={**world.operator, **key()})
        assert refused.status == 422, slug
    slug = f"a--b-{uuid4().hex[:8]}"

    made = await platform.onboard(slug)

    async def active() -> bool:
        return (await platform.ask("GET", "/api/events", slug=slug)).status == 200

    await eventually(active)
    async with inside(platform) as parts, parts.database.system() as db:
        schema: Any = await db.fetchval("SELECT schema_name FROM platform.tenants WHERE slug = $1", slug)
    assert made.status == 201
    assert re.fullmatch(r"tenant_[a-z0-9_]+", schema)
