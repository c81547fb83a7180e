"""The door to an event's bookings, for its organizers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from boxoffice.bookings.actions import Shown, load_shown
from boxoffice.bookings.api import PRIVATE
from boxoffice.bookings.inventory import sales
from boxoffice.bookings.orders.store import page_of_event
from boxoffice.bookings.views import LineView, MoneyView, booking_view
from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.route import Answer, Call, path_id


class OrderQuery(PageQuery, frozen=True, kw_only=True):
    """Filters: a reference or a part of the buyer's name or address, a status, a seat number."""

    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    status: (
        Literal[
            "PENDING_PAYMENT", "CANCELLING", "CONFIRMED", "REFUNDING", "REFUND_STUCK", "EXPIRED", "FAILED", "CANCELLED"
        ]
        | None
    ) = None
    seat: Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)] | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    name: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """A booking as the organizer sees it: whose it is, what was bought, what was paid and returned."""

    id: UUID
    reference: str
    status: str
    contact: Contact
    seats: list[LineView]
    total_minor: int
    currency: str
    created_at: datetime
    payment: MoneyView | None
    refund: MoneyView | None


class OrdersApi:
    """What organizers ask about everybody's bookings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_orders(self, call: Call) -> Answer:
        query: OrderQuery = call.query
        event_id = path_id(call, "event_id")
        after = paging.after(query.cursor, datetime)
        async with self._database.transaction(call.tenant) as tx:
            if await sales.load(tx, event_id) is None:
                raise NotFound("event_not_found", "There is no such event.")
            ids = await page_of_event(
                tx, event_id, before=after[1] if after else None, status=query.status, text=query.q or None,
                seat=query.seat, limit=query.limit + 1,
            )  # fmt: skip
            shown = await load_shown(tx, ids)
            found = [shown[id] for id in ids]
        page: Page[OrderView] = paging.page(found, query.limit, _place, lambda each: order_view(each, tx.now))
        return Answer(200, page, headers=dict(PRIVATE))


def _place(shown: Shown) -> tuple[datetime, UUID]:
    return shown.booking.created_at, shown.booking.id


def order_view(shown: Shown, now: datetime) -> OrderView:
    seen, booking = booking_view(shown, now), shown.booking
    return OrderView(
        id=seen.id, reference=seen.reference, status=seen.status,
        contact=Contact(email=booking.contact_email, name=booking.contact_name), seats=seen.seats,
        total_minor=seen.total_minor, currency=seen.currency, created_at=booking.created_at, payment=seen.payment,
        refund=seen.refund,
    )  # fmt: skip
