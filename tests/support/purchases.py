"""A purchase as bookings would tell it."""

from datetime import UTC, datetime
from uuid import UUID

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import Purchase, Seat


def purchase(
    booking_id: UUID | None = None, *, email: str = "ada@example.org", name: str = "Ada Lovelace",
    event_name: str = "An evening with strings",
) -> Purchase:  # fmt: skip
    return Purchase(
        booking_id=booking_id or uuid7(),
        reference="K7QX2M",
        event_id=uuid7(),
        event_name=event_name,
        venue="Town Hall",
        time_zone="Europe/Berlin",
        starts_at=datetime(2027, 3, 14, 19, 0, tzinfo=UTC),
        contact_email=email,
        contact_name=name,
        seats=[
            Seat(seat_no=3, label="Stalls, row C, 4", category="a", price_minor=4_500),
            Seat(seat_no=4, label="Stalls, row C, 5", category="a", price_minor=4_500),
        ],
        total_minor=9_000,
        currency="EUR",
    )
