"""The pages: each reads what it shows from the services, in its visitor's name, and renders it; no decisions."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from boxoffice.doors.peers import Peers
from boxoffice.kernel.errors import NotFound, Refusal
from boxoffice.kernel.route import Answer, Call
from boxoffice.pages import words
from boxoffice.pages.assets import Assets
from boxoffice.pages.endpoints import PageDoors, own_path, read_form, see_other
from boxoffice.pages.render import Renderer
from boxoffice.pages.session import Visitor
from boxoffice.pages.theme import category_css
from boxoffice.storefront import views
from boxoffice.storefront.answers import Booking, Bookings, Event, Events, Hold, Offer, Offers, User

EVENTS_PER_PAGE = 24
ORDERS_PER_PAGE = 20
STILL_SHOWN = timedelta(hours=6)  # an event that has just begun is still on the list
FOREVER = "public, max-age=31536000, immutable"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    q: str = ""
    cursor: str | None = None


class OfEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a hold, so that a page can lead back to it when the hold is gone."""

    event: UUID | None = None


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    cursor: str | None = None


class Pages(PageDoors):
    """Every page of the storefront, as endpoints."""

    def __init__(self, peers: Peers, assets: Assets, renderer: Renderer) -> None:
        super().__init__(peers, renderer)
        self._assets = assets

    async def home(self, call: Call, visitor: Visitor) -> Answer:
        q = call.query.q.strip()[:200]
        wanted = {"limit": str(EVENTS_PER_PAGE), "from": (datetime.now(UTC) - STILL_SHOWN).isoformat()}
        if q:
            wanted["q"] = q
        if call.query.cursor:
            wanted["cursor"] = call.query.cursor
        events = await visitor.ask("events", f"/api/events?{urlencode(wanted)}", Events)
        more = f"/?{urlencode({'q': q, 'cursor': events.next_cursor})}" if events.next_cursor else None
        cards = [views.event_card(event) for event in events.items]
        return self._renderer.page("home.html", call.tenant, visitor, q=q, cards=cards, next_page=more)

    async def event(self, call: Call, visitor: Visitor) -> Answer:
        event, offers = await read_event(visitor, call.path["event_id"])
        origin = f"{call.headers.get('x-forwarded-proto', 'http')}://{call.headers['host']}"
        return self._renderer.page(
            "event.html", call.tenant, visitor, event=views.event_view(event, offers, origin),
            category_style=category_css([offer.color for offer in offers.categories]),
            canonical=f"{origin}/events/{event.id}",
        )  # fmt: skip

    async def seats(self, call: Call, visitor: Visitor) -> Answer:
        event, offers = await read_event(visitor, call.path["event_id"])
        return self._renderer.page(
            "seats.html", call.tenant, visitor, island="storefront/picker.tsx", event=event, offers=offers,
            category_style=category_css([offer.color for offer in offers.categories]),
            when=words.date_and_time(event.starts_at, event.time_zone), sale_note=views.sale_note(event),
            island_data=msgspec.to_builtins({"event": event, "offers": offers}),
        )  # fmt: skip

    async def checkout(self, call: Call, visitor: Visitor) -> Answer:
        try:
            hold = await visitor.ask("bookings", f"/api/holds/{call.path['hold_id']}", Hold)
        except NotFound as refusal:
            return self._hold_is_over(refusal, call, visitor)
        event_id = hold.event_id or call.query.event
        if event_id is None:
            raise NotFound("not_found", "The event of these seats is not known.")
        event = await visitor.ask("events", f"/api/events/{event_id}", Event)
        contact = await read_contact(visitor)
        return self._renderer.page(
            "checkout.html", call.tenant, visitor, island="storefront/checkout.tsx", event=event,
            when=words.date_and_time(event.starts_at, event.time_zone),
            island_data=msgspec.to_builtins(
                {"event": event, "hold": hold, "contact": contact, "provider": paid_by(call)}
            ),
        )  # fmt: skip

    def _hold_is_over(self, refusal: NotFound, call: Call, visitor: Visitor) -> Answer:
        booking_id = refusal.members.get("booking_id")
        if booking_id:
            return see_other(f"/orders/{UUID(str(booking_id))}", visitor)
        if call.query.event is not None:
            return see_other(f"/events/{call.query.event}/seats", visitor)
        raise refusal

    async def order(self, call: Call, visitor: Visitor) -> Answer:
        path = f"/api/bookings/{call.path['booking_id']}"
        answer = await visitor.send("bookings", "GET", path)
        booking, whole = answer.decode(Booking), answer.decode(dict)
        zones = await read_time_zones(visitor, {booking.event.id})
        zone = zones.get(booking.event.id, "UTC")
        line = views.order_line(booking, zone)
        seats = [{"label": seat.label, "price": words.price(seat.price_minor, booking.currency),
                  "given_back": views.given_back(seat)} for seat in booking.seats]  # fmt: skip
        return self._renderer.page(
            "order.html", call.tenant, visitor, island="storefront/order.tsx",
            booking=booking, seats=seats, when=line.when, status_words=line.badge.words,
            total=words.amount(booking.total_minor, booking.currency),
            island_data={"booking": whole, "when": line.when, "time_zone": zone, "provider": paid_by(call)},
        )  # fmt: skip

    async def orders(self, call: Call, visitor: Visitor) -> Answer:
        bookings = Bookings(items=[])
        if visitor.known:
            wanted = {"limit": str(ORDERS_PER_PAGE), **({"cursor": call.query.cursor} if call.query.cursor else {})}
            bookings = await visitor.ask("bookings", f"/api/bookings?{urlencode(wanted)}", Bookings)
        zones = await read_time_zones(visitor, {booking.event.id for booking in bookings.items})
        orders = [views.order_line(booking, zones.get(booking.event.id, "UTC")) for booking in bookings.items]
        more = f"/orders?{urlencode({'cursor': bookings.next_cursor})}" if bookings.next_cursor else None
        return self._renderer.page("orders.html", call.tenant, visitor, orders=orders, next_page=more)

    async def show_register(self, call: Call, visitor: Visitor) -> Answer:
        return self.form("register.html", call, visitor, {"next": call.query.next}, None)

    async def register(self, call: Call, visitor: Visitor) -> Answer:
        fields = read_form(call.raw)
        try:
            person = {name: fields.get(name, "") for name in ("email", "password", "first_name", "last_name")}
            await visitor.register(person)
        except Refusal as refusal:
            return self.form("register.html", call, visitor, fields, refusal)
        return see_other(own_path(fields.get("next", "/")), visitor)

    async def asset(self, call: Call) -> Answer:
        asset = self._assets.file(call.path["name"])
        if asset is None:
            raise NotFound("not_found", "There is no such file.")
        headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        compress = asset.compressed is not None and "gzip" in call.headers.get("accept-encoding", "")
        if compress:
            headers["Content-Encoding"] = "gzip"
        content = asset.compressed if compress else asset.content
        return Answer(content=content, content_type=asset.content_type, headers=headers)


