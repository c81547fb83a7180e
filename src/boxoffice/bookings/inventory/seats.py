"""Claims: the SQL that gives a seat to one booking and to no other, and takes it back only from that booking."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from boxoffice.kernel.database import Tx


class SeatLost(Exception):
    """A seat was not in the hands of the booking that has it in its lines: a defect, never an answer."""


class Wish(msgspec.Struct, frozen=True):
    """A booking that wants seats of an event, all or none, until `hold_until`."""

    booking_id: UUID
    event_id: UUID
    seats: tuple[int, ...]
    hold_until: datetime
    hold_id: UUID | None = None  # of wishes that rest on one hold only one is granted


class Claims(NamedTuple):
    """By booking: the fence of each seat it has got, or, if it got nothing, the seats it could not have."""

    won: dict[UUID, dict[int, int]]
    lost: dict[UUID, list[int]]


# Whatever the planner believes of a fresh event, each wanted row is found by its key: the locking makes the inner query
# one that no join can turn round.
AVAILABLE = """
    SELECT wanted.event_id, wanted.seat_no, s.fence
      FROM unnest($1::uuid[], $2::int4[]) AS wanted (event_id, seat_no)
     CROSS JOIN LATERAL (
        SELECT fence FROM seat_inventory
         WHERE event_id = wanted.event_id AND seat_no = wanted.seat_no AND status = 'AVAILABLE'
           FOR UPDATE SKIP LOCKED) s
"""
HOLD = """
    UPDATE seat_inventory s
       SET status = 'HELD', booking_id = given.booking_id, hold_until = given.hold_until, fence = given.fence
      FROM unnest($1::uuid[], $2::int4[], $3::uuid[], $4::timestamptz[], $5::int8[])
           AS given (event_id, seat_no, booking_id, hold_until, fence)
     WHERE (s.event_id, s.seat_no) = (given.event_id, given.seat_no) AND s.fence = given.fence - 1
"""
SELL = """
    UPDATE seat_inventory s
       SET status = 'SOLD', hold_until = NULL
      FROM booking_seats l
     WHERE l.booking_id = ANY($1::uuid[]) AND l.live AND (s.event_id, s.seat_no) = (l.event_id, l.seat_no)
       AND s.booking_id = l.booking_id AND s.fence = l.fence AND s.status = 'HELD'
"""
END_CLAIMS = """
    UPDATE booking_seats SET live = false, state = CASE WHEN $2 THEN 'REFUNDED' ELSE state END
     WHERE booking_id = ANY($1::uuid[]) AND live
 RETURNING event_id, seat_no, booking_id, fence
"""
END_LINES = """
    UPDATE booking_seats l SET live = false, state = 'REFUNDED'
      FROM unnest($1::uuid[], $2::int4[]) AS gone (booking_id, seat_no)
     WHERE (l.booking_id, l.seat_no) = (gone.booking_id, gone.seat_no) AND l.live
 RETURNING l.event_id, l.seat_no, l.booking_id, l.fence
"""
VOID_LINES = """
    UPDATE booking_seats l SET state = 'REFUNDING'
      FROM unnest($1::uuid[], $2::int4[]) AS gone (booking_id, seat_no)
     WHERE (l.booking_id, l.seat_no) = (gone.booking_id, gone.seat_no) AND l.live AND l.state = 'VALID'
"""
FREE = """
    UPDATE seat_inventory s
       SET status = 'AVAILABLE', booking_id = NULL, hold_until = NULL, fence = s.fence + 1
      FROM unnest($1::uuid[], $2::int4[], $3::uuid[], $4::int8[]) AS gone (event_id, seat_no, booking_id, fence)
     WHERE (s.event_id, s.seat_no) = (gone.event_id, gone.seat_no)
       AND s.booking_id = gone.booking_id AND s.fence = gone.fence
"""
RENEW_LINES = """
    UPDATE booking_seats l SET live = true, state = 'VALID', fence = s.fence
      FROM seat_inventory s
     WHERE l.booking_id = ANY($1::uuid[]) AND (s.event_id, s.seat_no) = (l.event_id, l.seat_no)
       AND s.booking_id = l.booking_id AND s.status = 'HELD'
