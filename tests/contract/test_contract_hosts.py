"""Which tenant a request means is said by its Host alone, and what a host that does not serve says."""

import json
import time
from typing import Any

import pytest

from tests.contract.problems import problem, say
from tests.contract.world import World, key
from tests.support.platform import Platform
from tests.support.waiting import eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
PAGE = "text/html; charset=utf-8"


async def get(world: World, host: str, target: str = "/api/events", *extra: str) -> tuple[int, Any]:
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *extra, "Connection: close", "", ""]
    status, body = await say(world.platform, "\r\n".join(lines))
    return status, json.loads(body) if body.startswith(b"{") else body


@pytest.mark.parametrize("form", [
    "{slug}.localhost", "{slug}.localhost:{port}", "{SLUG}.LOCALHOST", "{slug}.localhost.", "{slug}.localhost.:{port}",
])  # fmt: skip
async def test_one_host_has_several_spellings(world: World, form: str) -> None:
    slug = world.acme.slug

    status, answer = await get(world, form.format(slug=slug, SLUG=slug.upper(), port=world.platform.port))

    assert status == 200
    assert world.acme.event in [event["id"] for event in answer["items"]]


@pytest.mark.parametrize("form", [
    "nobody.localhost", "localhost", "127.0.0.1", "{slug}.localhost.evil.example", "evil.{slug}.localhost",
    "{slug}.evil.example", "{slug}-.localhost", "xn--80ak.localhost", "platform.{slug}.localhost", "{long}.localhost",
])  # fmt: skip
async def test_a_host_that_nobody_has_is_not_found(world: World, form: str) -> None:
    status, answer = await get(world, form.format(slug=world.acme.slug, long="a" * 63))

    assert (status, answer["code"]) == (404, "tenant_not_found")


@pytest.mark.parametrize("host", [
    "", "a b", "acme.localhost, globex.localhost", "acme%00.localhost", "acme.localhost/x", "user@acme.localhost",
    "\u00e4.localhost", "[::1]", "a" * 300 + ".localhost", "acme.localhost:port",
])  # fmt: skip
async def test_what_cannot_be_a_host_is_a_bad_request(world: World, host: str) -> None:
    status, answer = await get(world, host)

    assert (status, answer["code"]) == (400, "bad_host")


async def test_two_hosts_are_none(world: World) -> None:
    acme, globex = world.acme.slug, world.globex.slug

    for hosts in ((acme, globex), (acme, acme)):
        status, answer = await get(world, f"{hosts[0]}.localhost", "/api/events", f"Host: {hosts[1]}.localhost")

        assert (status, answer["code"]) == (400, "bad_host")