def paid_by(call: Call) -> str:
    """Who takes this tenant's payments; the ways to pay depend on it."""
    return call.tenant.settings.payment_provider


async def read_event(visitor: Visitor, event_id: UUID) -> tuple[Event, Offers]:
    """An event and what it offers; a draft that its organizer looks at offers nothing yet."""
    event = await visitor.ask("events", f"/api/events/{event_id}", Event)
    try:
        return event, await visitor.ask("bookings", f"/api/events/{event_id}/offers", Offers)
    except NotFound:
        return event, Offers(
            categories=[
                Offer(key=each.key, name=each.name, color=each.color, price_minor=each.price_minor, available=0)
                for each in event.categories
            ],
            currency=event.currency, max_seats_per_booking=event.max_seats_per_booking, sale=event.sale,
        )  # fmt: skip


async def read_contact(visitor: Visitor) -> dict[str, str]:
    """Name and address to start the form with: the account's, or empty for a guest."""
    if not visitor.signed_in:
        return {"name": "", "email": ""}
    try:
        user = await visitor.ask("auth", "/api/auth/me", User)
    except Refusal:
        return {"name": "", "email": ""}
    return {"name": f"{user.first_name} {user.last_name}".strip(), "email": user.email}


async def read_time_zones(visitor: Visitor, event_ids: set[UUID]) -> dict[UUID, str]:
    """The venue's zone of each event that can still be read."""

    async def read(event_id: UUID) -> tuple[UUID, str] | None:
        try:
            return event_id, (await visitor.ask("events", f"/api/events/{event_id}", Event)).time_zone
        except NotFound:
            return None

    found = await asyncio.gather(*(read(event_id) for event_id in event_ids))
    return dict(pair for pair in found if pair is not None)
