"""What the doors of bookings answer: holds, bookings, offers, availability and tickets as api.md writes them; pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from boxoffice.bookings.actions import Shown
from boxoffice.bookings.decide import AttemptStatus, Saga
from boxoffice.bookings.executor import public_status
from boxoffice.bookings.inventory.domain import Sale
from boxoffice.bookings.inventory.holds import Hold
from boxoffice.bookings.inventory.live import Snapshot
from boxoffice.bookings.saga import State
from boxoffice.messages import Seat
from boxoffice.seating import availability


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer's value."""


class HoldView(Answered, frozen=True, kw_only=True, omit_defaults=True):
    """A hold; `guest_token` only when a guest was made for it."""

    id: UUID
    token: str
    event_id: UUID
    exclusive: bool
    seats: list[Seat]
    total_minor: int
    currency: str
    expires_at: datetime
    server_now: datetime
    guest_token: str | None = None


class EventOfBooking(Answered, frozen=True, kw_only=True):
    id: UUID
    name: str
    starts_at: datetime


class LineView(Answered, frozen=True, kw_only=True):
    seat_no: int
    label: str
    category: str
    price_minor: int
    state: str


class NextAction(Answered, frozen=True, kw_only=True, omit_defaults=True):
    """What the buyer must do: `redirect` to `url`, or `retry_payment`."""

    type: str
    expires_at: datetime
    url: str | None = None


class HistoryEntry(Answered, frozen=True, kw_only=True):
    at: datetime
    from_: str | None = msgspec.field(name="from")
    trigger: str
    to: str


class MoneyView(Answered, frozen=True, kw_only=True, omit_defaults=True):
    """A payment or a refund; `reason` says why a payment was declined."""

    status: str
    amount_minor: int
    currency: str
    reason: str | None = None


class BookingView(Answered, frozen=True, kw_only=True):
    id: UUID
    reference: str
    status: str
    event: EventOfBooking
    seats: list[LineView]
    total_minor: int
    currency: str
    hold_until: datetime
    next_action: NextAction | None
    history: list[HistoryEntry]
    payment: MoneyView | None
    refund: MoneyView | None
    server_now: datetime


class OfferedCategory(Answered, frozen=True, kw_only=True):
    key: str
    name: str
    color: str
    price_minor: int
    fee_minor: int
    available: int


class Offers(Answered, frozen=True, kw_only=True):
    categories: list[OfferedCategory]
    currency: str
    max_seats_per_booking: int
    sale: str
    opens_at: datetime
    closes_at: datetime


class Counts(Answered, frozen=True, kw_only=True):
    available: int
    held: int
    sold: int
    blocked: int


class Availability(Answered, frozen=True, kw_only=True):
    epoch: int
    seq: int
    seats: int
    counts: Counts
    held: list[int]
    sold: list[int]
    blocked: list[int]


class TicketSeat(Answered, frozen=True, kw_only=True):
    seat_no: int
    label: str
    category: str


class TicketView(Answered, frozen=True, kw_only=True):
    code: str
    seat: TicketSeat
    qr_svg: str
    state: str


class Tickets(Answered, frozen=True, kw_only=True):
    items: list[TicketView]


def hold_view(hold: Hold, token: str, sale: Sale, now: datetime, guest_token: str | None = None) -> HoldView:
    return HoldView(
        id=hold.id, token=token, event_id=hold.event_id, exclusive=hold.exclusive, seats=seats_of(hold, sale),
        total_minor=hold.total_minor, currency=hold.currency, expires_at=hold.expires_at, server_now=now,
        guest_token=guest_token,
    )  # fmt: skip


def seats_of(hold: Hold, sale: Sale) -> list[Seat]:
    """The seats of a hold, named by the plan, at the prices they were held for."""
    described = ((seat, sale.plan.describe(seat.seat_no)) for seat in hold.seats)
    return [
        Seat(seat_no=seat.seat_no, label=about.label, category=about.category, price_minor=seat.price_minor)
        for seat, about in described
    ]


