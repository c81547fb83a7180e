"""What counts as a disagreement between bookings, payments, seats and provider: pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

MOVING = timedelta(seconds=60)  # what changed within this time may still be on its way between the services


class Kind(StrEnum):
    """Ways to disagree, the gravest first."""

    CAPTURED_WITHOUT_BOOKING = "captured_without_booking"
    BOOKING_WITHOUT_CAPTURE = "booking_without_capture"
    REFUND_MISSING = "refund_missing"
    REFUND_UNKNOWN = "refund_unknown"
    PROVIDER_DIFFERS = "provider_differs"
    SEAT_DIFFERS = "seat_differs"


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A booking by bookings' word. `awaiting`: whether a payment may still come or be called off until `hold_until`."""

    booking_id: UUID
    reference: str
    status: str
    awaiting: bool
    currency: str
    captured_minor: int
    refunded_minor: int
    refunding_minor: int  # asked for, not yet done
    by_hand_minor: int  # returned by an operator, past payments
    kept_minor: int  # what the policy kept of seats given back
    valid_minor: int  # the price of its valid lines
    lines: int  # that have a claim on their seat
    held: int  # seats that name it, by their state
    sold: int
    hold_until: datetime
    changed_at: datetime


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A booking by the words of payments' ledger and of the provider (None: it gave no answer)."""

    booking_id: UUID
    captured_minor: int = 0
    refunded_minor: int = 0
    provider_captured_minor: int | None = None
    provider_refunded_minor: int | None = None


def differences(booked: Booked | None, paid: Paid | None, now: datetime) -> list[Kind]:
    """How bookings and payments disagree about one booking, the gravest first; empty while it may be under way."""
    if now - changed_at(booked, paid) < MOVING:
        return []
    found: set[Kind] = set()
    if booked is not None and not _seats_agree(booked):
        found.add(Kind.SEAT_DIFFERS)
    if booked is None or not booked.awaiting or now - booked.hold_until >= MOVING:
        if booked is None:
            found |= _unknown(paid)
        else:
            found |= _money(booked, paid or Paid(booking_id=booked.booking_id, provider_captured_minor=0,
                                                 provider_refunded_minor=0))  # fmt: skip
        if paid is not None and not _provider_agrees(paid):
            found.add(Kind.PROVIDER_DIFFERS)
    return [kind for kind in Kind if kind in found]


def changed_at(booked: Booked | None, paid: Paid | None) -> datetime:
    """When the booking last changed; one that bookings does not know was made when its id was."""
    if booked is not None:
        return booked.changed_at
    assert paid is not None
    return made_at(paid.booking_id)


def made_at(id: UUID) -> datetime:
    """The time in a UUIDv7 (RFC 9562, section 5.7)."""
    return EPOCH + timedelta(milliseconds=id.int >> 80)


def _unknown(paid: Paid | None) -> set[Kind]:
    kept = paid is not None and paid.captured_minor > paid.refunded_minor
    return {Kind.CAPTURED_WITHOUT_BOOKING} if kept else set()


def _money(booked: Booked, paid: Paid) -> set[Kind]:
    found: set[Kind] = set()
    if paid.captured_minor > booked.captured_minor:
        found.add(Kind.CAPTURED_WITHOUT_BOOKING)
    left = booked.captured_minor - booked.refunded_minor - booked.refunding_minor - booked.by_hand_minor
    due = booked.valid_minor + booked.kept_minor
    unpaid = booked.status == "CONFIRMED" and left < due
    if paid.captured_minor < booked.captured_minor or unpaid:
        found.add(Kind.BOOKING_WITHOUT_CAPTURE)
    withheld = not booked.awaiting and left > due
    if paid.refunded_minor < booked.refunded_minor or withheld:
        found.add(Kind.REFUND_MISSING)
    if paid.refunded_minor > booked.refunded_minor + booked.refunding_minor:
        found.add(Kind.REFUND_UNKNOWN)
    return found


def _provider_agrees(paid: Paid) -> bool:
    """A provider that gave no answer is not a disagreement."""
    told = (paid.provider_captured_minor, paid.provider_refunded_minor)
    return None in told or told == (paid.captured_minor, paid.refunded_minor)


def _seats_agree(booked: Booked) -> bool:
    """Before the money its seats are held, once confirmed they are sold, while money goes back they are either."""
    if booked.awaiting:
        return (booked.held, booked.sold) == (booked.lines, 0)
    if booked.status == "CONFIRMED":
        return (booked.held, booked.sold) == (0, booked.lines)
    return booked.held + booked.sold == booked.lines


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
