"""Bookings, their lines, sagas and tickets at rest: SQL in typed functions, set by set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.bookings.decide import Saga
from boxoffice.kernel.database import Tx
from boxoffice.kernel.tenant import Cancellation
from boxoffice.messages import Seat


class NewBooking(msgspec.Struct, frozen=True, kw_only=True):
    """A booking about to be written, with the fence each of its seats was claimed under."""

    id: UUID
    reference: str
    owner: str
    hold_id: UUID | None
    idempotency_key: str | None
    event_id: UUID
    status: str
    contact_email: str
    contact_name: str
    total_minor: int
    currency: str
    hold_until: datetime
    policy: Cancellation
    seats: list[Seat]
    fences: dict[int, int]
    saga: Saga


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A seat of a booking, and what became of it."""

    seat_no: int
    label: str
    category: str
    price_minor: int
    state: str
    live: bool


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """A booking as it stands, with its saga, its lines and its event's facts."""

    id: UUID
    reference: str
    owner: str
    hold_id: UUID | None
    event_id: UUID
    event_name: str
    venue: str
    time_zone: str
    starts_at: datetime
    contact_email: str
    contact_name: str
    total_minor: int
    currency: str
    hold_until: datetime
    created_at: datetime
    policy: Cancellation
    saga: Saga
    version: int
    lines: list[Line]

    @property
    def valid_lines(self) -> list[Line]:
        return [line for line in self.lines if line.live and line.state == "VALID"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of a saga, for its log."""

    booking_id: UUID
    version: int
    from_state: str
    trigger: str
    to_state: str


INSERT_BOOKINGS = """
    INSERT INTO bookings (id, reference, owner, hold_id, idempotency_key, event_id, status, contact_email, contact_name,
                          total_minor, currency, hold_until, policy, created_at, updated_at, confirmed_at)
    SELECT id, reference, owner, hold_id, idempotency_key, event_id, status, contact_email, contact_name,
           total_minor, currency, hold_until, policy, $14::timestamptz, $14, CASE WHEN status = 'CONFIRMED' THEN $14 END
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[],
                  $9::text[], $10::int8[], $11::text[], $12::timestamptz[], $13::jsonb[])
           AS b (id, reference, owner, hold_id, idempotency_key, event_id, status, contact_email, contact_name,
                 total_minor, currency, hold_until, policy)
"""
INSERT_LINES = """
    INSERT INTO booking_seats (booking_id, event_id, seat_no, label, category, price_minor, fence)
    SELECT booking_id, event_id, seat_no, label, category, price_minor, fence
      FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::text[], $6::int8[], $7::int8[])
           AS l (booking_id, event_id, seat_no, label, category, price_minor, fence)
"""
INSERT_SAGAS = """
    INSERT INTO saga_state (id, correlation_id, current_step, status, payload, created_at, updated_at)
    SELECT id, id::text, status, status, payload, $4::timestamptz, $4
      FROM unnest($1::uuid[], $2::text[], $3::jsonb[]) AS s (id, status, payload)
"""
INSERT_STEPS = """
    INSERT INTO saga_log (booking_id, version, at, from_state, trigger, to_state)
    SELECT booking_id, version, $6, from_state, trigger, to_state
      FROM unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::text[])
           AS s (booking_id, version, from_state, trigger, to_state)
