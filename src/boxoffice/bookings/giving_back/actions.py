"""The verbs of giving back: by the buyer, by the organizer, with a whole event, with a tenant, by the operator."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from boxoffice import messages
from boxoffice.bookings import store
from boxoffice.bookings.actions import not_found, own
from boxoffice.bookings.decide import Aborted, EventOff, Happening, RefundMarked, TimerDue
from boxoffice.bookings.executor import Executor
from boxoffice.bookings.giving_back import policy
from boxoffice.bookings.inventory import sales
from boxoffice.bookings.saga import BEFORE_MONEY, State
from boxoffice.bookings.store import Booking
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import Conflict, NotFound
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Received
from boxoffice.kernel.timers import Due, Timer

EMPTYING = "bookings.emptying"
STRICT = "bookings.suspended"
AT_ONCE = 200
PAUSE = timedelta(milliseconds=250)  # between two portions: the provider is asked for as many refunds a portion


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bookings of a cancelled event have been given back."""

    event_id: UUID
    total: int
    handled: int
    by_status: dict[str, int]
    started_at: datetime
    finished_at: datetime | None


class GivingBack:
    """Carries wishes to give back to the saga; the table decides what becomes of them."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    # ── buyer and organizer ────────────────────────────────────────────────────────────────────────────────────────
    async def cancel(self, tx: Tx, owner: str, booking_id: UUID, chosen: Sequence[int] | None) -> None:
        """A buyer gives up: before the payment ended all of it, afterwards all or some seats by the policy."""
        booking = await own(tx, owner, booking_id)
        if booking.saga.state is State.PENDING_PAYMENT:
            policy.terms_before_payment(booking, chosen)
            await self._executor.advance(tx, [(booking_id, Aborted())])
            return
        terms = policy.buyers_terms(booking, chosen, tx.now)
        await self._executor.advance(tx, [(booking_id, terms.happening(uuid7(), "USER_CANCELLED"))])

    async def refund(self, tx: Tx, booking_id: UUID, chosen: Sequence[int] | None, amount_minor: int | None) -> None:
        """An organizer takes seats back and returns what was paid for them, or a part of it."""
        booking = await locked(tx, booking_id)
        terms = policy.organizers_terms(booking, chosen, amount_minor, tx.now)
        await self._executor.advance(tx, [(booking_id, terms.happening(uuid7(), "ORGANIZER_CANCELLED"))])

    # ── a whole event ──────────────────────────────────────────────────────────────────────────────────────────────
    async def event_cancelled(self, tx: Tx, batch: Sequence[Received[messages.EventCancelled]]) -> None:
        """End the sale; claims hold its row, so none slips through. The bookings follow in portions."""
        for m in batch:
            await sales.cancel(tx, m.body.event_id)
            if await store.begin_emptying(tx, m.body.event_id):
                tx.later(Timer(id=m.body.event_id, kind=EMPTYING, at=tx.now))

    async def empty(self, tx: Tx, timers: Sequence[Due]) -> None:
        """One portion of each cancelled event; the place it got to is kept, so a crash repeats nothing."""
        for timer in timers:
            ids = await store.next_of_emptying(tx, timer.id, AT_ONCE)
            bookings = await store.load(tx, ids, lock=True)
            off: list[tuple[UUID, Happening]] = [(id, event_off(booking)) for id, booking in bookings.items()]
            if off:
                await self._executor.advance(tx, off)
            done = len(ids) < AT_ONCE
            await store.advance_emptying(tx, timer.id, ids, finished=done)
            if not done:
                tx.later(Timer(id=timer.id, kind=EMPTYING, at=tx.now + PAUSE))

    # ── a tenant that is suspended at once ─────────────────────────────────────────────────────────────────────────
    async def suspended(self, tx: Tx, batch: Sequence[Received[messages.TenantSuspended]]) -> None:
        if any(m.body.strict for m in batch):
            tx.later(Timer(id=tx.tenant.id, kind=STRICT, at=tx.now))

    async def abort_pending(self, tx: Tx, timers: Sequence[Due]) -> None:
        """Call off what awaits a payment, in portions."""
        ids = await store.pending(tx, AT_ONCE)
        if ids:
            await self._executor.advance(tx, [(booking_id, Aborted("TENANT_SUSPENDED")) for booking_id in ids])
        if len(ids) == AT_ONCE:
            tx.later(Timer(id=tx.tenant.id, kind=STRICT, at=tx.now + PAUSE))

    # ── the operator ───────────────────────────────────────────────────────────────────────────────────────────────
    async def retry(self, tx: Tx, booking_id: UUID) -> None:
        """Ask for open refunds again now. Raises Conflict `nothing_to_retry`."""
        booking = await locked(tx, booking_id)
        if not booking.saga.open_refunds:
            raise Conflict("nothing_to_retry", "No refund of this booking is open.")
        await self._executor.advance(tx, [(booking_id, TimerDue())])

    async def compensate(self, tx: Tx, booking_id: UUID) -> None:
        """Undo a booking: all money back, whatever the policy says. Raises Conflict `cancellation_closed`."""
        booking = await locked(tx, booking_id)
        if booking.saga.state in BEFORE_MONEY:
            await self._executor.advance(tx, [(booking_id, Aborted("OPERATOR"))])
            return
        terms = policy.organizers_terms(booking, None, None, tx.now)
        await self._executor.advance(tx, [(booking_id, terms.happening(uuid7(), "OPERATOR"))])

    async def mark_refunded(self, tx: Tx, booking_id: UUID, refund_id: UUID, evidence: str) -> None:
        """The operator returned the money by hand. Raises NotFound `refund_not_found`."""
        booking = await locked(tx, booking_id)
        if refund_id not in {refund.id for refund in booking.saga.open_refunds}:
            raise NotFound("refund_not_found", "No such refund of this booking is open.")
        await self._executor.advance(tx, [(booking_id, RefundMarked(refund_id=refund_id, evidence=evidence))])


async def locked(tx: Tx, booking_id: UUID) -> Booking:
    """A booking of anybody's, its saga locked."""
    booking = (await store.load(tx, [booking_id], lock=True)).get(booking_id)
    if booking is None:
        raise not_found()
    return booking


def event_off(booking: Booking) -> EventOff:
    """The cancellation of its event, as it concerns one booking; a repeat names the same refund."""
    lines = booking.valid_lines if booking.saga.state is State.CONFIRMED else []
    amount = sum(line.price_minor for line in lines) if booking.saga.paid is not None else 0
    return EventOff(
        seats=tuple(line.seat_no for line in lines), amount_minor=amount,
        refund_id=uuid5(booking.id, f"event {booking.event_id}"),
    )  # fmt: skip


async def progress(tx: Tx, event_id: UUID) -> Progress | None:
    """How far an event's cancellation has got; None for an event that is not cancelled."""
    row = await store.emptying(tx, event_id)
    if row is None:
        return None
    return Progress(
        event_id=event_id, total=row["total"], handled=row["handled"], started_at=row["started_at"],
        finished_at=row["finished_at"], by_status=await store.count_by_status(tx, event_id),
    )  # fmt: skip
