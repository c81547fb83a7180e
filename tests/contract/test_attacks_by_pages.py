"""Attacks through a browser that carries our cookies: another page's requests are not its user's wishes."""

import json

import pytest

from tests.contract.problems import problem
from tests.contract.world import DRAFT, World
from tests.support.platform import Reply


def cookie(world: World) -> str:
    return "__Host-access=" + world.acme.who["organizer"]["Authorization"].removeprefix("Bearer ")


def own(world: World) -> str:
    return f"http://{world.acme.slug}.localhost:{world.platform.port}"


async def draft(world: World, headers: dict[str, str]) -> Reply:
    return await world.platform.ask(
        "POST", "/api/events", slug=world.acme.slug, data=json.dumps(DRAFT).encode(),
        headers={"Cookie": cookie(world), "Content-Type": "application/json", **headers},
    )  # fmt: skip


async def test_our_own_page_may_write_with_its_cookies(world: World) -> None:
    """The twin of all that follow."""
    plain = await draft(world, {"Origin": own(world)})
    modern = await draft(world, {"Origin": own(world), "Sec-Fetch-Site": "same-origin"})

    assert (plain.status, modern.status) == (201, 201)


ORIGINS = [
    "http://evil.example", "http://{globex}.localhost:{port}", "http://platform.localhost:{port}", "null", None, "",
    "http://{acme}.localhost.evil.example:{port}", "http://evil.{acme}.localhost:{port}", "https://{acme}.localhost:{port}",
    "http://{acme}.localhost", "http://{acme}.localhost:{port}/", "http://{acme}.localhost:{port}.evil.example",
]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
async def test_another_page_may_not(world: World, origin: str | None) -> None:
    """C1: foreign, sibling, null and absent origins; sites of organizers are one site to a browser."""
    given = {} if origin is None else {
        "Origin": origin.format(acme=world.acme.slug, globex=world.globex.slug, port=world.platform.port)
    }  # fmt: skip

    reply = await draft(world, given)

    assert problem(reply) == (403, "wrong_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_browser_that_says_where_a_request_comes_from_is_believed(world: World, site: str) -> None:
    """C1."""
    reply = await draft(world, {"Origin": own(world), "Sec-Fetch-Site": site})

    assert problem(reply) == (403, "wrong_origin")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_cannot_send_what_looks_like_json(world: World, kind: str) -> None:
    """C1: with a foreign origin it is refused for that, with our own for being no JSON."""
    foreign = await draft(world, {"Origin": "http://evil.example", "Content-Type": kind})
    own_page = await draft(world, {"Origin": own(world), "Content-Type": kind})

    assert problem(foreign) == (403, "wrong_origin")
    assert problem(own_page) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/login", "/register", "/logout", "/session"])
async def test_the_storefronts_forms_need_our_own_origin_too(world: World, path: str) -> None:
    """C1: signing somebody in as somebody else is an attack as well."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://evil.example"}
    for headers in (form, {**form, "Cookie": cookie(world)}):
        reply = await world.platform.ask("POST", path, slug=world.acme.slug, data=b"email=a", headers=headers)

        assert reply.status == 403
        assert "Set-Cookie" not in reply.headers
    ours = await world.platform.ask(
        "POST", path, slug=world.acme.slug, data=b"email=a", headers={**form, "Origin": own(world)}
    )
    assert ours.status != 403


async def test_a_cookie_reads_but_another_tenants_does_not(world: World) -> None:
    """C1: a read needs no origin, and a cookie that strayed to another host is the wrong tenant's."""
    read = await world.platform.ask("GET", "/api/auth/me", slug=world.acme.slug, headers={"Cookie": cookie(world)})
    strayed = await world.platform.ask("GET", "/api/auth/me", slug=world.globex.slug, headers={"Cookie": cookie(world)})

    assert read.json["role"] == "ORGANIZER"
    assert problem(strayed) == (403, "wrong_tenant")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://{globex}.localhost:{port}", "http://{acme}.localhost.evil.example"],
)
async def test_no_other_origin_may_read_our_answers(world: World, origin: str) -> None:
    """C2: there is no CORS; and no answer may be read by a page of another origin."""
    headers = {
        "Origin": origin.format(acme=world.acme.slug, globex=world.globex.slug, port=world.platform.port),
        "Cookie": cookie(world), "Access-Control-Request-Method": "POST",
    }  # fmt: skip

    for method, path in (("GET", "/api/auth/me"), ("GET", "/api/events"), ("OPTIONS", "/api/events"), ("GET", "/")):
        reply = await world.platform.ask(method, path, slug=world.acme.slug, headers=headers)

        assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
