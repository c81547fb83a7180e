"""What every door says to a body or a path that it cannot take."""

import json
from typing import Any

import pytest

from tests.contract.problems import problem, say, wrong_paths
from tests.contract.world import DRAFT, World

ONE_OF_EACH = [
    ("POST", "/api/events", "admin"), ("POST", "/api/events/{event}/holds", "anonymous"),
    ("POST", "/api/bookings", "customer"), ("POST", "/api/auth/login", "anonymous"),
    ("POST", "/api/auth/register", "anonymous"), ("POST", "/api/auth/refresh", "anonymous"),
]  # fmt: skip
MALFORMED = {
    "cut off": b'{"name": "A', "not JSON": b"name=A", "two values": b"{} {}", "not UTF-8": b'{"name": "\xff"}',
    "NaN": b'{"name": NaN}', "Infinity": b'{"name": -Infinity}', "a member twice": b'{"name": "A", "name": "B"}',
    "NUL": b'{"name": "A\\u0000"}', "too deep": b"[" * 100_000, "a long integer": b'{"name": ' + b"9" * 5_000 + b"}",
}  # fmt: skip


async def ask(world: World, method: str, path: str, role: str = "anonymous", **sent: Any) -> Any:
    acme = world.acme
    headers = {**world.roles("tenant")[role], "Idempotency-Key": "of-this-test", **sent.pop("headers", {})}
    return await world.platform.ask(
        method, path.replace("{event}", acme.event), slug=acme.slug, headers=headers, **sent
    )  # fmt: skip


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize(("method", "path", "role"), ONE_OF_EACH)
async def test_what_is_not_json_is_a_malformed_body(world: World, method: str, path: str, role: str, what: str) -> None:
    reply = await ask(world, method, path, role, data=MALFORMED[what], headers=JSON)

    assert problem(reply) == (400, "malformed_body")


@pytest.mark.parametrize("data", [b"", b'{"name": "\\ud800"}'], ids=["nothing", "half a character"])
async def test_neither_is_nothing_nor_half_a_character(world: World, data: bytes) -> None:
    reply = await ask(world, "POST", "/api/events", "admin", data=data, headers=JSON)

    assert problem(reply) == (400, "malformed_body")


@pytest.mark.parametrize(("method", "path", "role"), ONE_OF_EACH)
async def test_a_field_that_nobody_knows_is_named(world: World, method: str, path: str, role: str) -> None:
    reply = await ask(world, method, path, role, json={"surprise": 1})

    assert problem(reply) == (422, "invalid_body")
    assert wrong_paths(reply)


async def test_the_place_of_a_bad_value_is_named_as_a_path(world: World) -> None:
    categories = [*DRAFT["categories"], {"key": "b", "name": "B", "price_minor": "free"}]

    reply = await ask(world, "POST", "/api/events", "admin", json={**DRAFT, "categories": categories})

    assert problem(reply) == (422, "invalid_body")
    assert wrong_paths(reply) == ["categories[1].price_minor"]