"""


async def claim(tx: Tx, wishes: Sequence[Wish]) -> Claims:
    """Give seats to as many wishes as can have all of theirs, the earlier ones first, and wait for nobody.

    A seat that another transaction has locked counts as taken. The outcome equals the wishes being served one after
    the other, in this order.
    """
    pairs = sorted({(wish.event_id, seat_no) for wish in wishes for seat_no in wish.seats})
    rows = await tx.db.fetch(AVAILABLE, [event_id for event_id, _ in pairs], [seat_no for _, seat_no in pairs])
    free = {(row["event_id"], row["seat_no"]): row["fence"] for row in rows}
    claims = Claims({}, {})
    held: list[tuple[UUID, int, UUID, datetime, int]] = []
    spent: set[UUID | None] = set()
    for wish in wishes:
        missing = [seat_no for seat_no in wish.seats if (wish.event_id, seat_no) not in free]
        if missing or (wish.hold_id is not None and wish.hold_id in spent):
            claims.lost[wish.booking_id] = missing
        else:
            spent.add(wish.hold_id)
            won = claims.won[wish.booking_id] = {n: free.pop((wish.event_id, n)) + 1 for n in wish.seats}
            held.extend((wish.event_id, n, wish.booking_id, wish.hold_until, fence) for n, fence in won.items())
    if held:
        _expect(await tx.db.execute(HOLD, *(list(column) for column in zip(*held, strict=True))), len(held))
    return claims


async def sell(tx: Tx, bookings: Sequence[UUID], lines: int) -> None:
    """Make the held seats of these bookings, `lines` together, SOLD. Raises SeatLost if one is not theirs."""
    _expect(await tx.db.execute(SELL, list(bookings)), lines)


async def release(tx: Tx, bookings: Sequence[UUID], *, refunded: bool) -> list[UUID]:
    """Free every seat these bookings have, and answer the events concerned. Raises SeatLost if one is not theirs."""
    return await _free(tx, await tx.db.fetch(END_CLAIMS, list(bookings), refunded))


async def release_lines(tx: Tx, lines: Sequence[tuple[UUID, int]]) -> list[UUID]:
    """Free single seats (booking, seat) that are given back, and answer the events concerned. Raises SeatLost."""
    rows = await tx.db.fetch(END_LINES, *_columns(lines))
    if len(rows) != len(lines):
        raise SeatLost(f"{len(rows)} lines are live where {len(lines)} were to be freed")
    return await _free(tx, rows)


async def void_lines(tx: Tx, lines: Sequence[tuple[UUID, int]]) -> None:
    """Mark single lines as being given back; their seats stay theirs. Raises SeatLost for one that is not VALID."""
    _expect(await tx.db.execute(VOID_LINES, *_columns(lines)), len(lines))


async def _free(tx: Tx, rows: Sequence[Any]) -> list[UUID]:
    if not rows:
        return []
    freed = await tx.db.execute(
        FREE,
        [row["event_id"] for row in rows],
        [row["seat_no"] for row in rows],
        [row["booking_id"] for row in rows],
        [row["fence"] for row in rows],
    )
    _expect(freed, len(rows))
    return sorted({row["event_id"] for row in rows})


def _columns(lines: Sequence[tuple[UUID, int]]) -> tuple[list[UUID], list[int]]:
    return [booking_id for booking_id, _ in lines], [seat_no for _, seat_no in lines]


async def reclaim(tx: Tx, booking_id: UUID, hold_until: datetime) -> bool:
    """Claim again all seats a booking once had, if every one is free and its event still on sale."""
    lines = await tx.db.fetch(
        "SELECT event_id, seat_no FROM booking_seats WHERE booking_id = $1 ORDER BY seat_no", booking_id
    )
    event_id = lines[0]["event_id"]
    status = await tx.db.fetchval("SELECT status FROM sales WHERE event_id = $1 FOR SHARE", event_id)
    if status != "ON_SALE":
        return False
    wish = Wish(booking_id, event_id, tuple(line["seat_no"] for line in lines), hold_until)
    if booking_id not in (await claim(tx, [wish])).won:
        return False
    _expect(await tx.db.execute(RENEW_LINES, [booking_id]), len(lines))
    return True


TAKEN = """
    SELECT coalesce(array_agg(seat_no) FILTER (WHERE status = 'HELD'), '{}') AS held,
           coalesce(array_agg(seat_no) FILTER (WHERE status = 'SOLD'), '{}') AS sold,
           coalesce(array_agg(seat_no) FILTER (WHERE status = 'BLOCKED'), '{}') AS blocked
      FROM seat_inventory WHERE event_id = $1 AND status <> 'AVAILABLE'
"""


class Taken(msgspec.Struct, frozen=True):
    """The seats of an event that nobody can claim now, by why."""

    held: list[int]
    sold: list[int]
    blocked: list[int]


async def taken(tx: Tx, event_id: UUID) -> Taken:
    row = await tx.db.fetchrow(TAKEN, event_id)
    return Taken(row["held"], row["sold"], row["blocked"])


UNAVAILABLE = """
    SELECT s.event_id, s.seat_no
      FROM seat_inventory s
      JOIN unnest($1::uuid[], $2::int4[]) AS wanted (event_id, seat_no)
        ON (s.event_id, s.seat_no) = (wanted.event_id, wanted.seat_no)
     WHERE s.status <> 'AVAILABLE'
"""


async def unavailable(tx: Tx, wanted: Sequence[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """Which of these seats cannot be claimed now."""
    rows = await tx.db.fetch(UNAVAILABLE, [event_id for event_id, _ in wanted], [seat_no for _, seat_no in wanted])
    return {(row["event_id"], row["seat_no"]) for row in rows}


FILL = """
    INSERT INTO seat_inventory (event_id, seat_no)
    SELECT $1, seat_no FROM generate_series(0, $2 - 1) AS seat_no
    ON CONFLICT (event_id, seat_no) DO NOTHING
"""


async def fill(tx: Tx, event_id: UUID, seats: int) -> None:
    """Make the inventory of an event: one AVAILABLE row a seat. Done again, it changes nothing."""
    await tx.db.execute(FILL, event_id, seats)


async def any_available(tx: Tx, event_id: UUID) -> bool:
    found: bool = await tx.db.fetchval(
        "SELECT EXISTS (SELECT FROM seat_inventory WHERE event_id = $1 AND status = 'AVAILABLE')", event_id
    )
    return found


def _expect(tag: str, rows: int) -> None:
    if int(tag.rsplit(" ", 1)[1]) != rows:
        raise SeatLost(f"{tag} where {rows} rows were to change")
