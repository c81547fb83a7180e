"""What an event may be: its fields, their rules, and which of them may change once it is on sale; pure."""

import re
import zoneinfo
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.messages import Category, Sale

CATEGORY_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
COLOR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
MOST_MINOR = 100_000_000
MOST_CATEGORIES = 50
MOST_SEATS = 100
EARLIEST, LATEST = 1970, 2200  # years
FIXED_ON_SALE = ("starts_at", "time_zone", "currency", "categories")
DRAFT, PUBLISHING, PUBLISHED, CANCELLED, ENDED = "DRAFT", "PUBLISHING", "PUBLISHED", "CANCELLED", "ENDED"
STATUSES = (DRAFT, PUBLISHING, PUBLISHED, CANCELLED, ENDED)
PUBLIC = (PUBLISHED, CANCELLED, ENDED)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event at rest."""

    id: UUID
    name: str
    description: str
    venue: str
    time_zone: str
    starts_at: datetime
    doors_at: datetime | None
    currency: str
    categories: list[Category]
    opens_at: datetime
    closes_at: datetime
    max_seats_per_booking: int
    status: str
    plan_hash: str | None = None
    seats: int = 0
    sold_out: bool = False
    created_by: str
    created_at: datetime

    def sale_state(self, now: datetime) -> str:
        """What api.md calls `sale`: not_yet, open, closed, sold_out or cancelled."""
        if self.status == CANCELLED:
            return "cancelled"
        if now < self.opens_at or self.status in (DRAFT, PUBLISHING):
            return "not_yet"
        if now >= self.closes_at or self.status == ENDED:
            return "closed"
        return "sold_out" if self.sold_out else "open"

    def as_sale(self) -> Sale:
        """What bookings needs to sell it. Raises Conflict `no_seat_plan`."""
        if self.plan_hash is None:
            raise Conflict("no_seat_plan", "Give the event a seat plan first.")
        return Sale(
            event_id=self.id, name=self.name, venue=self.venue, time_zone=self.time_zone, starts_at=self.starts_at,
            currency=self.currency, categories=self.categories, opens_at=self.opens_at, closes_at=self.closes_at,
            max_seats_per_booking=self.max_seats_per_booking, plan_hash=self.plan_hash,
        )  # fmt: skip


def check(event: Event) -> None:
    """Refuse an event that cannot be with 422 `invalid_body`, naming every field that is wrong."""
    wrong = [*_wrong_texts(event), *_wrong_times(event), *_wrong_categories(event.categories)]
    if event.time_zone not in _time_zones():
        wrong.append(("time_zone", "unknown_time_zone", "Name an IANA time zone, like Europe/Berlin."))
    if not CURRENCY.fullmatch(event.currency):
        wrong.append(("currency", "unknown_currency", "Name an ISO 4217 currency, like EUR."))
    if not 1 <= event.max_seats_per_booking <= MOST_SEATS:
        wrong.append(("max_seats_per_booking", "out_of_range", f"From 1 to {MOST_SEATS}."))
    refuse(wrong)


def refuse(wrong: Sequence[tuple[str, str, str]]) -> None:
    """Raise Invalid when anything is (path, code, detail) wrong."""
    if wrong:
        errors = [{"path": path, "code": code, "detail": detail} for path, code, detail in wrong]
        raise Invalid("invalid_body", "The event cannot be accepted.", errors)


def check_change(before: Event, after: Event) -> None:
    """Refuse to change on sale what buyers have relied on with 409 `already_published`."""
    if before.status == DRAFT:
        return
    changed = [name for name in FIXED_ON_SALE if getattr(before, name) != getattr(after, name)]
    if changed or before.status in (CANCELLED, ENDED):
        raise Conflict("already_published", "This cannot be changed once the event is published.", fields=changed)


def _wrong_texts(event: Event) -> list[tuple[str, str, str]]:
    limits = (("name", event.name, 1, 200), ("description", event.description, 0, 10_000),
              ("venue", event.venue, 0, 200))  # fmt: skip
    wrong = []
    for path, text, least, most in limits:
        if not least <= len(text.strip()) or len(text) > most:
            wrong.append((path, "bad_length", f"From {least} to {most} characters."))
        elif CONTROL.search(text):
            wrong.append((path, "control_character", "No control characters."))
    return wrong


def _wrong_times(event: Event) -> list[tuple[str, str, str]]:
    wrong = []
    times = {"starts_at": event.starts_at, "doors_at": event.doors_at, "sales.opens_at": event.opens_at,
             "sales.closes_at": event.closes_at}  # fmt: skip
    for path, at in times.items():
        if at is not None and not EARLIEST <= at.year <= LATEST:
            wrong.append((path, "out_of_range", f"Between the years {EARLIEST} and {LATEST}."))
    if event.doors_at is not None and event.doors_at > event.starts_at:
        wrong.append(("doors_at", "after_start", "Doors open before the start."))
    if event.opens_at >= event.closes_at:
        wrong.append(("sales.closes_at", "before_opening", "A sale closes after it opens."))
    return wrong


def _wrong_categories(categories: Sequence[Category]) -> list[tuple[str, str, str]]:
    if not 1 <= len(categories) <= MOST_CATEGORIES:
        return [("categories", "bad_length", f"From 1 to {MOST_CATEGORIES} categories.")]
    wrong, seen = [], set()
    for place, category in enumerate(categories):
        path = f"categories[{place}]"
        if not CATEGORY_KEY.fullmatch(category.key):
            wrong.append((f"{path}.key", "bad_key", "Lower-case letters, digits, - and _; at most 40."))
        elif category.key in seen:
            wrong.append((f"{path}.key", "duplicate", "Each key can be used once."))
        seen.add(category.key)
        if not 1 <= len(category.name.strip()) <= 100 or CONTROL.search(category.name):
            wrong.append((f"{path}.name", "bad_length", "From 1 to 100 characters."))
        if not COLOR.fullmatch(category.color):
            wrong.append((f"{path}.color", "bad_color", "A colour like #0072B2."))
        if not 0 <= category.price_minor <= MOST_MINOR:
            wrong.append((f"{path}.price_minor", "out_of_range", f"From 0 to {MOST_MINOR}."))
    return wrong


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
