"""What the storefront reads from the other services: the answers of the public contract, as far as pages show them."""

from datetime import datetime
from uuid import UUID

import msgspec


class Category(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str
    color: str
    price_minor: int


class Sales(msgspec.Struct, frozen=True, kw_only=True):
    opens_at: datetime | None = None
    closes_at: datetime | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    description: str
    venue: str
    time_zone: str
    starts_at: datetime
    doors_at: datetime | None = None
    currency: str
    categories: list[Category]
    sales: Sales
    max_seats_per_booking: int
    status: str
    sale: str
    plan_hash: str | None = None
    seats: int | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str
    color: str
    price_minor: int
    fee_minor: int = 0
    available: int


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    categories: list[Offer]
    currency: str
    max_seats_per_booking: int
    sale: str
    opens_at: datetime | None = None
    closes_at: datetime | None = None


class SeatLine(msgspec.Struct, frozen=True, kw_only=True):
    seat_no: int
    label: str
    category: str
    price_minor: int


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    event_id: UUID | None = None
    token: str
    exclusive: bool
    seats: list[SeatLine]
    total_minor: int
    currency: str
    expires_at: datetime
    server_now: datetime


class BookedSeat(SeatLine, frozen=True, kw_only=True):
    state: str = "VALID"


class BookedEvent(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    starts_at: datetime


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """Only what the list of orders shows; the order page hands the whole answer on to its island."""

    id: UUID
    reference: str
    status: str
    event: BookedEvent
    seats: list[BookedSeat]
    total_minor: int
    currency: str


class User(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    first_name: str
    last_name: str


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    guest_token: str


class Events(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Event]
    next_cursor: str | None = None


class Bookings(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Booking]
    next_cursor: str | None = None
