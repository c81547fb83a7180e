"""The simulated bank's books: SQL in typed functions. Nothing of the platform's own is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from boxoffice.kernel.database import Tx
from boxoffice.payments.domain import Outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """A charge as the bank knows it."""

    key: str
    tenant_id: UUID
    method: str
    amount_minor: int
    currency: str
    status: Outcome
    reason: str | None
    reference: str
    description: str
    return_url: str
    refunded_minor: int
    capture_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundEntry:
    """A refund as the bank knows it; `asked` counts how often it was wanted."""

    key: str
    charge_key: str
    amount_minor: int
    asked: int
    done: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook to deliver; `copy` tells the repeats of one apart."""

    id: UUID
    copy: int
    tenant_id: UUID
    body: str
    attempts: int


async def insert_charges(tx: Tx, entries: Sequence[Entry]) -> set[str]:
    """Book charges; returns the keys of those that were not booked before."""
    rows = await tx.db.fetch(
        """
        INSERT INTO simulator.charges (key, tenant_id, method, amount_minor, currency, status, reason, reference,
                                       description, return_url, capture_at, created_at, updated_at)
        SELECT key, tenant_id, method, amount_minor, currency, status, reason, reference, description, return_url,
               capture_at, $12, $12
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::text[],
                      $9::text[], $10::text[], $11::timestamptz[])
               AS new (key, tenant_id, method, amount_minor, currency, status, reason, reference, description,
                       return_url, capture_at)
         ORDER BY key
            ON CONFLICT (key) DO NOTHING
        RETURNING key
        """,
        [entry.key for entry in entries],
        [entry.tenant_id for entry in entries],
        [entry.method for entry in entries],
        [entry.amount_minor for entry in entries],
        [entry.currency for entry in entries],
        [entry.status.value for entry in entries],
        [entry.reason for entry in entries],
        [entry.reference for entry in entries],
        [entry.description for entry in entries],
        [entry.return_url for entry in entries],
        [entry.capture_at for entry in entries],
        tx.now,
    )
    return {row["key"] for row in rows}


async def charges(tx: Tx, keys: Sequence[str]) -> list[Entry]:
    rows = await tx.db.fetch(
        """
        SELECT key, tenant_id, method, amount_minor, currency, status, reason, reference, description, return_url,
               refunded_minor, capture_at
          FROM simulator.charges WHERE key = ANY($1::text[]) ORDER BY key
        """,
        keys,
    )
    return [_entry(row) for row in rows]


async def locked_charges(tx: Tx, keys: Sequence[str]) -> list[Entry]:
    rows = await tx.db.fetch(
        """
        SELECT key, tenant_id, method, amount_minor, currency, status, reason, reference, description, return_url,
               refunded_minor, capture_at
          FROM simulator.charges WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE
        """,
        keys,
    )
    return [_entry(row) for row in rows]


async def by_reference(tx: Tx, tenant_id: UUID, reference: str) -> Entry | None:
    row = await tx.db.fetchrow(
        """
        SELECT key, tenant_id, method, amount_minor, currency, status, reason, reference, description, return_url,
               refunded_minor, capture_at
          FROM simulator.charges WHERE reference = $1 AND tenant_id = $2
        """,
        reference,
        tenant_id,
    )
    return _entry(row) if row else None


async def cancel(tx: Tx, tenant_of: Sequence[tuple[str, UUID]]) -> None:
    """Cancel charges that are not decided yet; a key never seen becomes a CANCELLED charge of nothing."""
    await tx.db.execute(
        """
        INSERT INTO simulator.charges AS c (key, tenant_id, method, amount_minor, currency, status, reference,
                                            description, return_url, created_at, updated_at)
        SELECT key, tenant_id, '', 0, '', 'CANCELLED', 'sim_' || replace(gen_random_uuid()::text, '-', ''), '', '',
               $3, $3
          FROM unnest($1::text[], $2::uuid[]) AS gone (key, tenant_id)
         ORDER BY key
            ON CONFLICT (key) DO UPDATE
           SET status = 'CANCELLED', capture_at = NULL, updated_at = excluded.updated_at
         WHERE c.status IN ('PENDING', 'ACTION_REQUIRED')
        """,
        [key for key, _ in tenant_of],
        [tenant_id for _, tenant_id in tenant_of],
        tx.now,
    )


async def act(tx: Tx, key: str, outcome: Outcome, reason: str | None) -> bool:
    """Decide a charge that waits for its buyer; False where it does not wait any more."""
    status = await tx.db.fetchval(
        """
        UPDATE simulator.charges SET status = $2, reason = $3, updated_at = $4
         WHERE key = $1 AND status = 'ACTION_REQUIRED'
        RETURNING status
        """,
        key,
        outcome.value,
        reason,
        tx.now,
    )
    return status is not None


