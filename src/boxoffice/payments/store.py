"""Payments and refunds at rest: SQL in typed functions."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from boxoffice.kernel.database import Tx
from boxoffice.payments.domain import Payment, Refund, RefundStatus, Status


async def insert_requested(tx: Tx, payments: Sequence[Payment]) -> list[UUID]:
    """Write payments to be charged; an attempt that is known already (or was cancelled before) stays as it is."""
    rows = await tx.db.fetch(
        """
        INSERT INTO payments (id, booking_id, attempt, amount_minor, currency, method, reference, provider, status,
                              created_at, updated_at)
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, provider, 'REQUESTED', $9, $9
          FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::text[])
               AS wanted (id, booking_id, attempt, amount_minor, currency, method, reference, provider)
         ORDER BY booking_id, attempt
            ON CONFLICT (booking_id, attempt) DO NOTHING
        RETURNING id
        """,
        [p.id for p in payments],
        [p.booking_id for p in payments],
        [p.attempt for p in payments],
        [p.amount_minor for p in payments],
        [p.currency for p in payments],
        [p.method for p in payments],
        [p.reference for p in payments],
        [p.provider for p in payments],
        tx.now,
    )
    return [row["id"] for row in rows]


async def insert_tombstones(tx: Tx, ids: Sequence[UUID], attempts: Sequence[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """Write CANCELLED for attempts nobody asked for yet, so that their requests do nothing; returns these."""
    rows = await tx.db.fetch(
        """
        INSERT INTO payments (id, booking_id, attempt, amount_minor, currency, method, reference, status,
                              created_at, updated_at)
        SELECT id, booking_id, attempt, 0, '', '', '', 'CANCELLED', $4, $4
          FROM unnest($1::uuid[], $2::uuid[], $3::int4[]) AS wanted (id, booking_id, attempt)
         ORDER BY booking_id, attempt
            ON CONFLICT (booking_id, attempt) DO NOTHING
        RETURNING booking_id, attempt
        """,
        ids,
        [booking_id for booking_id, _ in attempts],
        [attempt for _, attempt in attempts],
        tx.now,
    )
    return {(row["booking_id"], row["attempt"]) for row in rows}


async def start(tx: Tx, ids: Sequence[UUID]) -> list[Payment]:
    """Mark what may be sent as PROCESSING, and return it: new payments and those whose sending may have failed."""
    rows = await tx.db.fetch(
        """
        WITH sendable AS (
            SELECT id FROM payments
             WHERE id = ANY($1::uuid[]) AND status IN ('REQUESTED', 'PROCESSING', 'UNKNOWN') AND NOT cancel_requested
             ORDER BY id FOR UPDATE)
        UPDATE payments p SET status = 'PROCESSING', updated_at = $2
          FROM sendable WHERE p.id = sendable.id
        RETURNING p.id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
                  retryable, action_url, cancel_requested, asked, provider
        """,
        ids,
        tx.now,
    )
    return [_payment(row) for row in rows]


async def locked(tx: Tx, ids: Iterable[UUID]) -> list[Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
        """,
        list(ids),
    )
    return [_payment(row) for row in rows]


async def locked_attempts(tx: Tx, attempts: Sequence[tuple[UUID, int]]) -> list[Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, p.booking_id, p.attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments p
          JOIN unnest($1::uuid[], $2::int4[]) AS wanted (booking_id, attempt)
            ON (p.booking_id, p.attempt) = (wanted.booking_id, wanted.attempt)
         ORDER BY id FOR UPDATE OF p
        """,
        [booking_id for booking_id, _ in attempts],
        [attempt for _, attempt in attempts],
    )
    return [_payment(row) for row in rows]


async def locked_open(tx: Tx, booking_ids: Sequence[UUID]) -> list[Payment]:
    """The payments of these bookings that are neither captured nor declined nor cancelled."""
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments
         WHERE booking_id = ANY($1::uuid[]) AND status NOT IN ('CAPTURED', 'DECLINED', 'CANCELLED')
         ORDER BY id FOR UPDATE
        """,
        booking_ids,
    )
    return [_payment(row) for row in rows]


async def by_id(tx: Tx, ids: Sequence[UUID]) -> list[Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments WHERE id = ANY($1::uuid[]) ORDER BY id
        """,
        ids,
    )
    return [_payment(row) for row in rows]


async def of_booking(tx: Tx, booking_id: UUID) -> list[Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments WHERE booking_id = $1 ORDER BY attempt
        """,
        booking_id,
    )
    return [_payment(row) for row in rows]


async def by_attempt(tx: Tx, attempts: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, p.booking_id, p.attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments p
          JOIN unnest($1::uuid[], $2::int4[]) AS wanted (booking_id, attempt)
            ON (p.booking_id, p.attempt) = (wanted.booking_id, wanted.attempt)
        """,
        [booking_id for booking_id, _ in attempts],
        [attempt for _, attempt in attempts],
    )
    return {(row["booking_id"], row["attempt"]): _payment(row) for row in rows}


async def of_bookings(tx: Tx, booking_ids: Sequence[UUID]) -> list[Payment]:
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, method, reference, status, provider_ref, reason,
               retryable, action_url, cancel_requested, asked, provider
          FROM payments WHERE booking_id = ANY($1::uuid[]) ORDER BY booking_id, attempt
        """,
        booking_ids,
    )
    return [_payment(row) for row in rows]


async def paying_bookings(tx: Tx, after: UUID | None, limit: int) -> list[UUID]:
    """Bookings that somebody tried to pay for, by id: one page of them."""
    rows = await tx.db.fetch(
        """
        SELECT DISTINCT booking_id FROM payments
         WHERE booking_id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY booking_id LIMIT $2
        """,
        after,
        limit,
    )
    return [row["booking_id"] for row in rows]


