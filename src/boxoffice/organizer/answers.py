"""What the organizers' pages read from other services: the public contract, as far as they show it."""

from datetime import datetime
from uuid import UUID

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    role: str


class Category(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str
    price_minor: int


class Sales(msgspec.Struct, frozen=True, kw_only=True):
    opens_at: datetime
    closes_at: datetime


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    venue: str
    time_zone: str
    starts_at: datetime
    currency: str
    categories: list[Category]
    sales: Sales
    status: str
    sale: str
    seats: int


class Events(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Event]
    next_cursor: str | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    available: int
    held: int
    sold: int
    blocked: int


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    counts: Counts


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bookings of a cancelled event have been given back."""

    total: int
    handled: int
    by_status: dict[str, int]
    started_at: datetime | None
    finished_at: datetime | None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    name: str


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    seat_no: int
    label: str
    category: str
    price_minor: int
    state: str


class Money(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    amount_minor: int
    currency: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    reference: str
    status: str
    contact: Contact
    seats: list[Seat]
    total_minor: int
    currency: str
    created_at: datetime
    payment: Money | None
    refund: Money | None

    @property
    def returnable(self) -> list[Seat]:
        """The seats that can still be given back."""
        return [seat for seat in self.seats if seat.state == "VALID"] if self.status == "CONFIRMED" else []


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Order]
    next_cursor: str | None = None
