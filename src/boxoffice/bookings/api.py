"""The doors of bookings: HTTP in, HTTP out; what is decided is decided by the verbs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from boxoffice.bookings import executor, store, views
from boxoffice.bookings.actions import Bookings, Request, Shown, load_shown, not_found
from boxoffice.bookings.inventory.catalogue import Catalogue
from boxoffice.bookings.inventory.domain import problem
from boxoffice.bookings.inventory.holding import Area, Best, Holding, SeatsTaken, seat_limit
from boxoffice.bookings.inventory.holds import Hold, read_token, sign
from boxoffice.bookings.inventory.live import Live
from boxoffice.bookings.news import News
from boxoffice.bookings.ticketing import Ticketing
from boxoffice.doors import paging
from boxoffice.doors.paging import PageQuery
from boxoffice.doors.peers import Peers
from boxoffice.kernel import idempotency
from boxoffice.kernel.batch import Batcher
from boxoffice.kernel.caller import Kind
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Conflict, Invalid, NotFound
from boxoffice.kernel.route import Answer, Call, etag_matches, path_id
from boxoffice.kernel.tenancy import Tenant
from boxoffice.seating import availability
from boxoffice.telemetry import traces

EMAIL = r"^[^@\s\"'<>(),;:\\]{1,64}@[^@\s\"'<>(),;:\\]{1,189}\.[^@\s\"'<>(),;:\\.]{2,63}$"
BINARY = "application/octet-stream"
PRIVATE = {"Cache-Control": "no-store"}
KEYED_HOLDS_AT_ONCE = 4
GUESTS_AT_ONCE = 100  # the most that auth makes for one question


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of: named seats, the best available, places in standing areas."""

    seats: list[int] | None = None
    best_available: Best | None = None
    areas: list[Area] | None = None


class SeatsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All the seats a hold shall have."""

    seats: list[int]


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the tickets' mail goes, and to whom."""

    email: Annotated[str, msgspec.Meta(max_length=254, pattern=EMAIL)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class BookingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book what a hold holds; no payment method when there is nothing to pay."""

    hold_token: Annotated[str, msgspec.Meta(max_length=64_000)]
    contact: Contact
    payment_method: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pay again with this method."""

    payment_method: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """A guest that auth made."""

    guest_id: UUID
    guest_token: str


class Api:
    """`hold_secret` signs hold tokens, `fingerprint_secret` the fingerprints of idempotent requests."""

    def __init__(
        self, *, database: Database, peers: Peers, holding: Holding, catalogue: Catalogue, live: Live,
        bookings: Bookings, news: News, ticketing: Ticketing, hold_secret: bytes, fingerprint_secret: bytes,
    ) -> None:  # fmt: skip
        self._database = database
        self._peers = peers
        self._holding = holding
        self._catalogue = catalogue
        self._live = live
        self._bookings = bookings
        self._news = news
        self._ticketing = ticketing
        self._hold_secret = hold_secret
        self._fingerprint_secret = fingerprint_secret
        self._guest: Batcher[None, Minted] = Batcher(self._mint, GUESTS_AT_ONCE)
        self._few = asyncio.Semaphore(KEYED_HOLDS_AT_ONCE)

    # ── looking ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def offers(self, call: Call) -> Answer:
        sale = await self._catalogue.sale(call.tenant, path_id(call, "event_id"))
        snapshot = await self._live.snapshot(call.tenant, sale)
        return Answer(200, views.offers(sale, snapshot, seat_limit(call.tenant, sale), datetime.now(UTC)))

    async def availability(self, call: Call) -> Answer:
        sale = await self._catalogue.sale(call.tenant, path_id(call, "event_id"))
        snapshot = await self._live.snapshot(call.tenant, sale)
        headers = {"ETag": snapshot.etag, "Vary": "Accept", "Cache-Control": "no-cache"}
        if etag_matches(call.headers.get("if-none-match"), snapshot.etag):
            return Answer(304, headers=headers)
        if BINARY in call.headers.get("accept", ""):
            packed = availability.snapshot(snapshot.epoch, snapshot.seq, snapshot.states)
            return Answer(200, content=packed, content_type=BINARY, headers=headers)
        return Answer(200, views.availability_view(snapshot), headers=headers)

    # ── holding ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def hold(self, call: Call) -> Answer:
        event_id = path_id(call, "event_id")
        wish = _wish(call.body)
        await self._catalogue.sale(call.tenant, event_id)
        owner, guest_token = call.caller.key, None
        if call.caller.kind is Kind.ANONYMOUS:
            minted = await self._guest(call.tenant, None)
            owner, guest_token = f"guest:{minted.guest_id}", minted.guest_token
        return await self._keyed(
            call, 201, lambda: self._holding.take(call.tenant, owner, event_id, wish), guest_token
        )  # fmt: skip

    async def _mint(self, tenant: Tenant, asked: Sequence[None]) -> list[Minted]:
        """Guests for those who came without a name."""
        answer = await self._peers.call("auth", "POST", "/internal/guests", tenant=tenant, body={"count": len(asked)})
        return answer.decode(list[Minted])

    async def show_hold(self, call: Call) -> Answer:
        held = await self._holding.find(call.tenant, call.caller.key, path_id(call, "hold_id"))
        return Answer(200, await self._hold_view(call, held), headers=dict(PRIVATE))

    async def replace_seats(self, call: Call) -> Answer:
        hold_id = path_id(call, "hold_id")
        changed = await self._holding.replace(call.tenant, call.caller.key, hold_id, call.body.seats)
        return Answer(200, await self._hold_view(call, changed), headers=dict(PRIVATE))

    async def extend(self, call: Call) -> Answer:
        hold_id = path_id(call, "hold_id")
        return await self._keyed(call, 200, lambda: self._holding.extend(call.tenant, call.caller.key, hold_id))

    async def release(self, call: Call) -> Answer:
        held = await self._holding.find(call.tenant, call.caller.key, path_id(call, "hold_id"))
        await self._holding.release(call.tenant, held)
        return Answer(204)

    async def _keyed(
        self, call: Call, status: int, act: Callable[[], Awaitable[Hold]], guest_token: str | None = None
    ) -> Answer:
        """What `act` holds, or under a known Idempotency-Key the hold that its first request made."""
        if call.idempotency_key is None:
            view = await self._hold_view(call, await act(), guest_token)
            return Answer(status, view, headers=dict(PRIVATE))
        made: list[Hold] = []

        async def work(_: Tx) -> tuple[int, UUID]:
            made.append(await act())
            return status, made[0].id

        async def render(_: Tx, resource: str) -> views.HoldView:
            held = made[0] if made else await self._holding.find(call.tenant, call.caller.key, UUID(resource))
            return await self._hold_view(call, held)

        async with self._few:  # each keeps a connection while the hold's batch needs another
            answer = await idempotency.once(self._database, call, self._fingerprint_secret, work, render)
        answer.headers.update(PRIVATE)
        return answer

    async def _hold_view(self, call: Call, held: Hold, guest_token: str | None = None) -> views.HoldView:
        sale = await self._catalogue.sale(call.tenant, held.event_id)
        return views.hold_view(held, sign(held, self._hold_secret), sale, datetime.now(UTC), guest_token)

    # ── booking ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def book(self, call: Call) -> Answer:
        body: BookingRequest = call.body
        held = self._own_hold(call, body.hold_token)
        sale = await self._catalogue.sale(call.tenant, held.event_id)
        method = None
        if held.total_minor:
            method = await self._catalogue.require_method(call.tenant, body.payment_method)
        wanted = idempotency.wanted(call, self._fingerprint_secret)
        if wanted is None:
            raise Conflict("idempotency_key_required", "Send an Idempotency-Key.")
        request = Request(
            held, views.seats_of(held, sale), method, body.contact.email, body.contact.name, wanted, traces.current()
        )
        try:
            shown = await self._bookings.request(call.tenant, request)
        except SeatsTaken as lost:
            raise await self._holding.unavailable(call.tenant, sale, held.seat_nos, lost.seat_nos) from None
        answer = await self._news_of(call, 202, shown.booking.id, shown)
        if shown.replayed:
            answer.headers.update(idempotency.replayed())
        return answer

    def _own_hold(self, call: Call, token: str) -> Hold:
        held = read_token(token, self._hold_secret)
        if held is None or held.tenant_id != call.tenant.id:
            detail = "This is no hold token of ours."
            raise Invalid("invalid_body", detail, [problem("hold_token", "bad_hold_token", detail)])
        if held.owner != call.caller.key:
            raise NotFound("hold_gone", "This hold has ended.")
        return held

    async def list_bookings(self, call: Call) -> Answer:
        query: PageQuery = call.query
        place = paging.after(query.cursor, str)
        before = place[1] if place else None
        shown = await self._bookings.page(call.tenant, call.caller.key, before, query.limit + 1)
        now = datetime.now(UTC)
        page = paging.page(
            shown, query.limit, lambda each: ("", each.booking.id), lambda each: views.booking_view(each, now)
        )
        return Answer(200, page, headers=dict(PRIVATE))

    async def show(self, call: Call) -> Answer:
        return await self._news_of(call, 200, path_id(call, "booking_id"), None)

    async def _news_of(self, call: Call, status: int, booking_id: UUID, known: Shown | None) -> Answer:
        shown, waited = await self._news.wait(call.tenant, call.caller.key, booking_id, call.wait, known)
        view = views.booking_view(shown, datetime.now(UTC))
        return Answer(status, view, headers=dict(PRIVATE), waited=waited)

    async def purchase(self, call: Call) -> Answer:
        """For notifications, which does not know the buyer before a booking ends."""
        booking_id = path_id(call, "booking_id")
        async with self._database.transaction(call.tenant) as tx:
            found = await store.load(tx, [booking_id])
        if booking_id not in found:
            raise not_found()
        return Answer(200, executor.purchase(found[booking_id]))

    async def pay_again(self, call: Call) -> Answer:
        body: PaymentRequest = call.body
        booking_id = path_id(call, "booking_id")
        await self._shown(call)
        await self._catalogue.require_method(call.tenant, body.payment_method)

        async def work(tx: Tx) -> tuple[int, UUID | str | None]:
            await self._bookings.pay_again(tx, call.caller.key, booking_id, body.payment_method)
            return 202, booking_id

        return await answer_once(self._database, call, self._fingerprint_secret, work)

    async def tickets(self, call: Call) -> Answer:
        shown = await self._shown(call)
        return Answer(200, await self._ticketing.tickets(call.tenant, shown.booking), headers=dict(PRIVATE))

    async def ticket_keys(self, call: Call) -> Answer:
        keys = await self._ticketing.public_keys(call.tenant)
        return Answer(200, keys, headers={"Cache-Control": "public, max-age=300"})

    async def _shown(self, call: Call) -> Shown:
        return await self._bookings.show(call.tenant, (call.caller.key, path_id(call, "booking_id")))


async def answer_once(
    database: Database, call: Call, secret: bytes, work: Callable[[Tx], Awaitable[tuple[int, UUID | str | None]]]
) -> Answer:
    """Do `work` once for this call's key, and answer the booking as it is now."""

    async def render(tx: Tx, resource: str | None) -> views.BookingView:
        shown = (await load_shown(tx, [UUID(str(resource))])).get(UUID(str(resource)))
        if shown is None:
            raise not_found()
        return views.booking_view(shown, datetime.now(UTC))

    answer = await idempotency.once(database, call, secret, work, render)
    answer.headers.update(PRIVATE)
    return answer


def _wish(body: HoldRequest) -> list[int] | Best | list[Area]:
    given = [wish for wish in (body.seats, body.best_available, body.areas) if wish is not None]
    if len(given) != 1 or body.areas == []:
        detail = "Name seats, or ask for best_available, or for areas: exactly one of them."
        raise Invalid("invalid_body", detail, [problem("seats", "one_of", detail)])
    return given[0]
