"""PostgreSQL dies under load: requests are told to come back later, and what was acknowledged is there when it does."""

import asyncio

from tests.support import invariants
from tests.support.crowd import Crowd, at_rest, database_url
from tests.support.platform import Platform, Reply
from tests.support.processes import frozen, kill, supervisor_of
from tests.support.waiting import eventually

BUYERS = 40
TOLD_BEFORE = 10


async def test_a_dead_database_is_503_until_it_is_back_by_itself(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=4, seats=10)
    crowd = await Crowd.gather(platform, slug, event, range(BUYERS), ["pm_card_visa", "pm_sim_lost_reply"])
    buying = asyncio.create_task(crowd.buy())
    await eventually(lambda: len(crowd.acknowledged) >= TOLD_BEFORE, within=30)

    with frozen(supervisor_of(platform.data)):  # or the database would be back before anybody noticed
        await kill([platform.server_pid("postmaster")])
        told = [str(buyer.booking) for buyer in crowd.acknowledged]
        during = await everything(platform, slug, event, crowd)
        await buying
    await crowd.buy_until_all_are_told()
    missing = await invariants.unknown(database_url(platform), slug, told)
    await at_rest(platform, slug)

    refusals = [*during, *crowd.refusals]
    assert [refusal for refusal in refusals if refusal.status != 503] == []
    assert refusals
    assert {int(refusal.headers["Retry-After"]) > 0 for refusal in refusals} == {True}
    assert missing == []
    assert set((await crowd.statuses()).values()) == {"CONFIRMED"}


async def everything(platform: Platform, slug: str, event: str, crowd: Crowd) -> list[Reply]:
    """One request of every kind that needs the database."""
    guest = crowd.buyers[0].guest
    return list(
        await asyncio.gather(
            platform.ask("GET", f"/api/events/{event}", slug=slug),
            platform.ask("GET", f"/api/events/{event}/availability", slug=slug),
            platform.ask("GET", "/api/bookings", slug=slug, guest=guest),
            platform.hold(slug, event, [BUYERS - 1], guest=guest),
            platform.login(slug, f"admin@{slug}.example"),
            platform.ask("GET", "/", slug=slug, headers={"Accept": "text/html"}),
        )
    )
