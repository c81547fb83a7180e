"""Events and seat plans at rest: SQL in typed functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.events.domain import Event
from boxoffice.kernel.database import Tx
from boxoffice.messages import Category

EVENT = """
    SELECT id, name, description, venue, time_zone, starts_at, doors_at, currency, categories, opens_at, closes_at,
           max_seats_per_booking, status, plan_hash, seats, sold_out, created_by, created_at
      FROM events
"""
INSERT = """
    INSERT INTO events (id, name, description, venue, time_zone, starts_at, doors_at, currency, categories, opens_at,
                        closes_at, max_seats_per_booking, status, plan_hash, seats, created_by, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
    ON CONFLICT (id) DO NOTHING
"""
UPDATE = """
    UPDATE events
       SET name = $2, description = $3, venue = $4, time_zone = $5, starts_at = $6, doors_at = $7, currency = $8,
           categories = $9, opens_at = $10, closes_at = $11, max_seats_per_booking = $12, updated_at = $13
     WHERE id = $1
"""
BY_ID = EVENT + " WHERE id = $1"
BY_ID_LOCKED = BY_ID + " FOR UPDATE"
PAGE = (
    EVENT
    + """
     WHERE status = ANY($1::text[])
       AND ($2::text IS NULL OR name ILIKE $2 OR description ILIKE $2 OR venue ILIKE $2)
       AND ($3::timestamptz IS NULL OR starts_at >= $3)
       AND ($4::timestamptz IS NULL OR starts_at < $4)
       AND ($5::timestamptz IS NULL OR (starts_at, id) > ($5, $6))
     ORDER BY starts_at, id
     LIMIT $7
"""
)


async def insert(tx: Tx, event: Event) -> None:
    await tx.db.execute(
        INSERT, event.id, event.name, event.description, event.venue, event.time_zone, event.starts_at, event.doors_at,
        event.currency, _json(event.categories), event.opens_at, event.closes_at, event.max_seats_per_booking,
        event.status, event.plan_hash, event.seats, event.created_by, event.created_at,
    )  # fmt: skip


async def update(tx: Tx, event: Event) -> None:
    await tx.db.execute(
        UPDATE, event.id, event.name, event.description, event.venue, event.time_zone, event.starts_at, event.doors_at,
        event.currency, _json(event.categories), event.opens_at, event.closes_at, event.max_seats_per_booking, tx.now,
    )  # fmt: skip


async def find(tx: Tx, event_id: UUID, *, lock: bool = False) -> Event | None:
    row = await tx.db.fetchrow(BY_ID_LOCKED if lock else BY_ID, event_id)
    return _event(row) if row else None


async def page(
    tx: Tx, statuses: Sequence[str], text: str | None, since: datetime | None, until: datetime | None,
    after: tuple[datetime, UUID] | None, limit: int,
) -> list[Event]:  # fmt: skip
    """Events in order of their start; `text` is looked for in name, description and venue, case aside."""
    pattern = f"%{_literal(text)}%" if text else None
    at, event_id = after or (None, None)
    return [_event(row) for row in await tx.db.fetch(PAGE, list(statuses), pattern, since, until, at, event_id, limit)]


async def set_status(tx: Tx, event_id: UUID, status: str, only_from: Sequence[str]) -> bool:
    """Move an event to a status, if it is in one of `only_from`."""
    moved: str = await tx.db.execute(
        "UPDATE events SET status = $2, updated_at = $4 WHERE id = $1 AND status = ANY($3::text[])",
        event_id, status, list(only_from), tx.now,
    )  # fmt: skip
    return moved.endswith(" 1")


async def set_sold_out(tx: Tx, event_id: UUID, sold_out: bool, version: int) -> None:
    """Take over what bookings says of the last free seat, unless it is old news."""
    await tx.db.execute(
        "UPDATE events SET sold_out = $2, sale_version = $3 WHERE id = $1 AND sale_version < $3",
        event_id, sold_out, version,
    )  # fmt: skip


async def keep_plan(tx: Tx, hash: str, name: str, seats: int, categories: Sequence[str], document: bytes) -> None:
    await tx.db.execute(
        """INSERT INTO seat_plans (hash, name, seats, categories, document, created_at)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING""",
        hash, name, seats, _json(categories), document, tx.now,
    )  # fmt: skip


async def set_plan(tx: Tx, event_id: UUID, hash: str, seats: int) -> None:
    await tx.db.execute(
        "UPDATE events SET plan_hash = $2, seats = $3, updated_at = $4 WHERE id = $1", event_id, hash, seats, tx.now
    )


async def plan(tx: Tx, hash: str) -> bytes | None:
    document: bytes | None = await tx.db.fetchval("SELECT document FROM seat_plans WHERE hash = $1", hash)
    return document


async def is_public_plan(tx: Tx, hash: str, public: Sequence[str]) -> bool:
    """Whether an event that anybody may see is sold from this plan."""
    found: bool = await tx.db.fetchval(
        "SELECT EXISTS (SELECT FROM events WHERE plan_hash = $1 AND status = ANY($2::text[]))", hash, list(public)
    )
    return found


def _event(row: Any) -> Event:
    return Event(
        id=row["id"], name=row["name"], description=row["description"], venue=row["venue"],
        time_zone=row["time_zone"], starts_at=row["starts_at"], doors_at=row["doors_at"], currency=row["currency"],
        categories=msgspec.json.decode(row["categories"], type=list[Category]), opens_at=row["opens_at"],
        closes_at=row["closes_at"], max_seats_per_booking=row["max_seats_per_booking"], status=row["status"],
        plan_hash=row["plan_hash"], seats=row["seats"], sold_out=row["sold_out"], created_by=row["created_by"],
        created_at=row["created_at"],
    )  # fmt: skip


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _literal(text: str) -> str:
    """A text for ILIKE in which no character is a wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
