"""The published language: every message the services tell each other, and its topic. Key: the tenant (see outbox)."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from boxoffice.kernel.message import Message


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A price category of an event, as sold."""

    key: str
    name: str
    color: str
    price_minor: int


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A seat of a booking, as sold."""

    seat_no: int
    label: str
    category: str
    price_minor: int


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """All that bookings needs to sell an event."""

    event_id: UUID
    name: str
    venue: str
    time_zone: str
    starts_at: datetime
    currency: str
    categories: list[Category]
    opens_at: datetime
    closes_at: datetime
    max_seats_per_booking: int
    plan_hash: str


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail about a booking needs."""

    booking_id: UUID
    reference: str
    event_id: UUID
    event_name: str
    venue: str
    time_zone: str
    starts_at: datetime
    contact_email: str
    contact_name: str
    seats: list[Seat]
    total_minor: int
    currency: str


class OfBooking(Message, frozen=True, kw_only=True):
    """A message about one booking: bookings, payments and notifications keep its order."""

    booking_id: UUID

    @property
    def subject(self) -> UUID:
        return self.booking_id


class OfEvent(Message, frozen=True, kw_only=True):
    """A message about one event on sale."""

    event_id: UUID

    @property
    def subject(self) -> UUID:
        return self.event_id


class OfTenant(Message, frozen=True, kw_only=True):
    """A message about one tenant."""

    tenant_id: UUID

    @property
    def subject(self) -> UUID:
        return self.tenant_id


# ── tenants ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class TenantCreated(OfTenant, frozen=True, kw_only=True):
    """A tenant is provisioned and ACTIVE."""

    topic: ClassVar[str] = "tenant.created"
    slug: str
    name: str
    admin_email: str


class TenantChanged(OfTenant, frozen=True, kw_only=True):
    """An operator changed a tenant's name, plan, status or settings: this is what it has now."""

    topic: ClassVar[str] = "tenant.changed"
    name: str
    payment_provider: str


class TenantSuspended(OfTenant, frozen=True, kw_only=True):
    """A tenant sells no more. `strict`: what awaits a payment is called off too, instead of being left to end."""

    topic: ClassVar[str] = "tenant.suspended"
    strict: bool
    operator: UUID | None = None  # who suspended it


class TenantResumed(OfTenant, frozen=True, kw_only=True):
    """A suspension ended."""

    topic: ClassVar[str] = "tenant.resumed"
    operator: UUID


# ── auth ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
class UserRegistered(Message, frozen=True, kw_only=True):
    """Someone registered as a customer."""

    topic: ClassVar[str] = "user.registered"
    user_id: UUID
    email: str
    first_name: str

    @property
    def subject(self) -> UUID:
        return self.user_id


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class EventCreated(OfEvent, frozen=True, kw_only=True):
    """A draft was made."""

    topic: ClassVar[str] = "event.created"
    name: str


class EventPublishing(OfEvent, frozen=True, kw_only=True):
    """An organizer published an event: bookings now makes its inventory and answers InventoryReady."""

    topic: ClassVar[str] = "event.publishing"
    sale: Sale


class EventChanged(OfEvent, frozen=True, kw_only=True):
    """Texts, doors or the sales window of a published event changed."""

    topic: ClassVar[str] = "event.changed"
    sale: Sale


class EventCancelled(OfEvent, frozen=True, kw_only=True):
    """The event will not take place; its sale ended in the same moment."""

    topic: ClassVar[str] = "event.cancelled"
    name: str


# ── bookings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class InventoryReady(OfEvent, frozen=True, kw_only=True):
    """Every seat of the event's plan can be claimed."""

    topic: ClassVar[str] = "inventory.ready"
    seats: int


class InventoryRefused(OfEvent, frozen=True, kw_only=True):
    """The inventory could not be made; the event goes back to DRAFT."""

    topic: ClassVar[str] = "inventory.refused"
    reason: str


class SaleChanged(OfEvent, frozen=True, kw_only=True):
    """The last free seat went, or one came back. `version` grows; an older one is old news."""

    topic: ClassVar[str] = "sale.changed"
    sold_out: bool
    version: int


class BookingRequested(OfBooking, frozen=True, kw_only=True):
    """Seats are claimed and payment attempt `attempt` (from 1) is wanted before `hold_until`."""

    topic: ClassVar[str] = "booking.requested"
    attempt: int
    amount_minor: int
    currency: str
    payment_method: str
    reference: str
    hold_until: datetime


class BookingConfirmed(OfBooking, frozen=True, kw_only=True):
    """The seats are sold and tickets exist. `late`: the payment came after the hold's end and the seats were free."""

    topic: ClassVar[str] = "booking.confirmed"
    purchase: Purchase
    late: bool = False


