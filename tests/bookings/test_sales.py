"""What bookings makes of the messages of events: inventories, changes in any order, ends of sales."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.bookings.inventory import sales
from boxoffice.bookings.inventory.sales import SaleRow
from boxoffice.kernel.ids import uuid7
from boxoffice.messages import EventCancelled, EventChanged, EventPublishing, InventoryReady, InventoryRefused
from boxoffice.seating.parse import parse
from tests.bookings.conftest import HALL, sale_of
from tests.bookings.till import Till
from tests.seating import plans
from tests.support.shop import Shop
from tests.support.traffic import published


async def row_of(shop: Shop, event_id: UUID) -> SaleRow | None:
    async with shop.database.transaction(shop.tenant) as tx:
        return await sales.load(tx, event_id)


async def offer(shop: Shop, document: Any) -> str:
    """Have a plan kept by events, as an organizer's draft would; its hash."""
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    answer = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", document, who=organizer)
    hash: str = answer.json["hash"]
    return hash


async def test_a_publication_told_twice_makes_one_inventory(shop: Shop) -> None:
    sale = sale_of(uuid7(), await offer(shop, HALL))

    for _ in range(2):
        await shop.hear("bookings", EventPublishing(event_id=sale.event_id, sale=sale))
        await shop.settle()

    row = await row_of(shop, sale.event_id)
    assert row is not None
    assert (row.status, row.seats) == ("ON_SALE", 40)
    async with shop.database.transaction(shop.tenant) as tx:
        count = await tx.db.fetchval("SELECT count(*) FROM seat_inventory WHERE event_id = $1", sale.event_id)
    assert count == 40


async def test_a_change_that_overtakes_the_publication_is_kept(shop: Shop) -> None:
    sale = sale_of(uuid7(), await offer(shop, HALL))
    later = msgspec.structs.replace(sale, name="New name", closes_at=sale.closes_at - timedelta(days=5))

    await shop.hear("bookings", EventChanged(event_id=sale.event_id, sale=later))
    await shop.hear("bookings", EventPublishing(event_id=sale.event_id, sale=sale))
    await shop.settle()

    row = await row_of(shop, sale.event_id)
    assert row is not None
    assert (row.status, row.sale.name, row.sale.closes_at) == ("ON_SALE", "New name", later.closes_at)


async def test_a_publication_that_was_refused_leaves_nothing_behind(shop: Shop) -> None:
    sale = sale_of(uuid7(), await offer(shop, HALL))
    await shop.hear("bookings", EventPublishing(event_id=sale.event_id, sale=sale))
    async with shop.database.transaction(shop.tenant) as tx:
        await tx.db.execute("UPDATE seat_plans SET document = '{}' WHERE hash = $1", sale.plan_hash)

    await shop.settle()
    other = plans.document(plans.standing(7, "Pit", "silver"), plans.zone(plans.row("1..3", "A")))
    again = msgspec.structs.replace(sale, plan_hash=await offer(shop, other))
    await shop.hear("bookings", EventPublishing(event_id=sale.event_id, sale=again))
    await shop.settle()

    told = await published(shop.database, shop.tenant, InventoryRefused, InventoryReady)
    assert [type(m) for m in told] == [InventoryRefused, InventoryReady]
    row = await row_of(shop, sale.event_id)
    assert row is not None
    assert (row.sale.plan_hash, row.seats) == (parse(other).hash, 10)


async def test_a_cancelled_event_is_not_on_sale_and_stays_so(till: Till) -> None:
    await till.shop.hear("bookings", EventCancelled(event_id=till.event_id, name="An evening with strings"))
    row = await row_of(till.shop, till.event_id)
    assert row is not None

    await till.shop.hear("bookings", EventChanged(event_id=till.event_id, sale=row.sale))

    after = await row_of(till.shop, till.event_id)
    assert after is not None
    assert after.status == "CANCELLED"
