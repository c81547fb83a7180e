"""The bookings of one event, newest first, as their organizer looks for them."""

from uuid import UUID

from boxoffice.kernel.database import Tx

PAGE = """
    SELECT b.id FROM bookings b
     WHERE b.event_id = $1 AND ($2::uuid IS NULL OR b.id < $2)
       AND ($3::text IS NULL OR b.status = $3 OR ($3 = 'CANCELLING' AND b.status = 'EXPIRING'))
       AND ($4::text IS NULL OR b.reference = upper($4)
            OR strpos(lower(b.contact_email), lower($4)) > 0 OR strpos(lower(b.contact_name), lower($4)) > 0)
       AND ($5::int4 IS NULL OR EXISTS (SELECT FROM booking_seats l WHERE (l.booking_id, l.seat_no) = (b.id, $5)))
     ORDER BY b.id DESC LIMIT $6
"""


async def page_of_event(
    tx: Tx, event_id: UUID, *, before: UUID | None, status: str | None, text: str | None, seat: int | None, limit: int
) -> list[UUID]:
    """Bookings older than `before`; `text` is a reference, or a part of the buyer's name or address."""
    rows = await tx.db.fetch(PAGE, event_id, before, status, text, seat, limit)
    return [row["id"] for row in rows]
