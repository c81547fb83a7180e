"""Organizers come, pause and stay apart."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.platform import Platform
from tests.support.waiting import eventually


async def suspend(platform: Platform, slug: str, method: str) -> int:
    operator = await platform.operator()
    listed = await platform.ask("GET", "/api/tenants", token=operator)
    tenant = next(each for each in listed.json["items"] if each["slug"] == slug)
    path = f"/api/tenants/{tenant['id']}/suspension"
    body: dict[str, str] | None = {} if method == "POST" else None
    return (await platform.ask(method, path, token=operator, json=body)).status


async def test_a_new_organizer_is_active_within_the_request_and_its_admin_gets_in(platform: Platform) -> None:
    slug = f"t{uuid4().hex[:12]}"

    made = await platform.onboard(slug)

    assert (made.status, made.json["status"]) == (201, "ACTIVE")
    assert await platform.token_of(slug, f"admin@{slug}.example")


async def test_of_two_onboardings_of_one_slug_at_once_one_wins(platform: Platform) -> None:
    slug = f"t{uuid4().hex[:12]}"

    replies = await asyncio.gather(*(platform.onboard(slug) for _ in range(2)))

    assert sorted(reply.status for reply in replies) == [201, 409]
    assert next(reply for reply in replies if reply.status == 409).code == "slug_taken"


async def test_an_onboarding_sent_twice_with_one_key_makes_one_tenant(platform: Platform) -> None:
    slug, key = f"t{uuid4().hex[:12]}", uuid4().hex

    first = await platform.onboard(slug, key=key)
    again = await platform.onboard(slug, key=key)

    assert (first.status, again.status) == (201, 201)
    assert first.json["id"] == again.json["id"]


async def test_an_unknown_organizer_is_a_page_for_a_person_and_a_problem_for_a_program(platform: Platform) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}

    page = await platform.ask("GET", "/", slug="nobody-here", headers=browser)
    problem = await platform.ask("GET", "/api/events", slug="nobody-here")

    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"<h1" in page.body
    assert (problem.status, problem.code) == (404, "tenant_not_found")


async def test_a_suspended_organizer_sells_nothing_until_resumed_and_buyers_keep_their_bookings(
    platform: Platform, slug: str
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)
    await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)

    assert await suspend(platform, slug, "POST") == 200

    async def closed_everywhere() -> bool:
        replies = [await platform.hold(slug, event, [1], guest=guest) for _ in range(6)]
        return {(reply.status, reply.code) for reply in replies} == {(403, "tenant_suspended")}

    await eventually(closed_everywhere, within=2)
    page = await platform.ask("GET", "/", slug=slug, headers={"Accept": "text/html"})
    own = await platform.ask("GET", f"/api/bookings/{booked.json['id']}", slug=slug, guest=guest)
    tickets = await platform.ask("GET", f"/api/bookings/{booked.json['id']}/tickets", slug=slug, guest=guest)
    assert (page.status, own.status, tickets.status) == (403, 200, 200)

    assert await suspend(platform, slug, "DELETE") in (200, 204)

    async def open_again() -> bool:
        return (await platform.ask("GET", "/api/events", slug=slug)).status == 200

    await eventually(open_again, within=2)


async def test_an_id_of_one_organizer_means_nothing_at_another(platform: Platform, slug: str) -> None:
    other = await platform.tenant()
    event = await platform.event(slug)
    guest, stranger = await platform.guest(slug), await platform.guest(other)
    held = await platform.hold(slug, event, [0], guest=guest)

    shown = await platform.ask("GET", f"/api/events/{event}", slug=other)
    hold = await platform.hold(other, event, [1], guest=stranger)
    seen = await platform.ask("GET", f"/api/holds/{held.json['id']}", slug=other, guest=stranger)
    booked = await platform.book(other, held.json["token"], guest=stranger)

    assert (shown.status, hold.status, seen.status) == (404, 404, 404)
    assert (booked.status, booked.code) == (422, "invalid_body")


@pytest.mark.parametrize("path", ["/internal/guests", "/internal/payments/methods", "/health/ready", "/metrics"])
async def test_inner_doors_are_not_reached_from_outside(platform: Platform, slug: str, path: str) -> None:
    for method in ("GET", "POST"):
        assert (await platform.ask(method, path, slug=slug)).status == 404
