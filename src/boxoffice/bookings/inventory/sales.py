"""Sales at rest: what bookings keeps of every event it sells, fed by the messages of events."""

from typing import Any
from uuid import UUID

import msgspec

from boxoffice import messages
from boxoffice.kernel.database import Tx

SALES = """
    SELECT event_id, name, venue, time_zone, starts_at, currency, categories, opens_at, closes_at, max_seats, plan_hash,
           seats, status, sold_out, version
      FROM sales WHERE event_id = ANY($1::uuid[]) ORDER BY event_id
"""


class SaleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `sales`."""

    sale: messages.Sale
    seats: int
    status: str
    sold_out: bool
    version: int


async def load(tx: Tx, event_id: UUID) -> SaleRow | None:
    row = await tx.db.fetchrow(SALES, [event_id])
    return None if row is None else _sale_row(row)


async def lock_shared(tx: Tx, event_ids: list[UUID]) -> dict[UUID, SaleRow]:
    """Sales, held FOR SHARE: none of them can be cancelled until this transaction ends."""
    return {row["event_id"]: _sale_row(row) for row in await tx.db.fetch(f"{SALES} FOR SHARE", event_ids)}


def _sale_row(row: Any) -> SaleRow:
    sale = messages.Sale(
        event_id=row["event_id"], name=row["name"], venue=row["venue"], time_zone=row["time_zone"],
        starts_at=row["starts_at"], currency=row["currency"],
        categories=msgspec.json.decode(row["categories"], type=list[messages.Category]),
        opens_at=row["opens_at"], closes_at=row["closes_at"], max_seats_per_booking=row["max_seats"],
        plan_hash=row["plan_hash"],
    )  # fmt: skip
    return SaleRow(
        sale=sale, seats=row["seats"], status=row["status"], sold_out=row["sold_out"], version=row["version"]
    )


PREPARE = """
    INSERT INTO sales (event_id, name, venue, time_zone, starts_at, currency, categories, opens_at, closes_at,
                       max_seats, plan_hash, seats, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 'PREPARING')
    ON CONFLICT (event_id) DO NOTHING
"""


async def prepare(tx: Tx, sale: messages.Sale) -> None:
    """Write the row of a sale whose inventory is about to be made."""
    await tx.db.execute(
        PREPARE, sale.event_id, sale.name, sale.venue, sale.time_zone, sale.starts_at, sale.currency,
        msgspec.json.encode(sale.categories).decode(), sale.opens_at, sale.closes_at, sale.max_seats_per_booking,
        sale.plan_hash,
    )  # fmt: skip


async def open_sale(tx: Tx, event_id: UUID, seats: int) -> None:
    """Let claims in: the inventory is complete."""
    await tx.db.execute(
        """UPDATE sales SET status = 'ON_SALE', seats = $2, version = version + 1
            WHERE event_id = $1 AND status = 'PREPARING'""",
        event_id, seats,
    )  # fmt: skip


async def abandon(tx: Tx, event_id: UUID) -> None:
    """Forget a sale whose inventory cannot be made: its event is a draft again."""
    await tx.db.execute("DELETE FROM sales WHERE event_id = $1 AND status = 'PREPARING'", event_id)


async def change(tx: Tx, sale: messages.Sale) -> None:
    """Take over what may change while an event is on sale: texts, limit and window.

    The change may overtake the publication: then the sale begins with it.
    """
    await prepare(tx, sale)
    await tx.db.execute(
        """UPDATE sales SET name = $2, venue = $3, time_zone = $4, starts_at = $5, opens_at = $6, closes_at = $7,
                  max_seats = $8, version = version + 1
            WHERE event_id = $1""",
        sale.event_id, sale.name, sale.venue, sale.time_zone, sale.starts_at, sale.opens_at, sale.closes_at,
        sale.max_seats_per_booking,
    )  # fmt: skip


async def cancel(tx: Tx, event_id: UUID) -> None:
    """End the sale for good; claims hold the row FOR SHARE, so none slips through."""
    await tx.db.execute("UPDATE sales SET status = 'CANCELLED', version = version + 1 WHERE event_id = $1", event_id)


async def mark_sold_out(tx: Tx, event_id: UUID, sold_out: bool) -> int | None:
    """Note that the last free seat went or one came back; answers the new version, None when nothing changed."""
    version: int | None = await tx.db.fetchval(
        """UPDATE sales SET sold_out = $2, version = version + 1 WHERE event_id = $1 AND sold_out <> $2
        RETURNING version""",
        event_id, sold_out,
    )  # fmt: skip
    return version


async def is_sold_out(tx: Tx, event_id: UUID) -> bool:
    sold_out: bool = await tx.db.fetchval("SELECT sold_out FROM sales WHERE event_id = $1", event_id)
    return sold_out


async def keep_plan(tx: Tx, plan_hash: str, document: bytes) -> None:
    await tx.db.execute(
        "INSERT INTO sale_plans (plan_hash, document) VALUES ($1, $2) ON CONFLICT (plan_hash) DO NOTHING",
        plan_hash, document,
    )  # fmt: skip


async def plan(tx: Tx, plan_hash: str) -> bytes | None:
    document: bytes | None = await tx.db.fetchval("SELECT document FROM sale_plans WHERE plan_hash = $1", plan_hash)
    return document


async def payment_methods(tx: Tx) -> frozenset[str]:
    return frozenset(row["method"] for row in await tx.db.fetch("SELECT method FROM payment_methods"))


async def keep_payment_methods(tx: Tx, methods: list[str]) -> None:
    """Accept exactly these payment methods."""
    await tx.db.execute("DELETE FROM payment_methods WHERE method <> ALL($1::text[])", methods)
    await tx.db.execute(
        "INSERT INTO payment_methods (method) SELECT unnest($1::text[]) ON CONFLICT (method) DO NOTHING", methods
    )