"""


async def insert(tx: Tx, new: Sequence[NewBooking]) -> None:
    """Write bookings with their lines and sagas; their first steps are the caller's to log."""
    await tx.db.execute(
        INSERT_BOOKINGS,
        [b.id for b in new], [b.reference for b in new], [b.owner for b in new], [b.hold_id for b in new],
        [b.idempotency_key for b in new], [b.event_id for b in new], [b.status for b in new],
        [b.contact_email for b in new], [b.contact_name for b in new], [b.total_minor for b in new],
        [b.currency for b in new], [b.hold_until for b in new],
        [msgspec.json.encode(b.policy).decode() for b in new], tx.now,
    )  # fmt: skip
    lines = [(b, seat) for b in new for seat in b.seats]
    await tx.db.execute(
        INSERT_LINES,
        [b.id for b, _ in lines], [b.event_id for b, _ in lines], [seat.seat_no for _, seat in lines],
        [seat.label for _, seat in lines], [seat.category for _, seat in lines],
        [seat.price_minor for _, seat in lines], [b.fences[seat.seat_no] for b, seat in lines],
    )  # fmt: skip
    await tx.db.execute(
        INSERT_SAGAS,
        [b.id for b in new], [b.saga.state for b in new],
        [msgspec.json.encode(b.saga).decode() for b in new], tx.now,
    )  # fmt: skip


async def log_steps(tx: Tx, steps: Sequence[Step]) -> None:
    await tx.db.execute(
        INSERT_STEPS,
        [step.booking_id for step in steps], [step.version for step in steps], [step.from_state for step in steps],
        [step.trigger for step in steps], [step.to_state for step in steps], tx.now,
    )  # fmt: skip


UPDATE_SAGAS = """
    UPDATE saga_state s
       SET current_step = given.state, status = given.state, payload = given.payload, version = given.version,
           updated_at = $5
      FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::int4[]) AS given (id, state, payload, version)
     WHERE s.id = given.id AND s.version < given.version
"""
UPDATE_BOOKINGS = """
    UPDATE bookings b
       SET status = given.status, updated_at = $3::timestamptz,
           confirmed_at = CASE WHEN given.status = 'CONFIRMED' THEN $3 ELSE b.confirmed_at END,
           cancelled_at = CASE WHEN given.status = 'CANCELLED' THEN $3 ELSE b.cancelled_at END
      FROM unnest($1::uuid[], $2::text[]) AS given (id, status)
     WHERE b.id = given.id AND b.status <> given.status
"""


async def save(tx: Tx, changed: Sequence[tuple[UUID, Saga, int, str]]) -> None:
    """Write sagas that moved: (id, saga, version, public status)."""
    await tx.db.execute(
        UPDATE_SAGAS,
        [id for id, _, _, _ in changed], [saga.state for _, saga, _, _ in changed],
        [msgspec.json.encode(saga).decode() for _, saga, _, _ in changed],
        [version for _, _, version, _ in changed], tx.now,
    )  # fmt: skip
    await tx.db.execute(UPDATE_BOOKINGS, [id for id, _, _, _ in changed], [status for *_, status in changed], tx.now)


BOOKINGS = """
    SELECT b.id, b.reference, b.owner, b.hold_id, b.event_id, b.contact_email, b.contact_name, b.total_minor,
           b.currency, b.hold_until, b.created_at, b.policy, e.name AS event_name, e.venue, e.time_zone, e.starts_at,
           s.payload, s.version
      FROM bookings b JOIN saga_state s ON s.id = b.id JOIN sales e ON e.event_id = b.event_id
     WHERE b.id = ANY($1::uuid[])
     ORDER BY b.id
"""
LOCK = "SELECT id FROM saga_state WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
LINES = """
    SELECT booking_id, seat_no, label, category, price_minor, state, live
      FROM booking_seats WHERE booking_id = ANY($1::uuid[]) ORDER BY booking_id, seat_no
"""


