"""What giving seats back costs: the terms of a purchase, for its buyer and for its organizer; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from boxoffice.bookings.decide import GivenBack
from boxoffice.bookings.inventory.domain import problem
from boxoffice.bookings.saga import State
from boxoffice.bookings.store import Booking, Line
from boxoffice.kernel.errors import Conflict, Invalid


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back for these seats, what is kept, and until when a buyer may give them back at all."""

    seats: list[int]
    refund_minor: int
    kept_minor: int
    currency: str
    free_until: datetime
    every: bool

    def happening(self, refund_id: UUID, reason: str) -> GivenBack:
        return GivenBack(
            seats=tuple(self.seats), every=self.every, amount_minor=self.refund_minor, kept_minor=self.kept_minor,
            refund_id=refund_id, reason=reason,
        )  # fmt: skip


def buyers_terms(booking: Booking, seats: Sequence[int] | None, now: datetime) -> Terms:
    """The terms the booking was made under. Raises Conflict `cancellation_closed` or Invalid `unknown_seat`."""
    free_until = booking.starts_at - timedelta(hours=booking.policy.free_until_hours)
    if booking.saga.state is not State.CONFIRMED:
        raise closed()
    if now > free_until:
        raise Conflict("cancellation_closed", "The time for giving back is over.", free_until=free_until)
    lines = _lines(booking, seats)
    kept = sum(line.price_minor * booking.policy.fee_percent // 100 for line in lines)
    return _terms(booking, lines, kept, free_until)


def terms_before_payment(booking: Booking, seats: Sequence[int] | None) -> Terms:
    """Until a payment ended all can be given up, for nothing was taken. Raises Conflict `cancellation_closed`."""
    every = [line.seat_no for line in booking.lines]
    if seats is not None and set(seats) != set(every):
        raise Conflict("cancellation_closed", "Single seats can be given back once the booking is confirmed.")
    return _terms(booking, booking.lines, 0, booking.hold_until)


def organizers_terms(booking: Booking, seats: Sequence[int] | None, amount_minor: int | None, now: datetime) -> Terms:
    """What an organizer gives back: all that was paid for the seats, or `amount_minor` of it; at any time."""
    if booking.saga.state is not State.CONFIRMED:
        raise closed()
    lines = _lines(booking, seats)
    price = sum(line.price_minor for line in lines)
    if amount_minor is not None and not 0 <= amount_minor <= price:
        detail = f"From 0 to {price}."
        raise Invalid(
            "invalid_body", "The refund exceeds the price.", [problem("amount_minor", "out_of_range", detail)]
        )
    return _terms(booking, lines, 0 if amount_minor is None else price - amount_minor, now)


def closed() -> Conflict:
    return Conflict("cancellation_closed", "This booking cannot be cancelled any more.")


def _lines(booking: Booking, seats: Sequence[int] | None) -> list[Line]:
    """The valid lines of these seats; of all without a choice."""
    valid = {line.seat_no: line for line in booking.valid_lines}
    if seats is None:
        return list(valid.values())
    unknown = sorted(set(seats) - set(valid))
    if unknown or not seats:
        detail = "Name seats of this booking that are still valid."
        raise Invalid("unknown_seat", detail, [problem("seats", "unknown_seat", detail)], seats=unknown)
    return [valid[seat_no] for seat_no in sorted(set(seats))]


def _terms(booking: Booking, lines: Sequence[Line], kept: int, free_until: datetime) -> Terms:
    price = sum(line.price_minor for line in lines) if booking.saga.paid is not None else 0
    kept = min(kept, price)
    return Terms(
        seats=[line.seat_no for line in lines], refund_minor=price - kept, kept_minor=kept, currency=booking.currency,
        free_until=free_until, every=len(lines) == len(booking.valid_lines),
    )  # fmt: skip
