"""What the pages read from other services: sagas from bookings, tenants from tenants, the operator from auth."""

from datetime import datetime
from uuid import UUID

import msgspec

from boxoffice.operations.comparing import OfTenant


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    email: str


class Saga(msgspec.Struct, frozen=True, kw_only=True):
    """A saga in a list."""

    booking_id: UUID
    tenant: OfTenant
    reference: str
    status: str
    since: datetime
    due_at: datetime | None
    late_seconds: int


class Sagas(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Saga]
    next_cursor: str | None = None


class EventOfBooking(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    starts_at: datetime


class Line(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    category: str
    price_minor: int
    state: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    from_: str | None = msgspec.field(name="from")
    trigger: str
    to: str


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    reference: str
    status: str
    event: EventOfBooking
    seats: list[Line]
    total_minor: int
    currency: str
    hold_until: datetime
    history: list[Step]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    status: str
    reason: str | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    attempt: int
    amount_minor: int
    done: bool
    tries: int
    evidence: str | None = None


class SagaDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that bookings knows of one saga."""

    tenant: OfTenant
    booking: Booking
    reason: str | None = None
    attempts: list[Attempt] = []
    refunds: list[Refund] = []
    kept_minor: int = 0


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    slug: str
    name: str
    plan: str
    status: str
    created_at: datetime


class Tenants(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Tenant]
    next_cursor: str | None = None