def booking_view(shown: Shown, now: datetime) -> BookingView:
    booking = shown.booking
    return BookingView(
        id=booking.id, reference=booking.reference, status=public_status(booking.saga.state),
        event=EventOfBooking(id=booking.event_id, name=booking.event_name, starts_at=booking.starts_at),
        seats=[
            LineView(seat_no=line.seat_no, label=line.label, category=line.category, price_minor=line.price_minor,
                     state=line.state)
            for line in booking.lines
        ],
        total_minor=booking.total_minor, currency=booking.currency, hold_until=booking.hold_until,
        next_action=_next_action(booking.saga, booking.hold_until),
        history=[
            HistoryEntry(at=at, from_=None if step.from_state == State.NEW else step.from_state,
                         trigger=step.trigger, to=step.to_state)
            for at, step in shown.history
        ],
        payment=_payment(booking.saga, booking.currency), refund=_refund(booking.saga, booking.currency),
        server_now=now,
    )  # fmt: skip


def _next_action(saga: Saga, hold_until: datetime) -> NextAction | None:
    if saga.state is not State.PENDING_PAYMENT or not saga.attempts:
        return None
    current = saga.attempts[-1]
    if current.status is AttemptStatus.ACTION:
        return NextAction(type="redirect", url=current.url, expires_at=hold_until)
    if not current.open:
        return NextAction(type="retry_payment", expires_at=hold_until)
    return None


def _payment(saga: Saga, currency: str) -> MoneyView | None:
    """The attempt that paid, else the last one; refunds show in its status."""
    if not saga.attempts:
        return None
    attempt = saga.attempts[saga.paid - 1] if saga.paid else saga.attempts[-1]
    captured = sum(saga.total_minor for each in saga.attempts if each.status is AttemptStatus.CAPTURED)
    refunded = sum(refund.amount_minor for refund in saga.refunds if refund.done)
    if refunded and (saga.paid is None or saga.state is not State.CONFIRMED):
        status = "refunded" if refunded >= captured else "partially_refunded"
    elif any(refund.done and refund.attempt == saga.paid for refund in saga.refunds):
        status = "partially_refunded"
    elif attempt.status is AttemptStatus.OPEN:
        status = "pending"
    else:
        status = attempt.status.value
    return MoneyView(status=status, amount_minor=saga.total_minor, currency=currency, reason=attempt.reason)


def _refund(saga: Saga, currency: str) -> MoneyView | None:
    if not saga.refunds:
        return None
    amount = sum(refund.amount_minor for refund in saga.refunds)
    status = "done" if not saga.open_refunds else "stuck" if saga.state is State.REFUND_STUCK else "pending"
    return MoneyView(status=status, amount_minor=amount, currency=currency)


def offers(sale: Sale, snapshot: Snapshot, max_seats: int, now: datetime) -> Offers:
    free = _free_by_category(sale, snapshot.states)
    return Offers(
        categories=[
            OfferedCategory(key=category.key, name=category.name, color=category.color,
                            price_minor=category.price_minor, fee_minor=0, available=free.get(category.key, 0))
            for category in sale.categories
        ],
        currency=sale.currency, max_seats_per_booking=max_seats, sale=sale.state(now).value,
        opens_at=sale.opens_at, closes_at=sale.closes_at,
    )  # fmt: skip


def _free_by_category(sale: Sale, states: bytes) -> dict[str, int]:
    """Free seats by category key, counted without a loop over the seats: taken ones are masked out first."""
    taken = int.from_bytes(states.translate(TAKEN_MASK), "little")
    masked = (int.from_bytes(sale.plan.category_of, "little") | taken).to_bytes(len(states), "little")
    free: dict[str, int] = {}
    for index, key in enumerate(sale.plan.category_keys):
        free[key] = free.get(key, 0) + masked.count(index)
    return free


TAKEN_MASK = bytes(0 if state == availability.AVAILABLE else 255 for state in range(256))


def availability_view(snapshot: Snapshot) -> Availability:
    states = snapshot.states
    counted = availability.counts(states)
    return Availability(
        epoch=snapshot.epoch, seq=snapshot.seq, seats=len(states),
        counts=Counts(available=counted.available, held=counted.held, sold=counted.sold, blocked=counted.blocked),
        held=availability.places_in(states, availability.HELD), sold=availability.places_in(states, availability.SOLD),
        blocked=availability.places_in(states, availability.BLOCKED),
    )  # fmt: skip