async def load(tx: Tx, ids: Sequence[UUID], *, lock: bool = False) -> dict[UUID, Booking]:
    """Bookings by id; with `lock` their sagas are locked, in the order of their ids, until the transaction ends."""
    if lock:
        await tx.db.execute(LOCK, list(ids))
    rows = await tx.db.fetch(BOOKINGS, list(ids))
    lines: dict[UUID, list[Line]] = {row["id"]: [] for row in rows}
    for row in await tx.db.fetch(LINES, list(ids)):
        lines[row["booking_id"]].append(
            Line(
                seat_no=row["seat_no"], label=row["label"], category=row["category"],
                price_minor=row["price_minor"], state=row["state"], live=row["live"],
            )
        )  # fmt: skip
    return {
        row["id"]: Booking(
            id=row["id"], reference=row["reference"], owner=row["owner"], hold_id=row["hold_id"],
            event_id=row["event_id"], event_name=row["event_name"], venue=row["venue"], time_zone=row["time_zone"],
            starts_at=row["starts_at"], contact_email=row["contact_email"], contact_name=row["contact_name"],
            total_minor=row["total_minor"], currency=row["currency"], hold_until=row["hold_until"],
            created_at=row["created_at"], policy=msgspec.json.decode(row["policy"], type=Cancellation),
            saga=msgspec.json.decode(row["payload"], type=Saga),
            version=row["version"], lines=lines[row["id"]],
        )
        for row in rows
    }  # fmt: skip


async def history(tx: Tx, booking_ids: Sequence[UUID]) -> dict[UUID, list[tuple[datetime, Step]]]:
    """The saga logs of bookings, oldest first."""
    found: dict[UUID, list[tuple[datetime, Step]]] = {id: [] for id in booking_ids}
    rows = await tx.db.fetch(
        """SELECT booking_id, version, at, from_state, trigger, to_state
             FROM saga_log WHERE booking_id = ANY($1::uuid[]) ORDER BY booking_id, version""",
        list(booking_ids),
    )
    for row in rows:
        step = Step(
            booking_id=row["booking_id"], version=row["version"], from_state=row["from_state"],
            trigger=row["trigger"], to_state=row["to_state"],
        )  # fmt: skip
        found[row["booking_id"]].append((row["at"], step))
    return found


