"""Corner case 8: a consumer starts again and gets messages it has handled before, on whichever bus."""

import asyncpg

from tests.support import carried
from tests.support.crowd import Crowd, at_rest, database_url
from tests.support.mail_server import TinyMailServer
from tests.support.platform import Platform

EFFECTS = """
    SELECT (SELECT count(*) FROM carried WHERE tenant_id = $1) AS messages,
           (SELECT count(*) FROM "tenant_{slug}".bookings) AS bookings,
           (SELECT count(*) FROM "tenant_{slug}".payments) AS payments,
           (SELECT count(*) FROM "tenant_{slug}".refunds) AS refunds,
           (SELECT count(*) FROM "tenant_{slug}".ledger_entries) AS ledger_entries,
           (SELECT count(*) FROM "tenant_{slug}".tickets) AS tickets,
           (SELECT count(*) FROM "tenant_{slug}".saga_log) AS steps,
           (SELECT count(*) FROM "tenant_{slug}".notifications) AS notifications,
           (SELECT count(*) FROM simulator.charges WHERE tenant_id = $1) AS charges
"""


async def test_when_every_message_of_every_group_comes_again_nothing_happens_again(
    platform: Platform, slug: str, db: asyncpg.Connection, mail_server: TinyMailServer
) -> None:
    event = await platform.event(slug)
    crowd = await Crowd.gather(platform, slug, event, range(4), ["pm_card_visa", "pm_card_chargeDeclined"])
    await crowd.buy()
    await platform.until(slug, str(crowd.buyers[0].booking), "CONFIRMED", guest=crowd.buyers[0].guest)
    path = f"/api/bookings/{crowd.buyers[0].booking}/cancellation"
    await platform.ask("POST", path, slug=slug, guest=crowd.buyers[0].guest, json={})
    await at_rest(platform, slug)
    before = await effects(platform, slug)
    mails = len(mail_server.taken)

    await carried.read_again(db, platform.kafka)

    await at_rest(platform, slug)
    assert await effects(platform, slug) == before
    assert len(mail_server.taken) == mails
    assert sorted((await crowd.statuses()).values()) == ["CANCELLED", "CONFIRMED", "FAILED", "FAILED"]


async def effects(platform: Platform, slug: str) -> dict[str, int]:
    """How much there is of everything that a message could make twice."""
    db = await asyncpg.connect(database_url(platform))
    try:
        await carried.tell(db, platform.kafka)
        tenant = await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug)
        return dict(await db.fetchrow(EFFECTS.format(slug=slug), tenant))
    finally:
        await db.close()
