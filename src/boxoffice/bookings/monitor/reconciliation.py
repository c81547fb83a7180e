"""What bookings says of money and seats, booking by booking, for operators who compare it with what others say."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.bookings.decide import AttemptStatus, Saga
from boxoffice.bookings.executor import public_status
from boxoffice.bookings.saga import BEFORE_MONEY
from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.route import Answer, Call


class BookingAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One booking. `awaiting`: a payment may still come or be called off; `lines` have a live claim on their seat."""

    booking_id: UUID
    reference: str
    status: str
    awaiting: bool
    currency: str
    captured_minor: int
    refunded_minor: int
    refunding_minor: int
    by_hand_minor: int
    kept_minor: int
    valid_minor: int
    lines: int
    held: int
    sold: int
    hold_until: datetime
    changed_at: datetime


BookingAccounts = Page[BookingAccount]

ACCOUNTS = """
    SELECT b.id, b.reference, b.currency, b.hold_until, s.updated_at, s.payload, l.valid_minor, l.lines, l.held, l.sold
      FROM bookings b
      JOIN saga_state s ON s.id = b.id
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(line.price_minor) FILTER (WHERE line.live AND line.state = 'VALID'), 0)::int8
                   AS valid_minor,
               count(*) FILTER (WHERE line.live) AS lines,
               count(*) FILTER (WHERE seat.status = 'HELD') AS held,
               count(*) FILTER (WHERE seat.status = 'SOLD') AS sold
          FROM booking_seats line
          LEFT JOIN seat_inventory seat ON (seat.event_id, seat.seat_no) = (line.event_id, line.seat_no)
               AND seat.booking_id = line.booking_id
         WHERE line.booking_id = b.id) l
     WHERE $1::uuid IS NULL OR b.id > $1
     ORDER BY b.id LIMIT $2
"""


async def accounts(tx: Tx, after: UUID | None, limit: int) -> Sequence[BookingAccount]:
    """Bookings in the order of their ids, behind `after`."""
    rows = await tx.db.fetch(ACCOUNTS, after, limit)
    return [_account(row, msgspec.json.decode(row["payload"], type=Saga)) for row in rows]


def _account(row: Any, saga: Saga) -> BookingAccount:
    done = [refund for refund in saga.refunds if refund.done]
    return BookingAccount(
        booking_id=row["id"], reference=row["reference"], status=public_status(saga.state),
        awaiting=saga.state in BEFORE_MONEY, currency=row["currency"],
        captured_minor=sum(saga.total_minor for each in saga.attempts if each.status is AttemptStatus.CAPTURED),
        refunded_minor=sum(refund.amount_minor for refund in done if refund.evidence is None),
        refunding_minor=sum(refund.amount_minor for refund in saga.open_refunds),
        by_hand_minor=sum(refund.amount_minor for refund in done if refund.evidence is not None),
        kept_minor=saga.kept_minor, valid_minor=row["valid_minor"], lines=row["lines"], held=row["held"],
        sold=row["sold"], hold_until=row["hold_until"], changed_at=row["updated_at"],
    )  # fmt: skip


class Reconciliation:
    """The door to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, call: Call) -> Answer:
        query: PageQuery = call.query
        after = paging.after(query.cursor, UUID)
        async with self._database.transaction(call.tenant) as tx:
            rows = await accounts(tx, after[1] if after else None, query.limit + 1)
        return Answer(200, paging.page(rows, query.limit, _place, lambda row: row))


def _place(row: BookingAccount) -> tuple[UUID, UUID]:
    return row.booking_id, row.booking_id
