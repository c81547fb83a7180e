"""Corner case 13: messages overtake each other between services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.support.crowd import at_rest
from tests.support.platform import Platform
from tests.support.waiting import eventually
from tests.support.withholding import withheld

PARKED = "SELECT count(*) FROM platform.retries WHERE grp = 'bookings' AND subject = $1 AND NOT dead"


async def book(platform: Platform, slug: str, event: str, guest: str) -> str:
    held = await platform.hold(slug, event, [0], guest=guest)
    return str((await platform.book(slug, held.json["token"], guest=guest)).json["id"])


async def test_a_payment_request_that_its_own_cancellation_overtook_charges_nothing(
    platform: Platform, slug: str, db: asyncpg.Connection
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)

    async with withheld(platform, slug, "BookingRequested") as requests:
        id = await book(platform, slug, event, guest)
        await platform.ask("POST", f"/api/bookings/{id}/cancellation", slug=slug, guest=guest, json={})
        booking = await platform.until(slug, id, "CANCELLED", guest=guest)
        overtaken = await requests.count()
        await requests.deliver()
        await at_rest(platform, slug)

    tenant = await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug)
    assert overtaken == 1
    assert booking["history"][-1]["trigger"] == "ATTEMPTS_RESOLVED"
    assert await db.fetchval("SELECT count(*) FROM simulator.charges WHERE tenant_id = $1", tenant) == 0
    assert (await platform.hold(slug, event, [0])).status == 201


async def test_a_payment_that_is_told_of_before_its_booking_is_known_waits_for_it(
    platform: Platform, slug: str, db: asyncpg.Connection
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)

    async with withheld(platform, slug, "PaymentCompleted") as news:
        id = await book(platform, slug, event, guest)
        await eventually(news.count)
        async with unknown(db, slug, id):
            await news.deliver()
            parked = await eventually(lambda: db.fetchval(PARKED, id))
        booking = await platform.until(slug, id, "CONFIRMED", guest=guest)

    await at_rest(platform, slug)
    assert parked == 1
    assert [step["trigger"] for step in booking["history"]] == ["REQUESTED", "PAID"]


@asynccontextmanager
async def unknown(db: asyncpg.Connection, slug: str, booking: str) -> AsyncIterator[None]:
    """For the length of a block nobody has heard of this booking: its saga is not there yet."""
    table = f'"tenant_{slug}".saga_state'
    saga = await db.fetchval(f"DELETE FROM {table} s WHERE id = $1::uuid RETURNING to_jsonb(s)::text", booking)
    try:
        yield
    finally:
        await db.execute(f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1::jsonb)", saga)
