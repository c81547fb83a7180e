"""Organizers come, pause and stay apart."""

from uuid import uuid4

import pytest

from tests.support.platform import Platform


async def test_a_new_organizer_is_active_within_the_request_and_its_admin_gets_in(platform: Platform) -> None:
    slug = f"t{uuid4().hex[:12]}"

    made = await platform.onboard(slug)

    assert (made.status, made.json["status"]) == (201, "ACTIVE")
    assert await platform.token_of(slug, f"admin@{slug}.example")


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