class BookingFailed(OfBooking, frozen=True, kw_only=True):
    """No booking came of it: PAYMENT_DECLINED, or LATE_PAYMENT (paid too late, refunded)."""

    topic: ClassVar[str] = "booking.failed"
    purchase: Purchase
    reason: str


class BookingExpired(OfBooking, frozen=True, kw_only=True):
    """The hold ended before a payment."""

    topic: ClassVar[str] = "booking.expired"
    purchase: Purchase


class BookingCancelled(OfBooking, frozen=True, kw_only=True):
    """Cancelled: USER_ABORT, USER_CANCELLED, EVENT_CANCELLED, TENANT_SUSPENDED; refunded before, where anything was."""

    topic: ClassVar[str] = "booking.cancelled"
    purchase: Purchase
    reason: str
    refunded_minor: int


class OperatorIntervened(OfBooking, frozen=True, kw_only=True):
    """An operator took a saga in hand: `act` is retry, compensation or refund-evidence, `detail` their words for it."""

    topic: ClassVar[str] = "booking.intervened"
    operator: UUID
    act: str
    detail: str


class PaymentCancelRequested(OfBooking, frozen=True, kw_only=True):
    """Attempts that must not be charged any more; payments answers each with what became of it."""

    topic: ClassVar[str] = "payment.cancel_requested"
    attempts: list[int]


class RefundRequested(OfBooking, frozen=True, kw_only=True):
    """Return `amount_minor` of attempt `attempt`; idempotent by `refund_id`."""

    topic: ClassVar[str] = "payment.refund_requested"
    refund_id: UUID
    attempt: int
    amount_minor: int
    currency: str
    reason: str


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class PaymentCompleted(OfBooking, frozen=True, kw_only=True):
    """The provider captured the money of an attempt."""

    topic: ClassVar[str] = "payment.completed"
    attempt: int
    amount_minor: int
    currency: str


class PaymentFailed(OfBooking, frozen=True, kw_only=True):
    """The provider declined. `retryable`: another method, or the same later, may work."""

    topic: ClassVar[str] = "payment.failed"
    attempt: int
    retryable: bool
    reason: str


class PaymentActionRequired(OfBooking, frozen=True, kw_only=True):
    """The buyer must act on the provider's page before the payment can go on."""

    topic: ClassVar[str] = "payment.action_required"
    attempt: int
    url: str


class PaymentCancelled(OfBooking, frozen=True, kw_only=True):
    """The attempt ended without a charge, and none will follow but as a late capture."""

    topic: ClassVar[str] = "payment.cancelled"
    attempt: int


class PaymentRefunded(OfBooking, frozen=True, kw_only=True):
    """The provider returned the money of a refund."""

    topic: ClassVar[str] = "payment.refunded"
    refund_id: UUID
    attempt: int
    amount_minor: int
    currency: str


class RefundFailed(OfBooking, frozen=True, kw_only=True):
    """The provider refused a refund this time; the booking's saga asks again."""

    topic: ClassVar[str] = "payment.refund_failed"
    refund_id: UUID
    attempt: int
    reason: str


class PaymentMethodsChanged(OfTenant, frozen=True, kw_only=True):
    """Which payment methods the tenant's provider accepts now."""

    topic: ClassVar[str] = "payment.methods_changed"
    methods: list[str]


# Which service publishes what: no other may write these topics.
PUBLISHED: Mapping[str, tuple[type[Message], ...]] = {
    "tenants": (TenantCreated, TenantChanged, TenantSuspended, TenantResumed),
    "auth": (UserRegistered,),
    "events": (EventCreated, EventPublishing, EventChanged, EventCancelled),
    "bookings": (
        InventoryReady, InventoryRefused, SaleChanged,
        BookingRequested, BookingConfirmed, BookingFailed, BookingExpired, BookingCancelled,
        OperatorIntervened, PaymentCancelRequested, RefundRequested,
    ),
    "payments": (
        PaymentCompleted, PaymentFailed, PaymentActionRequired, PaymentCancelled, PaymentRefunded, RefundFailed,
        PaymentMethodsChanged,
    ),
}  # fmt: skip
MESSAGES: tuple[type[Message], ...] = tuple(message for published in PUBLISHED.values() for message in published)
TOPICS: tuple[str, ...] = tuple(dict.fromkeys(message.topic for message in MESSAGES))


def topics_of(service: str) -> list[str]:
    """What this service writes."""
    return list(dict.fromkeys(message.topic for message in PUBLISHED.get(service, ())))
