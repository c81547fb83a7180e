"""The doors of events: HTTP in, HTTP out; no decisions."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from boxoffice.doors import paging
from boxoffice.doors.body import Instant
from boxoffice.doors.paging import PageQuery
from boxoffice.doors.peers import Peers
from boxoffice.events import actions, store
from boxoffice.events.domain import CANCELLED, DRAFT, PUBLIC, STATUSES, Event
from boxoffice.kernel import idempotency
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call, etag_matches, path_id
from boxoffice.messages import Category

IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
ORGANIZERS = ("ORGANIZER", "ADMIN")


class CategoryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price category; seats of the plan are matched to it by key, else by name."""

    key: str
    name: str
    color: str = "#0072B2"
    price_minor: int


class SalesBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When tickets can be had."""

    opens_at: Instant
    closes_at: Instant


class EventBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new event. Without `sales` it is on sale from now until it starts."""

    name: str
    starts_at: Instant
    currency: str
    categories: list[CategoryBody]
    description: str = ""
    venue: str = ""
    time_zone: str = "UTC"
    doors_at: Instant | None = None
    sales: SalesBody | None = None
    max_seats_per_booking: int = 10


class EventPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be otherwise; absent fields stay."""

    name: str | UnsetType = UNSET
    starts_at: Instant | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    categories: list[CategoryBody] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    venue: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    doors_at: Instant | UnsetType | None = UNSET
    sales: SalesBody | UnsetType = UNSET
    max_seats_per_booking: int | UnsetType = UNSET


class EventQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list: a search text, a range of starts, a status."""

    q: str | None = None
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None
    status: Literal["DRAFT", "PUBLISHING", "PUBLISHED", "CANCELLED", "ENDED"] | None = None


class SalesView(msgspec.Struct, frozen=True, kw_only=True):
    opens_at: datetime
    closes_at: datetime


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event as everybody sees it."""

    id: UUID
    name: str
    description: str
    venue: str
    time_zone: str
    starts_at: datetime
    doors_at: datetime | None
    currency: str
    categories: list[Category]
    sales: SalesView
    max_seats_per_booking: int
    status: str
    sale: str
    plan_hash: str | None
    seats: int


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a seat plan."""

    hash: str
    seats: int
    categories: list[str]


class CancellationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the bookings of a cancelled event have been given back."""

    event_id: UUID
    total: int
    handled: int
    by_status: dict[str, int]
    started_at: datetime | None
    finished_at: datetime | None


class Api:
    """`fingerprint_secret` fingerprints idempotent requests."""

    def __init__(self, database: Database, peers: Peers, fingerprint_secret: bytes) -> None:
        self._database = database
        self._peers = peers
        self._fingerprint_secret = fingerprint_secret

    async def list_events(self, call: Call) -> Answer:
        query: EventQuery = call.query
        seen = STATUSES if _organizes(call) else PUBLIC
        statuses = [status for status in seen if query.status in (None, status)]
        after = paging.after(query.cursor, datetime)
        async with self._database.transaction(call.tenant) as tx:
            found = await store.page(tx, statuses, query.q, query.from_, query.to, after, query.limit + 1)
        now = datetime.now(UTC)
        page = paging.page(
            found, query.limit, lambda event: (event.starts_at, event.id), lambda event: view(event, now)
        )
        return Answer(200, page)

    async def show(self, call: Call) -> Answer:
        async with self._database.transaction(call.tenant) as tx:
            event = await store.find(tx, path_id(call, "event_id"))
        if event is None or not (event.status in PUBLIC or _organizes(call)):
            raise actions.not_found()
        return Answer(200, view(event, datetime.now(UTC)))

    async def create(self, call: Call) -> Answer:
        async def work(tx: Tx) -> tuple[int, UUID | str | None]:
            event = _drafted(call.body, call.caller.key, tx.now)
            await actions.draft(tx, event)
            return 201, event.id

        return await self._once(call, work)

    async def change(self, call: Call) -> Answer:
        async with self._database.transaction(call.tenant) as tx:
            before = await actions.locked(tx, path_id(call, "event_id"))
            after = _patched(before, call.body)
            await actions.change(tx, before, after)
        return Answer(200, view(after, datetime.now(UTC)))

    async def give_plan(self, call: Call) -> Answer:
        async with self._database.transaction(call.tenant) as tx:
            plan = await actions.give_plan(tx, path_id(call, "event_id"), call.body)
        return Answer(
            200, PlanView(hash=plan.hash, seats=plan.seats, categories=list(dict.fromkeys(plan.category_keys)))
        )

    async def publish(self, call: Call) -> Answer:
        async def work(tx: Tx) -> tuple[int, UUID | str | None]:
            await actions.publish(tx, path_id(call, "event_id"))
            return 202, path_id(call, "event_id")

        return await self._once(call, work)

    async def cancel(self, call: Call) -> Answer:
        async def work(tx: Tx) -> tuple[int, UUID | str | None]:
            await actions.cancel(tx, path_id(call, "event_id"))
            return 202, path_id(call, "event_id")

        return await self._once(call, work)

    async def cancellation(self, call: Call) -> Answer:
        event_id = path_id(call, "event_id")
        async with self._database.transaction(call.tenant) as tx:
            event = await store.find(tx, event_id)
        if event is None:
            raise actions.not_found()
        if event.status != CANCELLED:
            raise NotFound("cancellation_not_found", "This event is not being cancelled.")
        try:
            answer = await self._peers.call(
                "bookings", "GET", f"/internal/events/{event_id}/cancellation", tenant=call.tenant
            )
        except NotFound:  # bookings has not heard of it yet
            waiting = CancellationProgress(
                event_id=event_id, total=0, handled=0, by_status={}, started_at=None, finished_at=None
            )
            return Answer(200, waiting)
        return Answer(200, answer.decode(CancellationProgress))

    async def plan(self, call: Call) -> Answer:
        """A plan by the hash in its name; a draft's only for organizers."""
        name: str = call.path["name"]
        hash = name.removesuffix(".json")
        async with self._database.transaction(call.tenant) as tx:
            document = await store.plan(tx, hash) if name.endswith(".json") else None
            seen = _organizes(call) or await store.is_public_plan(tx, hash, PUBLIC)
        if document is None or not seen:
            raise NotFound("plan_not_found", "There is no such seat plan.")
        etag = f'"{hash}"'
        if etag_matches(call.headers.get("if-none-match"), etag):
            return Answer(304, headers={"ETag": etag, **IMMUTABLE})
        return Answer(200, content=document, headers={"ETag": etag, **IMMUTABLE})

    async def plan_for_peers(self, call: Call) -> Answer:
        async with self._database.transaction(call.tenant) as tx:
            document = await store.plan(tx, call.path["hash"])
        if document is None:
            raise NotFound("plan_not_found", "There is no such seat plan.")
        return Answer(200, content=document)

    async def _once(self, call: Call, work: Any) -> Answer:
        async def render(tx: Tx, resource: str | None) -> EventView:
            event = await store.find(tx, UUID(str(resource)))
            if event is None:
                raise actions.not_found()
            return view(event, datetime.now(UTC))

        return await idempotency.once(self._database, call, self._fingerprint_secret, work, render)


def view(event: Event, now: datetime) -> EventView:
    return EventView(
        id=event.id, name=event.name, description=event.description, venue=event.venue, time_zone=event.time_zone,
        starts_at=event.starts_at, doors_at=event.doors_at, currency=event.currency, categories=event.categories,
        sales=SalesView(opens_at=event.opens_at, closes_at=event.closes_at),
        max_seats_per_booking=event.max_seats_per_booking, status=event.status, sale=event.sale_state(now),
        plan_hash=event.plan_hash, seats=event.seats,
    )  # fmt: skip


def _organizes(call: Call) -> bool:
    return call.caller.role in ORGANIZERS


def _drafted(body: EventBody, by: str, now: datetime) -> Event:
    opens, closes = (body.sales.opens_at, body.sales.closes_at) if body.sales else (now, body.starts_at)
    if body.sales is None and closes <= opens:
        closes = opens + timedelta(seconds=1)  # an event of the past is never on sale
    return Event(
        id=uuid7(), name=body.name.strip(), description=body.description, venue=body.venue.strip(),
        time_zone=body.time_zone, starts_at=body.starts_at, doors_at=body.doors_at, currency=body.currency,
        categories=_categories(body.categories), opens_at=opens, closes_at=closes,
        max_seats_per_booking=body.max_seats_per_booking, status=DRAFT, created_by=by, created_at=now,
    )  # fmt: skip


def _patched(before: Event, patch: EventPatch) -> Event:
    given = {name: value for name in patch.__struct_fields__ if (value := getattr(patch, name)) is not UNSET}
    given |= {name: given[name].strip() for name in ("name", "venue") if name in given}
    if "categories" in given:
        given["categories"] = _categories(given["categories"])
    if "sales" in given:
        window = given.pop("sales")
        given |= {"opens_at": window.opens_at, "closes_at": window.closes_at}
    return msgspec.structs.replace(before, **given)


def _categories(bodies: list[CategoryBody]) -> list[Category]:
    return [
        Category(key=body.key, name=body.name.strip(), color=body.color, price_minor=body.price_minor)
        for body in bodies
    ]
