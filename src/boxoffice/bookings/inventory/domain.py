"""What is for sale and at what price: sales, their seats and the rules of a purchase; pure, `now` is an argument."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.messages import Category, Seat
from boxoffice.seating.plan import Plan

REFERENCE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 letters: each byte gives one, all as likely
REFERENCE_LENGTH = 9
HOLD_CAP = timedelta(minutes=30)


class SaleState(StrEnum):
    """What api.md calls `sale`."""

    NOT_YET = "not_yet"
    OPEN = "open"
    CLOSED = "closed"
    SOLD_OUT = "sold_out"
    CANCELLED = "cancelled"


class Sale(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An event as bookings sells it: its window, its limits and the price of every seat."""

    event_id: UUID
    name: str
    venue: str
    time_zone: str
    starts_at: datetime
    currency: str
    categories: list[Category]
    opens_at: datetime
    closes_at: datetime
    max_seats: int
    status: str
    sold_out: bool
    plan: Plan

    @cached_property
    def prices(self) -> dict[str, int]:
        return {category.key: category.price_minor for category in self.categories}

    def state(self, now: datetime) -> SaleState:
        if self.status == "CANCELLED":
            return SaleState.CANCELLED
        if now < self.opens_at:
            return SaleState.NOT_YET
        if now >= self.closes_at:
            return SaleState.CLOSED
        return SaleState.SOLD_OUT if self.sold_out else SaleState.OPEN

    def seat(self, seat_no: int) -> Seat:
        """The seat as sold now."""
        described = self.plan.describe(seat_no)
        return Seat(
            seat_no=seat_no,
            label=described.label,
            category=described.category,
            price_minor=self.prices[described.category],
        )

    def require_open(self, now: datetime) -> None:
        """Refuse a hold outside the sales window with 409 `not_on_sale`."""
        if self.status != "ON_SALE" or not self.opens_at <= now < self.closes_at:
            raise not_on_sale(self.state(now))

    def require_seats(self, seats: Sequence[int], limit: int) -> None:
        """Refuse too many, unknown or repeated seats with 422."""
        if not seats:
            raise Invalid("invalid_body", "Choose at least one seat.", [problem("seats", "empty", "No seat is named.")])
        if len(seats) > limit:
            raise Invalid(
                "too_many_seats",
                f"At most {limit} seats can be booked at once.",
                [problem("seats", "too_many_seats", f"{len(seats)} seats; at most {limit}.")],
                limit=limit,
            )
        unknown = [seat_no for seat_no in seats if not 0 <= seat_no < self.plan.seats]
        if unknown:
            raise Invalid(
                "unknown_seat",
                "This event has no such seat.",
                [problem("seats", "unknown_seat", f"No seat {seat_no}.") for seat_no in unknown[:10]],
            )
        if len(set(seats)) != len(seats):
            raise Invalid(
                "duplicate_seat",
                "A seat is named twice.",
                [problem("seats", "duplicate_seat", "Each seat can be named once.")],
            )


def problem(path: str, code: str, detail: str) -> dict[str, str]:
    return {"path": path, "code": code, "detail": detail}


def not_on_sale(state: SaleState) -> Conflict:
    words = {
        SaleState.NOT_YET: "The sale has not begun yet.",
        SaleState.CLOSED: "The sale has ended.",
        SaleState.CANCELLED: "The event is cancelled.",
    }
    return Conflict("not_on_sale", words.get(state, "The event is not on sale."), sale=state.value)


def claim_until(hold_expires_at: datetime, hold_seconds: int, least_payment_seconds: int, now: datetime) -> datetime:
    """Until when a claim waits for its payment: the hold's end, but at least min(hold_seconds, the floor) from now."""
    return max(hold_expires_at, now + timedelta(seconds=min(hold_seconds, least_payment_seconds)))


def extended_until(first_at: datetime, hold_seconds: int, now: datetime, expires_at: datetime) -> datetime:
    """An extension: the hold's length from now, at most 30 min from the first seat, and never earlier than before."""
    return max(expires_at, min(now + timedelta(seconds=hold_seconds), first_at + HOLD_CAP))


def new_reference() -> str:
    """A reference people can read out: no letter looks like a digit; 45 random bits."""
    return "".join(REFERENCE_ALPHABET[byte % 32] for byte in secrets.token_bytes(REFERENCE_LENGTH))