async def ids_of(tx: Tx, attempts: Sequence[tuple[UUID, int]]) -> list[UUID]:
    rows = await tx.db.fetch(
        """
        SELECT id FROM payments p
          JOIN unnest($1::uuid[], $2::int4[]) AS wanted (booking_id, attempt)
            ON (p.booking_id, p.attempt) = (wanted.booking_id, wanted.attempt)
        """,
        [booking_id for booking_id, _ in attempts],
        [attempt for _, attempt in attempts],
    )
    return [row["id"] for row in rows]


async def save(tx: Tx, payments: Sequence[Payment]) -> None:
    """Write what changed of payments whose rows this transaction holds locked."""
    await tx.db.execute(
        """
        UPDATE payments p
           SET status = new.status, provider_ref = new.provider_ref, reason = new.reason, retryable = new.retryable,
               action_url = new.action_url, cancel_requested = new.cancel_requested, asked = new.asked, updated_at = $9
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::bool[], $8::int4[])
               AS new (id, status, provider_ref, reason, retryable, action_url, cancel_requested, asked)
         WHERE p.id = new.id
        """,
        [p.id for p in payments],
        [p.status.value for p in payments],
        [p.provider_ref for p in payments],
        [p.reason for p in payments],
        [p.retryable for p in payments],
        [p.action_url for p in payments],
        [p.cancel_requested for p in payments],
        [p.asked for p in payments],
        tx.now,
    )


async def request_refunds(tx: Tx, refunds: Sequence[Refund]) -> list[Refund]:
    """Write refunds to be made. One that failed is wanted again; one that is done stays done. Returns them all."""
    rows = await tx.db.fetch(
        """
        INSERT INTO refunds AS r (id, booking_id, attempt, amount_minor, currency, status, created_at, updated_at)
        SELECT id, booking_id, attempt, amount_minor, currency, 'REQUESTED', $6, $6
          FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int8[], $5::text[])
               AS wanted (id, booking_id, attempt, amount_minor, currency)
         ORDER BY id
            ON CONFLICT (id) DO UPDATE
           SET status = CASE r.status WHEN 'DONE' THEN 'DONE' ELSE 'REQUESTED' END, updated_at = excluded.updated_at
        RETURNING id, booking_id, attempt, amount_minor, currency, status, reason, asked, refused
        """,
        [r.id for r in refunds],
        [r.booking_id for r in refunds],
        [r.attempt for r in refunds],
        [r.amount_minor for r in refunds],
        [r.currency for r in refunds],
        tx.now,
    )
    return [_refund(row) for row in rows]


async def open_refunds(tx: Tx, ids: Sequence[UUID], *, lock: bool) -> list[Refund]:
    """Those of these refunds that are neither done nor refused."""
    statement = """
        SELECT id, booking_id, attempt, amount_minor, currency, status, reason, asked, refused
          FROM refunds WHERE id = ANY($1::uuid[]) AND status = 'REQUESTED' ORDER BY id
        """
    rows = await tx.db.fetch(statement + "FOR UPDATE" if lock else statement, ids)
    return [_refund(row) for row in rows]


async def refunds_of_booking(tx: Tx, booking_id: UUID) -> list[Refund]:
    rows = await tx.db.fetch(
        """
        SELECT id, booking_id, attempt, amount_minor, currency, status, reason, asked, refused
          FROM refunds WHERE booking_id = $1 ORDER BY id
        """,
        booking_id,
    )
    return [_refund(row) for row in rows]


async def save_refunds(tx: Tx, refunds: Sequence[Refund]) -> None:
    await tx.db.execute(
        """
        UPDATE refunds r
           SET status = new.status, reason = new.reason, asked = new.asked, refused = new.refused, updated_at = $6
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int4[], $5::int4[])
               AS new (id, status, reason, asked, refused)
         WHERE r.id = new.id
        """,
        [r.id for r in refunds],
        [r.status.value for r in refunds],
        [r.reason for r in refunds],
        [r.asked for r in refunds],
        [r.refused for r in refunds],
        tx.now,
    )


def _payment(row: Any) -> Payment:
    return Payment(
        id=row["id"], booking_id=row["booking_id"], attempt=row["attempt"], amount_minor=row["amount_minor"],
        currency=row["currency"], method=row["method"], reference=row["reference"], status=Status(row["status"]),
        provider_ref=row["provider_ref"], reason=row["reason"], retryable=row["retryable"],
        action_url=row["action_url"], cancel_requested=row["cancel_requested"], asked=row["asked"],
        provider=row["provider"],
    )  # fmt: skip


def _refund(row: Any) -> Refund:
    return Refund(
        id=row["id"], booking_id=row["booking_id"], attempt=row["attempt"], amount_minor=row["amount_minor"],
        currency=row["currency"], status=RefundStatus(row["status"]), reason=row["reason"], asked=row["asked"],
        refused=row["refused"],
    )  # fmt: skip


async def choose_provider(tx: Tx, provider: str) -> None:
    """From now on payments go to this provider."""
    await tx.db.execute(
        """INSERT INTO payment_account (provider) VALUES ($1)
           ON CONFLICT (only_one) DO UPDATE SET provider = excluded.provider""",
        provider,
    )


async def chosen_provider(tx: Tx) -> str | None:
    """The provider payments go to; None before anything was heard of it."""
    provider: str | None = await tx.db.fetchval("SELECT provider FROM payment_account")
    return provider
