"""The operator's doors: onboarding, settings, suspension, and the mail that would have been sent."""

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import World, key
from tests.support.platform import PASSWORD, Reply
from tests.support.waiting import eventually

TENANT = {"id", "slug", "name", "plan", "status", "settings", "created_at"}
SETTINGS = {"hold_seconds": 600, "max_seats_per_booking": 10,
            "cancellation": {"free_until_hours": 24, "fee_percent": 0}}  # fmt: skip


async def ask(world: World, method: str, path: str, json: Any = None) -> Reply:
    return await world.platform.ask(method, path, json=json, headers={**world.operator, **key()})


def wish(slug: str, **changes: Any) -> dict[str, Any]:
    admin = {"email": "ada@new.example", "password": PASSWORD, "first_name": "Ada", "last_name": "Admin"}
    return {"slug": slug, "name": "New", "admin": admin, **changes}


async def test_a_tenant_has_every_field_of_the_contract(world: World) -> None:
    made = await ask(world, "POST", "/api/tenants", wish(f"n{uuid4().hex[:10]}"))
    shown = await ask(world, "GET", f"/api/tenants/{made.json['id']}")
    listed = await ask(world, "GET", "/api/tenants?limit=1")

    assert made.status == 201
    assert set(made.json) == set(shown.json) == set(listed.json["items"][0]) == TENANT
    assert made.json["status"] in ("ACTIVE", "PROVISIONING")
    assert made.json["plan"] == "standard"
    assert made.json["settings"].items() >= SETTINGS.items()
    assert listed.json["items"][0]["id"] == made.json["id"]


async def test_a_slug_is_taken_once(world: World) -> None:
    reply = await ask(world, "POST", "/api/tenants", wish(world.acme.slug))

    assert problem(reply) == (409, "slug_taken")


@pytest.mark.parametrize("slug", [
    "", "ab", "a" * 33, "Acme", "1acme", "-acme", "acme-", "ac me", "acme.x", "acm\u00e9", "acme\u0661", 'x"; set role',
    "pg_temp", "pg-temp", "public", "platform", "www", "api", "xn--80ak", "a" * 64, "ac/me", "ac\nme", "acme\n",
])  # fmt: skip
async def test_a_slug_that_cannot_be_is_refused(world: World, slug: str) -> None:
    reply = await ask(world, "POST", "/api/tenants", wish(slug))

    assert wrong_paths(reply) == ["slug"]


@pytest.mark.parametrize(("change", "path"), [
    ({"name": ""}, "name"), ({"name": "a\nb"}, "name"), ({"plan": "gold"}, "plan"), ({"status": "ACTIVE"}, "status"),
    ({"settings": {}}, "settings"), ({"schema": "public"}, "schema"),
])  # fmt: skip
async def test_a_tenant_that_cannot_be_is_refused(world: World, change: dict[str, Any], path: str) -> None:
    reply = await ask(world, "POST", "/api/tenants", wish(f"n{uuid4().hex[:10]}", **change))

    assert wrong_paths(reply) == [path]


@pytest.mark.parametrize(("name", "value"), [("email", "ada"), ("password", "short"), ("first_name", ""),
                                             ("last_name", "a\u0000b")])  # fmt: skip
async def test_an_admin_that_cannot_be_is_refused(world: World, name: str, value: str) -> None:
    body = wish(f"n{uuid4().hex[:10]}")
    body["admin"] = {**body["admin"], name: value}

    reply = await ask(world, "POST", "/api/tenants", body)

    assert reply.status in (400, 422)
    assert reply.status == 400 or wrong_paths(reply) == [f"admin.{name}"]


async def test_settings_change_one_by_one(world: World) -> None:
    path = f"/api/tenants/{world.spare.id}"

    first = await ask(world, "PATCH", path, {"settings": {"hold_seconds": 300}})
    second = await ask(world, "PATCH", path, {"name": "Renamed", "settings": {"cancellation": {"fee_percent": 5}}})
    shown = await ask(world, "GET", path)

    assert (first.status, second.status) == (200, 200)
    assert set(second.json) == TENANT
    assert shown.json["name"] == "Renamed"
    assert shown.json["settings"]["hold_seconds"] == 300
    assert shown.json["settings"]["cancellation"] == {"free_until_hours": 24, "fee_percent": 5}


@pytest.mark.parametrize(("settings", "path"), [
    ({"hold_seconds": 0}, "settings.hold_seconds"), ({"hold_seconds": 1801}, "settings.hold_seconds"),
    ({"max_seats_per_booking": 0}, "settings.max_seats_per_booking"),
    ({"cancellation": {"fee_percent": 101}}, "settings.cancellation.fee_percent"),
    ({"cancellation": {"free_until_hours": -1}}, "settings.cancellation.free_until_hours"),
    ({"surprise": 1}, "settings.surprise"), ({"rate_limits": {"nothing": 1}}, "settings.rate_limits"),
    ({"hold_seconds": "60"}, "settings.hold_seconds"), ({"search_path": "public"}, "settings.search_path"),
])  # fmt: skip
async def test_a_refused_change_changes_nothing(world: World, settings: dict[str, Any], path: str) -> None:
    before = await ask(world, "GET", f"/api/tenants/{world.spare.id}")

    reply = await ask(world, "PATCH", f"/api/tenants/{world.spare.id}", {"name": "Never", "settings": settings})

    after = await ask(world, "GET", f"/api/tenants/{world.spare.id}")
    assert wrong_paths(reply) == [path]
    assert after.json == before.json


async def test_an_unknown_tenant_is_not_found(world: World) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/suspension"), ("DELETE", "/suspension")):
        reply = await ask(world, method, f"/api/tenants/{uuid4()}{path}", None if method in ("GET", "DELETE") else {})

        assert problem(reply) == (404, "tenant_not_found")


async def test_mail_is_a_page_for_a_person_and_json_for_a_program(world: World) -> None:
    email = f"{uuid4().hex}@buyers.example"
    await world.platform.register(world.acme.slug, email)

    async def arrived() -> list[Any]:
        reply = await world.platform.ask("GET", f"/dev/mail?to={email}", headers={"Accept": "application/json"})
        items: list[Any] = reply.json["items"]
        return items

    [mail] = await eventually(arrived)
    page = await world.platform.ask("GET", f"/dev/mail?to={email}", headers={"Accept": "text/html"})
    plain = await world.platform.ask("GET", f"/dev/mail?to={email}")
    at_a_tenant = await world.platform.ask("GET", "/dev/mail", slug=world.acme.slug)

    assert set(mail) == {"id", "to", "subject", "text", "html", "at"}
    assert mail["to"] == email
    assert page.headers["Content-Type"] == plain.headers["Content-Type"] == "text/html; charset=utf-8"
    assert problem(at_a_tenant) == (404, "not_found")
