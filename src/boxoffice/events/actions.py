"""The verbs of events: draft, change, give a seat plan, publish; and what bookings says of their sale."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from boxoffice import messages
from boxoffice.events import domain, store
from boxoffice.events.domain import CANCELLED, DRAFT, ENDED, PUBLISHED, PUBLISHING, Event
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import Conflict, NotFound
from boxoffice.kernel.message import Received
from boxoffice.kernel.timers import Due, Timer
from boxoffice.seating.categories import match_categories
from boxoffice.seating.document import SeatPlanDocument
from boxoffice.seating.parse import parse
from boxoffice.seating.plan import Plan

END = "events.end"
LASTS_AT_MOST = timedelta(hours=12)


def not_found() -> NotFound:
    return NotFound("event_not_found", "There is no such event.")


async def draft(tx: Tx, event: Event) -> None:
    """Write a new draft. Raises Invalid for what no event can be."""
    domain.check(event)
    await store.insert(tx, event)
    tx.publish(messages.EventCreated(event_id=event.id, name=event.name))


async def locked(tx: Tx, event_id: UUID) -> Event:
    """An event that nobody else changes until the transaction ends. Raises NotFound."""
    event = await store.find(tx, event_id, lock=True)
    if event is None:
        raise not_found()
    return event


async def change(tx: Tx, before: Event, after: Event) -> None:
    """Write what an organizer changed, and tell bookings when it is on sale."""
    domain.check_change(before, after)
    domain.check(after)
    await store.update(tx, after)
    if after.status in (PUBLISHING, PUBLISHED):
        tx.publish(messages.EventChanged(event_id=after.id, sale=after.as_sale()))


async def give_plan(tx: Tx, event_id: UUID, document: SeatPlanDocument) -> Plan:
    """Set a draft's seat plan. Raises PlanInvalid, or Conflict `already_published`."""
    event = await locked(tx, event_id)
    if event.status != DRAFT:
        raise already_published()
    plan = parse(document)
    painted = match_categories(plan, event.categories)
    keys = sorted(set(painted.category_keys))
    await store.keep_plan(tx, plan.hash, plan.name, plan.seats, keys, plan.document)
    await store.set_plan(tx, event_id, plan.hash, plan.seats)
    return painted


async def publish(tx: Tx, event_id: UUID) -> None:
    """Ask bookings for the inventory; the event is PUBLISHED when it is there."""
    event = await locked(tx, event_id)
    if event.status != DRAFT:
        raise already_published()
    sale = event.as_sale()
    document = await store.plan(tx, sale.plan_hash)
    if document is not None:  # categories may have changed since the plan was given
        match_categories(parse(document), event.categories)
    await store.set_status(tx, event_id, PUBLISHING, [DRAFT])
    tx.publish(messages.EventPublishing(event_id=event_id, sale=sale))
    tx.later(Timer(id=event_id, kind=END, at=event.starts_at + LASTS_AT_MOST))


async def cancel(tx: Tx, event_id: UUID) -> None:
    """Call an event off for good: its sale ends, and bookings gives every seat back.

    Only once it is PUBLISHED: messages may overtake each other, and bookings must know the sale that it shall end.
    """
    event = await locked(tx, event_id)
    if event.status != PUBLISHED:
        raise Conflict("not_published", "Only an event that is on sale can be cancelled.")
    await store.set_status(tx, event_id, CANCELLED, [PUBLISHED])
    tx.forget(event_id, END)
    tx.publish(messages.EventCancelled(event_id=event_id, name=event.name))


def already_published() -> Conflict:
    return Conflict("already_published", "The event is published already.")


async def inventory_ready(tx: Tx, batch: Sequence[Received[messages.InventoryReady]]) -> None:
    for m in batch:
        await store.set_status(tx, m.body.event_id, PUBLISHED, [PUBLISHING])


async def inventory_refused(tx: Tx, batch: Sequence[Received[messages.InventoryRefused]]) -> None:
    for m in batch:
        await store.set_status(tx, m.body.event_id, DRAFT, [PUBLISHING])


async def sale_changed(tx: Tx, batch: Sequence[Received[messages.SaleChanged]]) -> None:
    for m in batch:
        await store.set_sold_out(tx, m.body.event_id, m.body.sold_out, m.body.version)


async def ended(tx: Tx, timers: Sequence[Due]) -> None:
    for timer in timers:
        await store.set_status(tx, timer.id, ENDED, [PUBLISHED])