async def test_the_place_of_a_bad_seat_is_named_as_a_path(world: World) -> None:
    seats = [{"number": "1", "category": "all", "xy": [0, 0]}, {"number": "2", "category": 7, "xy": [1, 1]}]
    plan = {
        "format": "seatplan/1", "name": "Hall", "categories": [{"key": "all", "name": "All", "color": "#0072B2"}],
        "zones": [{"kind": "seats", "key": "a", "name": "A", "rows": [{"label": "1", "seats": seats}]}],
    }  # fmt: skip

    reply = await ask(world, "PUT", f"/api/events/{world.acme.draft}/seat-plan", "admin", json=plan)

    assert reply.status == 422
    assert [path for path in wrong_paths(reply) if path.startswith("zones[0].rows[0]")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", None])
async def test_only_json_is_a_body(world: World, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {"Content-Type": ""}

    reply = await ask(world, "POST", "/api/events", "admin", data=json.dumps(DRAFT).encode(), headers=headers)

    assert problem(reply) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
async def test_json_is_known_by_all_its_names(world: World, kind: str) -> None:
    data = json.dumps(DRAFT).encode()

    reply = await ask(
        world, "POST", "/api/events", "admin", data=data, headers={"Content-Type": kind, "Idempotency-Key": kind[:13]}
    )

    assert reply.status == 201


async def test_a_packed_body_is_not_unpacked(world: World) -> None:
    reply = await ask(
        world, "POST", "/api/events", "admin", data=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"}
    )

    assert problem(reply) == (415, "unsupported_media_type")


async def test_a_body_over_256_kib_is_too_large(world: World) -> None:
    exact = b'{"name": "' + b"a" * (256 * 1024 - 12) + b'"}'

    most = await ask(world, "POST", "/api/events", "admin", data=exact, headers=JSON)
    more = await ask(world, "POST", "/api/events", "admin", data=exact + b" ", headers=JSON)

    assert len(exact) == 256 * 1024
    assert problem(most) == (422, "invalid_body")
    assert problem(more) == (413, "too_large")


async def test_a_seat_plan_may_have_16_mib(world: World) -> None:
    path = f"/api/events/{world.acme.draft}/seat-plan"
    megabyte = 1024 * 1024

    most = await ask(world, "PUT", path, "admin", data=b" " * (16 * megabyte), headers=JSON)
    more = await ask(world, "PUT", path, "admin", data=b" " * (16 * megabyte + 1), headers=JSON)

    assert problem(most) == (400, "malformed_body")
    assert problem(more) == (413, "too_large")


async def test_a_body_of_unsaid_length_is_counted_as_it_comes(world: World) -> None:
    head = (
        f"POST /api/auth/login HTTP/1.1\r\nHost: {world.acme.slug}.localhost\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    status, body = await say(world.platform, head.encode() + chunk * 5 + b"0\r\n\r\n")

    assert (status, json.loads(body)["code"]) == (413, "too_large")


@pytest.mark.parametrize("slug", ["platform", "acme"])
@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/events/x/y/z", "/api/events/not-an-id", "/api/events/",
                                  "/.well-known/nothing", "/API/events", "/api//events"])  # fmt: skip
async def test_an_unknown_path_is_not_found(world: World, slug: str, path: str) -> None:
    slug = world.acme.slug if slug == "acme" else slug

    reply = await world.platform.ask("GET", path, slug=slug)

    assert problem(reply) == (404, "not_found")


@pytest.mark.parametrize(("slug", "path", "allowed"), [
    ("acme", "/api/events", "GET, HEAD, POST"), ("acme", "/api/events/{event}", "GET, HEAD, PATCH"),
    ("acme", "/api/bookings", "GET, HEAD, POST"), ("acme", "/api/auth/login", "POST"),
    ("acme", "/api/guests", "POST"), ("acme", "/.well-known/jwks.json", "GET, HEAD"),
    ("acme", "/api/events/{event}/seat-plan", "PUT"),
    ("platform", "/api/tenants", "GET, HEAD, POST"), ("platform", "/api/auth/me", "GET, HEAD"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_a_wrong_method_is_told_which_are_right(
    world: World, slug: str, path: str, allowed: str, method: str
) -> None:
    slug = world.acme.slug if slug == "acme" else slug

    reply = await world.platform.ask(method, path.replace("{event}", world.acme.event), slug=slug)

    assert problem(reply) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == allowed


async def test_a_head_request_is_answered_like_a_get_without_the_body(world: World) -> None:
    for path in ("/api/events", f"/api/events/{world.acme.event}", f"/api/events/{world.acme.event}/offers"):
        get = await world.platform.ask("GET", path, slug=world.acme.slug)
        head = await world.platform.ask("HEAD", path, slug=world.acme.slug)

        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