async def of_holds(tx: Tx, hold_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which booking consumed a hold."""
    rows = await tx.db.fetch("SELECT hold_id, id FROM bookings WHERE hold_id = ANY($1::uuid[])", list(hold_ids))
    return {row["hold_id"]: row["id"] for row in rows}


async def page_of_owner(tx: Tx, owner: str, before: UUID | None, limit: int) -> list[UUID]:
    """The ids of an owner's bookings, newest first, older than `before`."""
    rows = await tx.db.fetch(
        """SELECT id FROM bookings WHERE owner = $1 AND ($2::uuid IS NULL OR id < $2)
            ORDER BY id DESC LIMIT $3""",
        owner, before, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


INSERT_TICKETS = """
    INSERT INTO tickets (id, booking_id, event_id, seat_no, issued_at)
    SELECT id, booking_id, event_id, seat_no, $5
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int4[]) AS t (id, booking_id, event_id, seat_no)
    ON CONFLICT (booking_id, seat_no) DO NOTHING
"""


async def insert_tickets(tx: Tx, tickets: Sequence[tuple[UUID, UUID, UUID, int]]) -> None:
    """Issue tickets: (id, booking, event, seat)."""
    await tx.db.execute(INSERT_TICKETS, *(list(column) for column in zip(*tickets, strict=True)), tx.now)


async def void_tickets(tx: Tx, lines: Sequence[tuple[UUID, int]]) -> None:
    """The codes of these lines (booking, seat) admit nobody any more."""
    await tx.db.execute(
        """UPDATE tickets t SET voided_at = $3
             FROM unnest($1::uuid[], $2::int4[]) AS gone (booking_id, seat_no)
            WHERE (t.booking_id, t.seat_no) = (gone.booking_id, gone.seat_no) AND t.voided_at IS NULL""",
        [booking_id for booking_id, _ in lines], [seat_no for _, seat_no in lines], tx.now,
    )  # fmt: skip


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket row; the code is signed when it is read."""

    id: UUID
    booking_id: UUID
    event_id: UUID
    seat_no: int
    voided: bool
    used: bool


async def tickets_of(tx: Tx, booking_id: UUID) -> list[Ticket]:
    rows = await tx.db.fetch(
        """SELECT id, booking_id, event_id, seat_no, voided_at IS NOT NULL AS voided, used_at IS NOT NULL AS used
             FROM tickets WHERE booking_id = $1 ORDER BY seat_no""",
        booking_id,
    )
    return [
        Ticket(id=row["id"], booking_id=row["booking_id"], event_id=row["event_id"], seat_no=row["seat_no"],
               voided=row["voided"], used=row["used"])
        for row in rows
    ]  # fmt: skip


class TicketKey(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's ticket key: public as it is, private sealed under the master key."""

    kid: str
    public_key: bytes
    sealed_key: bytes


async def ticket_keys(tx: Tx) -> list[TicketKey]:
    """The tenant's ticket keys, the newest first: it signs."""
    rows = await tx.db.fetch("SELECT kid, public_key, sealed_key FROM ticket_keys ORDER BY created_at DESC, kid")
    return [TicketKey(kid=row["kid"], public_key=row["public_key"], sealed_key=row["sealed_key"]) for row in rows]


async def add_ticket_key(tx: Tx, key: TicketKey) -> None:
    """Keep the tenant's first key; who comes second keeps the first one's."""
    await tx.db.execute(
        """INSERT INTO ticket_keys (kid, public_key, sealed_key, created_at)
           SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM ticket_keys)""",
        key.kid, key.public_key, key.sealed_key, tx.now,
    )  # fmt: skip


async def begin_emptying(tx: Tx, event_id: UUID) -> bool:
    """Note that an event's bookings are to be given back; false when that was noted before, or nothing was sold."""
    begun: bool | None = await tx.db.fetchval(
        """INSERT INTO event_cancellations (event_id, total, started_at)
           SELECT s.event_id, (SELECT count(*) FROM bookings b WHERE b.event_id = s.event_id), $2
             FROM sales s WHERE s.event_id = $1
           ON CONFLICT (event_id) DO NOTHING RETURNING true""",
        event_id, tx.now,
    )  # fmt: skip
    return begun is True


async def next_of_emptying(tx: Tx, event_id: UUID, limit: int) -> list[UUID]:
    """The next bookings of an event that is being emptied, whose row is locked."""
    last: UUID | None = await tx.db.fetchval(
        "SELECT last_booking_id FROM event_cancellations WHERE event_id = $1 FOR UPDATE", event_id
    )
    rows = await tx.db.fetch(
        "SELECT id FROM bookings WHERE event_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        event_id, last, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def advance_emptying(tx: Tx, event_id: UUID, done: Sequence[UUID], *, finished: bool) -> None:
    await tx.db.execute(
        """UPDATE event_cancellations
              SET handled = handled + $2, last_booking_id = coalesce($3, last_booking_id),
                  finished_at = CASE WHEN $4 THEN $5::timestamptz END
            WHERE event_id = $1""",
        event_id, len(done), done[-1] if done else None, finished, tx.now,
    )  # fmt: skip


async def emptying(tx: Tx, event_id: UUID) -> Any:
    return await tx.db.fetchrow(
        "SELECT total, handled, started_at, finished_at FROM event_cancellations WHERE event_id = $1", event_id
    )


async def count_by_status(tx: Tx, event_id: UUID) -> dict[str, int]:
    rows = await tx.db.fetch(
        "SELECT status, count(*) AS bookings FROM bookings WHERE event_id = $1 GROUP BY status", event_id
    )
    return {row["status"]: row["bookings"] for row in rows}


async def pending(tx: Tx, limit: int) -> list[UUID]:
    """Bookings that await a payment, their sagas locked."""
    rows = await tx.db.fetch(
        "SELECT id FROM saga_state WHERE status = 'PENDING_PAYMENT' ORDER BY id LIMIT $1 FOR UPDATE", limit
    )
    return [row["id"] for row in rows]
