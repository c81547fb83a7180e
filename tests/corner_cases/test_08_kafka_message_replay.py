"""Corner case 8: a consumer starts again and gets messages it has handled before, on whichever bus."""

import asyncpg

from tests.support.crowd import Crowd, at_rest
from tests.support.mail_server import TinyMailServer
from tests.support.platform import Platform
from tests.support.waiting import eventually

REWIND = """
    UPDATE bus.assignment a SET committed = p.log_start, owner = NULL, gen = a.gen + 1, lease_until = NULL
      FROM bus.partition p WHERE (p.topic, p.part) = (a.topic, a.part)
"""
CAUGHT_UP = """
    SELECT NOT EXISTS (SELECT FROM bus.assignment a JOIN bus.partition p USING (topic, part)
                        WHERE a.committed < p.next_off)
"""
EFFECTS = """
    SELECT (SELECT count(*) FROM bus.log WHERE tenant_id = $1) AS messages,
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
    tenant = await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug)
    before = dict(await db.fetchrow(EFFECTS.format(slug=slug), tenant))
    mails = len(mail_server.taken)

    await db.execute(REWIND)
    await eventually(lambda: db.fetchval(CAUGHT_UP), within=30)

    await at_rest(platform, slug)
    assert dict(await db.fetchrow(EFFECTS.format(slug=slug), tenant)) == before
    assert len(mail_server.taken) == mails
    assert sorted((await crowd.statuses()).values()) == ["CANCELLED", "CONFIRMED", "FAILED", "FAILED"]
