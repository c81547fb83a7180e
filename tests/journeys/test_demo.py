"""The demo: there at the first start, kept at the second."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from boxoffice.demo.people import DEMO_PASSWORD, OPERATOR, TENANTS
from boxoffice.demo.programme import catalogue
from tests.support.platform import Platform, running_platform


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Platform]:
    async with running_platform(demo="1", web_processes="1") as running:
        yield running


async def programme(platform: Platform, slug: str) -> dict[str, dict[str, object]]:
    listed = await platform.ask("GET", "/api/events?limit=100", slug=slug)
    return {event["name"]: event for event in listed.json["items"]}


async def test_every_person_of_the_demo_gets_in(demo: Platform) -> None:
    assert (await demo.login("platform", OPERATOR.email, DEMO_PASSWORD)).status == 200
    for tenant in TENANTS:
        for person in (tenant.admin, *tenant.people):
            token = await demo.token_of(tenant.slug, person.email, DEMO_PASSWORD)
            shown = await demo.ask("GET", "/api/auth/me", slug=tenant.slug, token=token)
            assert shown.json["role"] == person.role


async def test_the_programme_shows_every_kind_of_sale(demo: Platform) -> None:
    for tenant in TENANTS:
        shown = await programme(demo, tenant.slug)
        assert shown.keys() >= {show.name for show in catalogue(tenant.slug, _today())}
    sales = {event["sale"] for event in (await programme(demo, "acme")).values()}
    assert sales >= {"open", "not_yet", "cancelled"}


async def test_what_is_sold_in_the_demo_is_sold_and_the_rest_can_be_bought(demo: Platform) -> None:
    nearly_full = next(show for show in catalogue("globex", _today()) if show.sold_share > 0.9)
    event = str((await programme(demo, "globex"))[nearly_full.name]["id"])
    counts = await demo.ask("GET", f"/api/events/{event}/availability", slug="globex")
    guest = await demo.guest("globex")

    held = await demo.ask(
        "POST", f"/api/events/{event}/holds", slug="globex", json={"best_available": {"quantity": 1}}, guest=guest
    )
    booked = await demo.book("globex", held.json["token"], guest=guest)
    await demo.until("globex", booked.json["id"], "CONFIRMED", guest=guest)

    assert counts.json["counts"]["sold"] > 0.9 * counts.json["seats"]
    assert held.status == 201


async def test_a_second_start_seeds_nothing_and_keeps_what_was_done(demo: Platform) -> None:
    before = {slug: await programme(demo, slug) for slug in ("acme", "globex")}
    await demo.stop()
    demo.output.write_text("")

    await demo.start()

    after = {slug: await programme(demo, slug) for slug in ("acme", "globex")}
    assert after == before


def _today() -> date:
    return datetime.now(UTC).date()