async def capture_due(tx: Tx) -> list[Entry]:
    """Capture the charges whose time has come."""
    rows = await tx.db.fetch(
        """
        WITH due AS (
            SELECT key FROM simulator.charges
             WHERE capture_at <= $1 ORDER BY capture_at LIMIT 200 FOR UPDATE SKIP LOCKED)
        UPDATE simulator.charges c
           SET status = 'CAPTURED', reason = NULL, capture_at = NULL, updated_at = $1
          FROM due WHERE c.key = due.key
        RETURNING c.key, tenant_id, method, amount_minor, currency, status, reason, reference, description, return_url,
                  refunded_minor, capture_at
        """,
        tx.now,
    )
    return [_entry(row) for row in rows]


async def refunds(tx: Tx, keys: Sequence[str]) -> dict[str, RefundEntry]:
    rows = await tx.db.fetch(
        """
        SELECT key, charge_key, amount_minor, asked, done, reason FROM simulator.refunds WHERE key = ANY($1::text[])
        """,
        keys,
    )
    return {
        row["key"]: RefundEntry(
            row["key"], row["charge_key"], row["amount_minor"], row["asked"], row["done"], row["reason"]
        )
        for row in rows
    }


async def save_refunds(tx: Tx, made: Sequence[RefundEntry], charged: Sequence[Entry]) -> None:
    """Write refunds, and what their charges returned so far. The charges are locked by this transaction."""
    await tx.db.execute(
        """
        INSERT INTO simulator.refunds (key, charge_key, amount_minor, asked, done, reason, created_at)
        SELECT key, charge_key, amount_minor, asked, done, reason, $7
          FROM unnest($1::text[], $2::text[], $3::int8[], $4::int4[], $5::bool[], $6::text[])
               AS new (key, charge_key, amount_minor, asked, done, reason)
         ORDER BY key
            ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, done = excluded.done, reason = excluded.reason
        """,
        [refund.key for refund in made],
        [refund.charge_key for refund in made],
        [refund.amount_minor for refund in made],
        [refund.asked for refund in made],
        [refund.done for refund in made],
        [refund.reason for refund in made],
        tx.now,
    )
    await tx.db.execute(
        """
        UPDATE simulator.charges c SET refunded_minor = new.refunded_minor, updated_at = $3
          FROM unnest($1::text[], $2::int8[]) AS new (key, refunded_minor)
         WHERE c.key = new.key AND c.refunded_minor <> new.refunded_minor
        """,
        [entry.key for entry in charged],
        [entry.refunded_minor for entry in charged],
        tx.now,
    )


async def insert_deliveries(tx: Tx, deliveries: Sequence[Delivery]) -> None:
    if not deliveries:
        return
    await tx.db.execute(
        """
        INSERT INTO simulator.deliveries (id, copy, tenant_id, body, due_at, created_at)
        SELECT id, copy, tenant_id, body, $5, $5
          FROM unnest($1::uuid[], $2::int4[], $3::uuid[], $4::text[]) AS new (id, copy, tenant_id, body)
         ORDER BY id, copy
            ON CONFLICT (id, copy) DO NOTHING
        """,
        [delivery.id for delivery in deliveries],
        [delivery.copy for delivery in deliveries],
        [delivery.tenant_id for delivery in deliveries],
        [delivery.body for delivery in deliveries],
        tx.now,
    )


async def claim_deliveries(tx: Tx, until: datetime) -> list[Delivery]:
    rows = await tx.db.fetch(
        """
        WITH due AS (
            SELECT id, copy FROM simulator.deliveries
             WHERE due_at <= $1 ORDER BY due_at LIMIT 50 FOR UPDATE SKIP LOCKED)
        UPDATE simulator.deliveries d SET due_at = $2, attempts = attempts + 1
          FROM due WHERE (d.id, d.copy) = (due.id, due.copy)
        RETURNING d.id, d.copy, tenant_id, body, attempts
        """,
        tx.now,
        until,
    )
    return [Delivery(row["id"], row["copy"], row["tenant_id"], row["body"], row["attempts"]) for row in rows]


async def postpone(tx: Tx, deliveries: Sequence[tuple[Delivery, datetime | None]]) -> None:
    """Set when each is tried again; None: no more, it was delivered or given up."""
    await tx.db.execute(
        """
        UPDATE simulator.deliveries d SET due_at = new.due_at
          FROM unnest($1::uuid[], $2::int4[], $3::timestamptz[]) AS new (id, copy, due_at)
         WHERE (d.id, d.copy) = (new.id, new.copy)
        """,
        [delivery.id for delivery, _ in deliveries],
        [delivery.copy for delivery, _ in deliveries],
        [due_at for _, due_at in deliveries],
    )


def _entry(row: Any) -> Entry:
    return Entry(
        key=row["key"], tenant_id=row["tenant_id"], method=row["method"], amount_minor=row["amount_minor"],
        currency=row["currency"], status=Outcome(row["status"]), reason=row["reason"], reference=row["reference"],
        description=row["description"], return_url=row["return_url"], refunded_minor=row["refunded_minor"],
        capture_at=row["capture_at"],
    )  # fmt: skip
