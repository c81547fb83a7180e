"""The one executor of the saga: lock, decide, guarded seat SQL, save, log, timers, messages last; set by set."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from boxoffice.bookings import store
from boxoffice.bookings.decide import Captured, Decision, Happening, Saga, decide
from boxoffice.bookings.inventory import sales, seats
from boxoffice.bookings.saga import Effect, State
from boxoffice.bookings.store import Booking, Step
from boxoffice.kernel.database import Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Status
from boxoffice.kernel.timers import Timer
from boxoffice.kernel.wake import Wake
from boxoffice.messages import (
    BookingCancelled,
    BookingConfirmed,
    BookingExpired,
    BookingFailed,
    BookingRequested,
    PaymentCancelRequested,
    Purchase,
    RefundRequested,
    SaleChanged,
    Seat,
)

TIMER = "bookings.saga"
RECHECK = "bookings.sold_out"
RECHECK_AFTER = timedelta(seconds=2)
REFUND_BACKOFF = timedelta(seconds=5)
REFUND_BACKOFF_MAX = timedelta(hours=1)
LONG = timedelta(hours=24)
PUBLIC = {State.EXPIRING: "CANCELLING"}
RECLAIMABLE = (State.EXPIRED, State.FAILED)


class NoSaga(Exception):
    """A message names a booking that is not here: it is parked, and told to a human if it stays so."""


def bell_of(booking_id: UUID) -> str:
    """The bell that rings when a booking has moved on."""
    return f"booking:{booking_id}"


def public_status(state: State) -> str:
    """The status that api.md names for a state."""
    return PUBLIC.get(state, state.value)


class Executor:
    """Carries bookings through their saga, and wakes those who wait for news of them.

    `grace` bounds how long the calling off of a payment is waited for.
    """

    def __init__(self, grace: timedelta, news: Wake | None = None) -> None:
        self._grace = grace
        self._news = news or Wake()

    async def advance(self, tx: Tx, happenings: Sequence[tuple[UUID, Happening]]) -> dict[UUID, Booking]:
        """Let happenings, in this order, act on their bookings. Answers the bookings as they are then.

        Raises NoSaga, IllegalTransition or SeatLost, each the mark of a defect, and changes nothing then.
        """
        ids = sorted({booking_id for booking_id, _ in happenings})
        bookings = await store.load(tx, ids, lock=True)
        if missing := [booking_id for booking_id in ids if booking_id not in bookings]:
            raise NoSaga(f"no saga of booking {missing[0]}")
        waiting = list(happenings)
        while waiting:
            this_round: dict[UUID, Happening] = {}
            later: list[tuple[UUID, Happening]] = []
            for booking_id, happening in waiting:
                if booking_id in this_round:
                    later.append((booking_id, happening))
                else:
                    this_round[booking_id] = happening
            await self._one_round(tx, bookings, this_round)
            waiting = later
        return bookings

    async def _one_round(self, tx: Tx, bookings: dict[UUID, Booking], happenings: dict[UUID, Happening]) -> None:
        moved: list[tuple[Booking, Decision]] = []
        steps: list[Step] = []
        for booking_id, happening in happenings.items():
            booking = bookings[booking_id]
            decision = decide(booking.saga, await self._with_reclaim(tx, booking, happening))
            if decision.ignored is not None:
                continue
            version = booking.version + 1
            steps.append(
                Step(
                    booking_id=booking_id, version=version, from_state=public_status(booking.saga.state),
                    trigger=decision.trigger, to_state=public_status(decision.saga.state),
                )
            )  # fmt: skip
            bookings[booking_id] = msgspec.structs.replace(booking, saga=decision.saga, version=version)
            moved.append((bookings[booking_id], decision))
        if moved:
            await self.perform(tx, moved)
            await store.save(tx, [(b.id, b.saga, b.version, public_status(b.saga.state)) for b, _ in moved])
            await store.log_steps(tx, steps)
            tx.after_commit(lambda: self._tell_waiting(moved))

    def _tell_waiting(self, moved: Sequence[tuple[Booking, Decision]]) -> None:
        for booking, _ in moved:
            self._news.ring(bell_of(booking.id))

    async def _with_reclaim(self, tx: Tx, booking: Booking, happening: Happening) -> Happening:
        """A capture after the end: all seats are claimed again if they can be, and if the tenant still sells."""
        if isinstance(happening, Captured) and booking.saga.state in RECLAIMABLE:
            got = tx.tenant.status is Status.ACTIVE and await seats.reclaim(tx, booking.id, tx.now + self._grace)
            return msgspec.structs.replace(happening, reclaimed=got)
        return happening

    async def perform(self, tx: Tx, moved: Sequence[tuple[Booking, Decision]]) -> None:
        """Do the effects of decisions, in the order of locks: seats, tickets, timers, messages."""
        sold = [b for b, decision in moved if Effect.SELL in decision.effects]
        freed = [(b, decision) for b, decision in moved if Effect.RELEASE in decision.effects]
        if sold:
            await seats.sell(tx, [b.id for b in sold], sum(len(b.lines) for b in sold))
            await store.insert_tickets(
                tx, [(uuid7(), b.id, b.event_id, line.seat_no) for b in sold for line in b.lines]
            )
            await _note_sold_out(tx, {b.event_id for b in sold})
        await self._give_back(tx, moved)
        for refunded in (False, True):
            ids = [b.id for b, d in freed if bool(b.saga.refunds or d.voided) is refunded]
            if ids:
                await _note_available(tx, await seats.release(tx, ids, refunded=refunded))
        for booking, decision in moved:
            for effect in decision.effects:
                self._tell(tx, booking, effect)

    async def _give_back(self, tx: Tx, moved: Sequence[tuple[Booking, Decision]]) -> None:
        """Void the codes of lines that are given back; free those whose money has been returned."""
        voided = [(b.id, n) for b, d in moved if Effect.VOID_LINES in d.effects for n in d.voided]
        if voided:
            await seats.void_lines(tx, voided)
            await store.void_tickets(tx, voided)
        freed = [(b.id, n) for b, d in moved if Effect.RELEASE_LINES in d.effects for n in d.freed]
        if freed:
            await _note_available(tx, await seats.release_lines(tx, freed))

    def _tell(self, tx: Tx, booking: Booking, effect: Effect) -> None:
        saga = booking.saga
        match effect:
            case Effect.SELL | Effect.RELEASE | Effect.ISSUE_TICKETS | Effect.VOID_LINES | Effect.RELEASE_LINES:
                pass  # done set by set above
            case Effect.DISARM:
                tx.forget(booking.id, TIMER)
            case Effect.ARM_HOLD:
                _wake(tx, booking, booking.hold_until)
            case Effect.ARM_GRACE:
                _wake(tx, booking, tx.now + self._grace)
            case Effect.ARM_REFUND:
                _wake(tx, booking, tx.now + refund_backoff(saga))
            case Effect.ARM_LONG:
                _wake(tx, booking, tx.now + LONG)
            case Effect.ASK_PAYMENT:
                tx.publish(
                    BookingRequested(
                        booking_id=booking.id, attempt=saga.attempt, amount_minor=saga.total_minor,
                        currency=booking.currency, payment_method=saga.attempts[-1].method,
                        reference=booking.reference, hold_until=booking.hold_until,
                    )
                )  # fmt: skip
            case Effect.ASK_CANCEL:
                tx.publish(PaymentCancelRequested(booking_id=booking.id, attempts=saga.open_attempts))
            case Effect.ASK_REFUND:
                for refund in saga.open_refunds:
                    tx.publish(
                        RefundRequested(
                            booking_id=booking.id, refund_id=refund.id, attempt=refund.attempt,
                            amount_minor=refund.amount_minor, currency=booking.currency,
                            reason=saga.reason or "DOUBLE_CAPTURE",
                        )
                    )  # fmt: skip
            case _:
                tx.publish(_outcome(booking, effect))


def _wake(tx: Tx, booking: Booking, at: datetime) -> None:
    tx.later(Timer(id=booking.id, kind=TIMER, at=at))


def refund_backoff(saga: Saga) -> timedelta:
    """5 s, doubling with each refusal, at most 1 h."""
    tries = max((refund.tries for refund in saga.open_refunds), default=0)
    return min(REFUND_BACKOFF * (1 << min(tries, 10)), REFUND_BACKOFF_MAX)


def purchase(booking: Booking) -> Purchase:
    """What others are told about a booking."""
    return Purchase(
        booking_id=booking.id, reference=booking.reference, event_id=booking.event_id, event_name=booking.event_name,
        venue=booking.venue, time_zone=booking.time_zone, starts_at=booking.starts_at,
        contact_email=booking.contact_email, contact_name=booking.contact_name,
        seats=[
            Seat(seat_no=line.seat_no, label=line.label, category=line.category, price_minor=line.price_minor)
            for line in booking.lines
        ],
        total_minor=booking.total_minor, currency=booking.currency,
    )  # fmt: skip


def _outcome(booking: Booking, effect: Effect) -> BookingConfirmed | BookingFailed | BookingExpired | BookingCancelled:
    facts, reason = purchase(booking), booking.saga.reason
    refunded = sum(refund.amount_minor for refund in booking.saga.refunds if refund.done)
    if effect in (Effect.TELL_CONFIRMED, Effect.TELL_CONFIRMED_LATE):
        late = effect is Effect.TELL_CONFIRMED_LATE
        return BookingConfirmed(booking_id=booking.id, purchase=facts, late=late)
    if effect is Effect.TELL_EXPIRED:
        return BookingExpired(booking_id=booking.id, purchase=facts)
    if effect is Effect.TELL_FAILED or reason == "LATE_PAYMENT":
        return BookingFailed(booking_id=booking.id, purchase=facts, reason=reason or "PAYMENT_DECLINED")
    return BookingCancelled(
        booking_id=booking.id, purchase=facts, reason=reason or "USER_ABORT", refunded_minor=refunded
    )


async def _note_sold_out(tx: Tx, event_ids: set[UUID]) -> None:
    for event_id in sorted(event_ids):
        if not await seats.any_available(tx, event_id) and await _note(tx, event_id, sold_out=True):
            tx.later(Timer(id=event_id, kind=RECHECK, at=tx.now + RECHECK_AFTER))


async def recheck_sold_out(tx: Tx, event_ids: Sequence[UUID]) -> None:
    """A release that committed while the event was being called sold out was not seen then: look again."""
    for event_id in event_ids:
        if await seats.any_available(tx, event_id):
            await _note(tx, event_id, sold_out=False)


async def _note_available(tx: Tx, event_ids: Sequence[UUID]) -> None:
    for event_id in event_ids:
        if await sales.is_sold_out(tx, event_id):
            await _note(tx, event_id, sold_out=False)


async def _note(tx: Tx, event_id: UUID, *, sold_out: bool) -> bool:
    version = await sales.mark_sold_out(tx, event_id, sold_out)
    if version is not None:
        tx.publish(SaleChanged(event_id=event_id, sold_out=sold_out, version=version))
    return version is not None
