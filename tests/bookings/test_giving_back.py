"""Giving back what was confirmed: by the buyer, the organizer, with the event, with the tenant, by the operator."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
import pytest

from boxoffice.bookings.giving_back import policy
from boxoffice.bookings.giving_back.actions import EMPTYING, STRICT, progress
from boxoffice.bookings.store import tickets_of
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.kernel.tenancy import Cancellation
from boxoffice.messages import (
    BookingCancelled,
    EventCancelled,
    PaymentCancelRequested,
    PaymentCompleted,
    RefundRequested,
    SaleChanged,
    TenantSuspended,
)
from tests.bookings.conftest import BUYER, OTHER, Office
from tests.support.traffic import armed, deliver, received
from tests.support.waiting import eventually


async def confirmed(office: Office, *seats: int, owner: str = BUYER) -> UUID:
    booking_id = await office.booked(*seats, owner=owner)
    await office.paid(booking_id, amount_minor=4_500 * len(seats))
    return booking_id


async def ticket_states(office: Office, booking_id: UUID) -> dict[int, bool]:
    async with office.database.transaction(office.tenant) as tx:
        return {ticket.seat_no: ticket.voided for ticket in await tickets_of(tx, booking_id)}


async def someone_waits_for(tx: Tx) -> bool:
    """Whether another connection waits for a lock of this transaction."""
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    found: bool = await tx.db.fetchval(waits)
    return found


async def test_a_cancelled_booking_is_refunded_before_its_seats_are_free(office: Office) -> None:
    booking_id = await confirmed(office, 3, 4)

    await office.give_back(booking_id)
    meanwhile = (await office.status(booking_id), await office.seats("SOLD"), await ticket_states(office, booking_id))
    await office.refunded(booking_id)

    assert meanwhile == ("REFUNDING", [3, 4], {3: True, 4: True})
    assert await office.status(booking_id) == "CANCELLED"
    assert await office.seats("SOLD") == []
    told = [m for m in await office.told(BookingCancelled) if isinstance(m, BookingCancelled)]
    assert [(m.reason, m.refunded_minor) for m in told] == [("USER_CANCELLED", 9_000)]


async def test_single_seats_are_given_back_and_the_kept_tickets_stay_valid(office: Office) -> None:
    booking_id = await confirmed(office, 3, 4, 5)

    await office.give_back(booking_id, 4)
    sold_meanwhile = await office.seats("SOLD")
    await office.refunded(booking_id)

    assert sold_meanwhile == [3, 4, 5]
    assert await office.status(booking_id) == "CONFIRMED"
    assert await office.seats("SOLD") == [3, 5]
    assert await ticket_states(office, booking_id) == {3: False, 4: True, 5: False}
    assert await office.timers() == []
    assert {line.seat_no: line.state for line in (await office.booking(booking_id)).lines} == {
        3: "VALID", 4: "REFUNDED", 5: "VALID",
    }  # fmt: skip


async def test_giving_the_last_valid_seat_back_cancels_the_booking(office: Office) -> None:
    booking_id = await confirmed(office, 3, 4)
    await office.give_back(booking_id, 3)

    await office.give_back(booking_id, 4)
    await office.refunded(booking_id)

    assert await office.status(booking_id) == "CANCELLED"
    assert await office.seats("SOLD") == []


async def test_a_seat_is_given_back_once(office: Office) -> None:
    booking_id = await confirmed(office, 3, 4)
    await office.give_back(booking_id, 3)

    with pytest.raises(Invalid, match="unknown_seat"):
        await office.give_back(booking_id, 3)


async def test_the_policy_of_the_purchase_counts_whatever_the_tenant_says_later(office: Office) -> None:
    booking = await office.booking(await confirmed(office, 3, 4))
    strict = msgspec.structs.replace(booking, policy=Cancellation(free_until_hours=24, fee_percent=15))

    terms = policy.buyers_terms(strict, [3], booking.created_at)

    assert (terms.refund_minor, terms.kept_minor) == (3_825, 675)
    assert policy.buyers_terms(booking, None, booking.created_at).kept_minor == 0


async def test_after_the_deadline_a_buyer_gives_nothing_back(office: Office) -> None:
    booking = await office.booking(await confirmed(office, 3))

    with pytest.raises(Conflict, match="cancellation_closed") as closed:
        policy.buyers_terms(booking, None, booking.starts_at)

    assert closed.value.members == {"free_until": booking.starts_at - timedelta(hours=24)}


async def test_free_seats_are_given_back_without_a_refund(free_office: Office) -> None:
    booking_id = await free_office.booked(1, 2, method=None)

    await free_office.give_back(booking_id, 1)
    one_left = await free_office.seats("SOLD")
    await free_office.give_back(booking_id)

    assert one_left == [2]
    assert await free_office.status(booking_id) == "CANCELLED"
    assert await free_office.told(RefundRequested) == []


async def test_a_cancelled_event_gives_everything_back(office: Office) -> None:
    paid = await confirmed(office, 3, 4)
    waiting = await office.booked(5, owner=OTHER)
    held = await office.hold(7)

    await deliver(office.database, office.tenant, office.giving_back.event_cancelled,
                  EventCancelled(event_id=office.event_id, name="An evening"))  # fmt: skip
    async with office.database.platform() as tx:
        due = await armed(tx, office.tenant, EMPTYING)
    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.empty(tx, due)
    await office.refunded(paid)

    assert await office.status(paid) == "CANCELLED"
    assert await office.status(waiting) == "CANCELLING"
    assert len(await office.told(PaymentCancelRequested)) == 1
    async with office.database.transaction(office.tenant) as tx:
        seen = await progress(tx, office.event_id)
    assert seen is not None
    assert (seen.total, seen.handled, seen.finished_at is not None) == (2, 2, True)
    with pytest.raises(Conflict, match="not_on_sale"):
        await office.book(held)


async def test_a_payment_after_the_event_was_cancelled_is_refunded(office: Office) -> None:
    waiting = await office.booked(5)
    await deliver(office.database, office.tenant, office.giving_back.event_cancelled,
                  EventCancelled(event_id=office.event_id, name="An evening"))  # fmt: skip
    async with office.database.platform() as tx:
        due = await armed(tx, office.tenant, EMPTYING)
    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.empty(tx, due)

    await office.paid(waiting, amount_minor=4_500)

    assert await office.status(waiting) == "REFUNDING"


async def test_a_strict_suspension_calls_off_what_awaits_a_payment(office: Office) -> None:
    waiting, paid = await office.booked(5), await confirmed(office, 3, owner=OTHER)

    await deliver(office.database, office.tenant, office.giving_back.suspended,
                  TenantSuspended(tenant_id=office.tenant.id, strict=True))  # fmt: skip
    async with office.database.platform() as tx:
        due = await armed(tx, office.tenant, STRICT)
    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.abort_pending(tx, due)

    assert await office.status(waiting) == "CANCELLING"
    assert await office.status(paid) == "CONFIRMED"


async def test_a_strict_suspension_leaves_alone_what_is_paid_while_it_looks(office: Office) -> None:
    waiting = await office.booked(5)
    await deliver(office.database, office.tenant, office.giving_back.suspended,
                  TenantSuspended(tenant_id=office.tenant.id, strict=True))  # fmt: skip
    async with office.database.platform() as tx:
        due = await armed(tx, office.tenant, STRICT)
    paid = received(office.tenant, PaymentCompleted(booking_id=waiting, attempt=1, amount_minor=4_500, currency="EUR"))

    async def suspend() -> None:
        async with office.database.transaction(office.tenant) as tx:
            await office.giving_back.abort_pending(tx, due)

    async with office.database.transaction(office.tenant) as tx:
        await office.bookings.captured(tx, [paid])
        suspending = asyncio.create_task(suspend())
        await eventually(partial(someone_waits_for, tx))
    await suspending

    assert await office.status(waiting) == "CONFIRMED"


@pytest.mark.parametrize("state", ["PENDING_PAYMENT", "EXPIRING"])
async def test_an_operator_undoes_a_booking_whose_payment_is_under_way(office: Office, state: str) -> None:
    booking_id = await office.booked(3)
    if state == "EXPIRING":
        await office.timer_fires()

    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.compensate(tx, booking_id)
    await office.paid(booking_id, amount_minor=4_500)

    assert await office.status(booking_id) == "REFUNDING"


async def test_a_refund_made_by_hand_ends_the_saga(office: Office) -> None:
    booking_id = await confirmed(office, 3)
    await office.give_back(booking_id)
    refund = (await office.booking(booking_id)).saga.open_refunds[0]

    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.mark_refunded(tx, booking_id, refund.id, "bank statement 17")

    assert await office.status(booking_id) == "CANCELLED"
    assert (await office.booking(booking_id)).saga.refunds[0].evidence == "bank statement 17"


async def test_seats_given_back_to_a_sold_out_event_are_on_sale_again(office: Office) -> None:
    everything = [await confirmed(office, *range(start, start + 10)) for start in (0, 10, 20, 30)]

    await office.give_back(everything[0], 3)
    await office.refunded(everything[0])

    assert [m.sold_out for m in await office.told(SaleChanged) if isinstance(m, SaleChanged)] == [True, False]