async def test_no_host_at_all_is_a_bad_request(world: World) -> None:
    status, _ = await say(world.platform, "GET /api/events HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert status == 400


async def test_an_absolute_target_names_the_same_host(world: World) -> None:
    acme, globex, port = world.acme.slug, world.globex.slug, world.platform.port

    same = await get(world, f"{acme}.localhost:{port}", f"http://{acme}.localhost:{port}/api/events")
    other = await get(world, f"{acme}.localhost:{port}", f"http://{globex}.localhost:{port}/api/events")
    hidden = await get(world, f"{acme}.localhost:{port}", f"http://user@{globex}.localhost:{port}/api/events")

    assert same[0] == 200
    assert world.acme.event in [event["id"] for event in same[1]["items"]]
    assert (other[0], other[1]["code"]) == (400, "bad_host")
    assert hidden[0] == 400


async def test_an_absolute_target_may_be_spelled_as_the_host_may(world: World) -> None:
    slug, port = world.acme.slug, world.platform.port

    status, _ = await get(world, f"{slug}.localhost:{port}", f"http://{slug.upper()}.LocalHost.:{port}/api/events")

    assert status == 200


@pytest.mark.parametrize("path", ["/", "/events", "/api/events", "/.well-known/jwks.json"])
async def test_an_unknown_host_is_a_page_for_a_person_and_a_problem_for_a_program(world: World, path: str) -> None:
    page = await world.platform.ask("GET", path, slug="nobody", headers=BROWSER)
    program = await world.platform.ask("GET", path, slug="nobody", headers={"Accept": "application/json"})
    silent = await world.platform.ask("GET", path, slug="nobody")

    assert (page.status, page.headers["Content-Type"]) == (404, PAGE)
    assert problem(program) == (404, "tenant_not_found")
    assert problem(silent) == (404, "tenant_not_found")


async def suspend(platform: Platform, world: World, slug: str) -> str:
    """Suspend this tenant; its id."""
    tenant = str((await world.parts.directory.by_slug(slug)).id)
    reply = await platform.ask(
        "POST", f"/api/tenants/{tenant}/suspension", json={"mode": "drain"}, headers={**world.operator, **key()}
    )
    assert (reply.status, reply.json["status"]) == (200, "SUSPENDED")
    return tenant


async def test_a_suspension_works_within_two_seconds_in_every_process_and_ends_so(
    platform: Platform, world: World, slug: str
) -> None:
    async def all_answer(status: int) -> bool:
        replies = [await platform.ask("GET", "/api/events", slug=slug) for _ in range(12)]
        return {reply.status for reply in replies} == {status}

    assert await all_answer(200)

    tenant = await suspend(platform, world, slug)
    await eventually(lambda: all_answer(403), within=2)

    resumed = await platform.ask("DELETE", f"/api/tenants/{tenant}/suspension", headers=world.operator)
    assert resumed.status == 204
    await eventually(lambda: all_answer(200), within=2)


async def test_a_suspended_host_sells_nothing_but_keeps_its_word(platform: Platform, world: World, slug: str) -> None:
    event = await platform.event(slug)
    registered = await platform.register(slug)
    session = (await platform.login(slug, registered.json["email"])).json
    token = session["access_token"]
    first, second = [await platform.hold(slug, event, [seat], token=token) for seat in (0, 1)]
    booked = await platform.book(slug, first.json["token"], token=token)
    booking = await platform.until(slug, booked.json["id"], "CONFIRMED", token=token)
    await suspend(platform, world, slug)
    promised = time.monotonic() + 2  # until then a process may not have heard; which one answers is not ours to choose
    await eventually(lambda: time.monotonic() > promised)
    path = f"/api/bookings/{booking['id']}"
    kept = [
        await platform.ask("GET", "/api/bookings", slug=slug, token=token),
        await platform.ask("GET", path, slug=slug, token=token),
        await platform.ask("GET", f"{path}/tickets", slug=slug, token=token),
        await platform.ask("GET", "/api/auth/me", slug=slug, token=token),
        await platform.ask("POST", "/api/auth/refresh", slug=slug, json={"refresh_token": session["refresh_token"]}),
        await platform.ask("GET", "/.well-known/jwks.json", slug=slug),
        await platform.ask("GET", "/.well-known/ticket-keys.json", slug=slug),
    ]
    webhook = await platform.ask("POST", "/api/payments/webhooks/simulated", slug=slug, data=b"{}")
    person = {"email": registered.json["email"], "password": "x"}
    closed = [
        await platform.ask("GET", f"/api/events/{event}", slug=slug),
        await platform.ask("GET", f"/api/events/{event}/availability", slug=slug),
        await platform.hold(slug, event, [2], token=token),
        await platform.book(slug, second.json["token"], token=token),
        await platform.ask("POST", "/api/guests", slug=slug),
        await platform.ask("POST", "/api/auth/login", slug=slug, json=person),
        await platform.ask("POST", "/api/auth/logout", slug=slug, token=token),
        await platform.register(slug),
    ]
    pages = [await platform.ask("GET", path, slug=slug, headers=BROWSER) for path in ("/", "/api/events")]

    assert [reply.status for reply in kept] == [200] * 7
    assert problem(webhook) == (400, "bad_signature")
    assert [problem(reply) for reply in closed] == [(403, "tenant_suspended")] * 8
    assert [(page.status, page.headers["Content-Type"]) for page in pages] == [(403, PAGE)] * 2


@pytest.mark.parametrize(
    "path", ["/metrics", "/health/live", "/health/ready", "/internal/guests", "/internal/payments/methods"]
)
@pytest.mark.parametrize("host", ["tenant", "platform"])
async def test_inner_doors_do_not_exist_outside(world: World, host: str, path: str) -> None:
    slug = "platform" if host == "platform" else world.acme.slug

    for method in ("GET", "POST"):
        reply = await world.platform.ask(method, path, slug=slug, headers=world.operator if host == "platform" else {})

        assert problem(reply)[0] == 404
