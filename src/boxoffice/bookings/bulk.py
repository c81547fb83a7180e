"""Allocations in bulk: many confirmed bookings without a price, as a subscription office or the demo hands them in."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from boxoffice.bookings import store
from boxoffice.bookings.decide import Requested, Saga, decide
from boxoffice.bookings.inventory import seats
from boxoffice.bookings.inventory.domain import new_reference
from boxoffice.bookings.saga import State
from boxoffice.bookings.store import NewBooking, Step
from boxoffice.kernel.database import Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.messages import Seat
from boxoffice.seating.plan import Plan


class Allocation(NamedTuple):
    """Seats that go together to one holder."""

    seat_nos: Sequence[int]
    email: str
    name: str


async def allocate(tx: Tx, event_id: UUID, currency: str, plan: Plan, allocations: Sequence[Allocation]) -> int:
    """Book and confirm allocations, free of charge and without a mail; answers how many got all their seats."""
    wishes = [seats.Wish(uuid7(), event_id, tuple(sorted(a.seat_nos)), tx.now) for a in allocations]
    won = (await seats.claim(tx, wishes)).won
    decision = decide(Saga(total_minor=0), Requested(None))
    made = [
        NewBooking(
            id=wish.booking_id, reference=new_reference(), owner="allocation", hold_id=None, idempotency_key=None,
            event_id=event_id, status=State.CONFIRMED.value, contact_email=given.email, contact_name=given.name,
            total_minor=0, currency=currency, hold_until=tx.now, policy=tx.tenant.settings.cancellation,
            seats=_lines(plan, wish.seats),
            fences=won[wish.booking_id], saga=decision.saga,
        )
        for wish, given in zip(wishes, allocations, strict=True) if wish.booking_id in won
    ]  # fmt: skip
    if made:
        await store.insert(tx, made)
        lines = [(booking, seat) for booking in made for seat in booking.seats]
        await seats.sell(tx, [booking.id for booking in made], len(lines))
        await store.insert_tickets(tx, [(uuid7(), b.id, event_id, seat.seat_no) for b, seat in lines])
        await store.log_steps(tx, [
            Step(booking_id=booking.id, version=1, from_state=State.NEW, trigger=decision.trigger,
                 to_state=State.CONFIRMED)
            for booking in made
        ])  # fmt: skip
    return len(made)


def _lines(plan: Plan, seat_nos: Sequence[int]) -> list[Seat]:
    described = (plan.describe(seat_no) for seat_no in seat_nos)
    return [Seat(seat_no=seat.seat_no, label=seat.label, category=seat.category, price_minor=0) for seat in described]
