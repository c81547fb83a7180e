"""Corner case 4: a request to a subdomain where nobody sells."""

import pytest

from tests.support.platform import Platform

NOBODY: dict[str, set[tuple[int, str | None]]] = {  # nginx itself refuses what cannot be the name of a tenant
    "one": {(404, "tenant_not_found")},
    "services": {(404, "tenant_not_found"), (421, None)},
}


async def test_an_unknown_organizer_is_a_page_for_a_person_and_a_problem_for_a_program(platform: Platform) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}

    page = await platform.ask("GET", "/", slug="nobody-here", headers=browser)
    problem = await platform.ask("GET", "/api/events", slug="nobody-here")

    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"<h1" in page.body
    assert (problem.status, problem.code) == (404, "tenant_not_found")


@pytest.mark.parametrize("name", ["a", "9lives", "x" * 40, "tenant.acme", "public"])
async def test_what_could_never_be_an_organizer_is_none(platform: Platform, name: str) -> None:
    reply = await platform.ask("GET", "/api/events", headers={"Host": f"{name}.{platform.domain}"})

    assert (reply.status, reply.code) in NOBODY["services" if platform.in_services else "one"]


async def test_a_credential_of_one_organizer_does_not_make_another(platform: Platform, slug: str) -> None:
    token = await platform.token_of(slug, f"admin@{slug}.example")

    reply = await platform.ask("GET", "/api/events", slug=f"{slug}x", token=token)

    assert (reply.status, reply.code) == (404, "tenant_not_found")
