"""A tenant's ledger at rest: double entry, written in the transaction that learns of the money, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from boxoffice.kernel.database import Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.payments.domain import REFUNDS, SALES, Entry


@dataclass(frozen=True, slots=True)
class Balance:
    """What the ledger says of one booking; `imbalance_minor` is 0, or the ledger is wrong."""

    captured_minor: int = 0
    refunded_minor: int = 0
    imbalance_minor: int = 0


async def write(tx: Tx, entries: Sequence[Entry]) -> None:
    """Write the lines of transactions. A transaction that is written already is a fault: money would count twice."""
    if not entries:
        return
    await tx.db.execute(
        """
        INSERT INTO ledger_entries (id, transaction_id, account, amount_minor, currency, booking_id, payment_id,
                                    refund_id, at)
        SELECT id, transaction_id, account, amount_minor, currency, booking_id, payment_id, refund_id, $9
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int8[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[])
               AS new (id, transaction_id, account, amount_minor, currency, booking_id, payment_id, refund_id)
        """,
        [uuid7() for _ in entries],
        [entry.transaction_id for entry in entries],
        [entry.account for entry in entries],
        [entry.amount_minor for entry in entries],
        [entry.currency for entry in entries],
        [entry.booking_id for entry in entries],
        [entry.payment_id for entry in entries],
        [entry.refund_id for entry in entries],
        tx.now,
    )


async def balances(tx: Tx, booking_ids: Sequence[UUID]) -> dict[UUID, Balance]:
    """What is written of each of these bookings; one that is missing has moved no money."""
    rows = await tx.db.fetch(
        """
        SELECT booking_id,
               coalesce(-sum(amount_minor) FILTER (WHERE account = $2), 0)::int8 AS captured_minor,
               coalesce(sum(amount_minor) FILTER (WHERE account = $3), 0)::int8 AS refunded_minor,
               sum(amount_minor)::int8 AS imbalance_minor
          FROM ledger_entries WHERE booking_id = ANY($1::uuid[]) GROUP BY booking_id
        """,
        booking_ids,
        SALES,
        REFUNDS,
    )
    return {
        row["booking_id"]: Balance(row["captured_minor"], row["refunded_minor"], row["imbalance_minor"])
        for row in rows
    }  # fmt: skip


async def crooked(tx: Tx) -> list[UUID]:
    """Transactions of the ledger whose lines do not add up to nothing: there are none."""
    rows = await tx.db.fetch(
        """
        SELECT transaction_id FROM ledger_entries
         GROUP BY transaction_id HAVING sum(amount_minor) <> 0 OR count(*) < 2 OR count(DISTINCT currency) > 1
         ORDER BY transaction_id LIMIT 100
        """
    )
    return [row["transaction_id"] for row in rows]
