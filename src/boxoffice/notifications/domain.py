"""Who is told what: from a message to the notices that it makes. Pure; words for people live in `templates/`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from boxoffice.kernel.message import Message
from boxoffice.messages import (
    BookingCancelled,
    BookingConfirmed,
    BookingExpired,
    BookingFailed,
    EventCancelled,
    EventCreated,
    PaymentFailed,
    Purchase,
    Seat,
    TenantCreated,
    UserRegistered,
)

EMAIL = "email"
LONGEST_PAUSE = timedelta(minutes=10)

Value = str | list[dict[str, str]]
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Notice:
    """One person to be told one thing. A recipient that is still unknown ("") is found out before sending."""

    template: str
    recipient: str
    values: Values
    channel: str = EMAIL


M = TypeVar("M", bound=Message)
Telling = Callable[[M], Iterable[Notice]]
Organizers = Iterable[str]

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "PLN": "zł ", "INR": "₹", "KRW": "₩"}
DECIMALS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "ISK": 0,
    "VND": 0,
    "XAF": 0,
    "XOF": 0,
    "BHD": 3,
    "KWD": 3,
    "OMR": 3,
    "TND": 3,
}
FAILED_TEMPLATES = {"LATE_PAYMENT": "booking_paid_too_late"}
CANCELLED_REASONS = {
    "USER_ABORT": "You stopped this booking before it was paid.",
    "USER_CANCELLED": "You asked us to cancel this booking.",
    "EVENT_CANCELLED": "The event will not take place. We are sorry.",
    "TENANT_SUSPENDED": "The organizer's sales are suspended.",
}


# ── buyers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def booking_confirmed(message: BookingConfirmed) -> list[Notice]:
    template = "booking_confirmed_late" if message.late else "booking_confirmed"
    return [_to_buyer(template, message.purchase)]


def booking_failed(message: BookingFailed) -> list[Notice]:
    return [_to_buyer(FAILED_TEMPLATES.get(message.reason, "booking_failed"), message.purchase)]


def booking_expired(message: BookingExpired) -> list[Notice]:
    return [_to_buyer("booking_expired", message.purchase)]


def booking_cancelled(message: BookingCancelled) -> list[Notice]:
    currency = message.purchase.currency
    refunded = f"{money(message.refunded_minor, currency)} goes back to the card or account you paid with."
    values = {
        "explanation": CANCELLED_REASONS.get(message.reason, "This booking was cancelled."),
        "refund": refunded if message.refunded_minor else "Nothing is refunded.",
    }
    return [_to_buyer("booking_cancelled", message.purchase, values)]


def payment_failed(message: PaymentFailed) -> list[Notice]:
    """A decline that another try may mend; the final ones are told as BookingFailed."""
    if not message.retryable:
        return []
    return [Notice("payment_declined", "", {"booking_id": str(message.booking_id)})]


def user_registered(message: UserRegistered) -> list[Notice]:
    return [Notice("welcome", message.email, {"name": message.first_name})]


# ── organizers ───────────────────────────────────────────────────────────────────────────────────────────────────────
def tenant_created(message: TenantCreated) -> list[Notice]:
    return [Notice("tenant_welcome", message.admin_email, {"organizer": message.name})]


def event_created(message: EventCreated, organizers: Organizers) -> list[Notice]:
    return [Notice("event_created", recipient, {"event": message.name}) for recipient in organizers]


def event_cancelled(message: EventCancelled, organizers: Organizers) -> list[Notice]:
    return [Notice("event_cancelled", recipient, {"event": message.name}) for recipient in organizers]


# ── words and figures ────────────────────────────────────────────────────────────────────────────────────────────────
def completed(notice: Notice, purchase: Purchase) -> Notice:
    """A notice about a booking whose buyer had to be found out first."""
    return _to_buyer(notice.template, purchase)


def wanted_purchase(notice: Notice) -> UUID | None:
    """The booking whose buyer is to be found out before `notice` can be sent."""
    booking_id = notice.values.get("booking_id")
    return UUID(booking_id) if notice.recipient == "" and isinstance(booking_id, str) else None


def pause(first: timedelta, attempts: int) -> timedelta:
    """How long to wait after the `attempts`-th failure: doubling from `first`, at most ten minutes."""
    return min(first * (1 << min(attempts - 1, 16)), LONGEST_PAUSE)


def money(amount_minor: int, currency: str) -> str:
    """An amount for people: €1,234.50."""
    decimals = DECIMALS.get(currency, 2)
    return f"{SYMBOLS.get(currency, currency + ' ')}{amount_minor / 10**decimals:,.{decimals}f}"


def moment(at: datetime, time_zone: str) -> str:
    """A time where the venue stands, with the place, so that nobody has to guess: 20:00 (Berlin time)."""
    try:
        local = at.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        local, time_zone = at, "UTC"
    place = time_zone.rpartition("/")[2].replace("_", " ")
    return f"{local:%A} {local.day} {local:%B} {local:%Y}, {local:%H:%M} ({place} time)"


def _to_buyer(template: str, purchase: Purchase, more: Values | None = None) -> Notice:
    values: dict[str, Value] = {
        "name": purchase.contact_name,
        "reference": purchase.reference,
        "event": purchase.event_name,
        "venue": purchase.venue,
        "starts_at": moment(purchase.starts_at, purchase.time_zone),
        "seats": [_seat(seat, purchase.currency) for seat in purchase.seats],
        "total": money(purchase.total_minor, purchase.currency),
        "order_path": f"/orders/{purchase.booking_id}",
    }
    return Notice(template, purchase.contact_email, values | dict(more or {}))


def _seat(seat: Seat, currency: str) -> dict[str, str]:
    return {"label": seat.label, "category": seat.category, "price": money(seat.price_minor, currency)}
