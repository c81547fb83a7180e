"""The organizers' pages: each reads from the services in its organizer's name, and each button is a call of the API."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Forbidden, NotFound, Refusal
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call
from boxoffice.organizer import words
from boxoffice.organizer.answers import Availability, Counts, Event, Events, Orders, Person, Progress
from boxoffice.pages.endpoints import PageDoors, read_form, see_other
from boxoffice.pages.session import Visitor

EVENTS_PER_PAGE = 20
ORDERS_PER_PAGE = 20
STILL_ON = timedelta(hours=6)  # an event that has just begun is not past
ORGANIZERS = ("ORGANIZER", "ADMIN")
SEAT_FIELD = "seat-"


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: those to come, or those of the past."""

    past: bool = False
    cursor: str | None = None


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders of the event, and what the last act led to, as a code."""

    q: str = ""
    cursor: str | None = None
    done: str = ""
    problem: str = ""


class Console(PageDoors):
    """Every page of an organizer, as endpoints."""

    async def events(self, call: Call, visitor: Visitor) -> Answer:
        await _require_organizer(visitor)
        query: EventsQuery = call.query
        border = "to" if query.past else "from"
        asked = {"limit": str(EVENTS_PER_PAGE), border: (datetime.now(UTC) - STILL_ON).isoformat()}
        found = await visitor.ask("events", f"/api/events?{urlencode(asked | _cursor(query.cursor))}", Events)
        kept = {"past": "true"} if query.past else {}
        more = f"/organizer?{urlencode(kept | _cursor(found.next_cursor))}" if found.next_cursor else None
        return self._renderer.page(
            "events.html", call.tenant, visitor, here="events", events=found.items, past=query.past, next_page=more
        )

    async def event(self, call: Call, visitor: Visitor) -> Answer:
        """One event: how it sells, how far its cancellation has got, and its orders."""
        await _require_organizer(visitor)
        query: EventQuery = call.query
        id = call.path["event_id"]
        q = query.q.strip()[:200]
        asked = {"limit": str(ORDERS_PER_PAGE), **({"q": q} if q else {}), **_cursor(query.cursor)}
        event, counts, orders, progress = await asyncio.gather(
            visitor.ask("events", f"/api/events/{id}", Event),
            _or_none(visitor, "bookings", f"/api/events/{id}/availability", Availability),
            _or_none(visitor, "bookings", f"/api/events/{id}/bookings?{urlencode(asked)}", Orders),
            _or_none(visitor, "events", f"/api/events/{id}/cancellation", Progress),
        )
        following = _cursor(orders.next_cursor) if orders else {}
        more = f"?{urlencode(({'q': q} if q else {}) | following)}#orders" if following else None
        live = progress is not None and progress.finished_at is None
        return self._renderer.page(
            "event.html", call.tenant, visitor, island="organizer/progress.ts" if live else None,
            event=event, counts=_counts(event, counts), orders=orders.items if orders else [], progress=progress,
            q=q, next_page=more, keys=[uuid7() for _ in orders.items] if orders else [],
            done=words.done(query.done), problem=words.problem(query.problem),
        )  # fmt: skip

    async def cancel(self, call: Call, visitor: Visitor) -> Answer:
        id = call.path["event_id"]
        if read_form(call.raw).get("sure") != "yes":
            return _back(visitor, id, problem="not_confirmed_by_hand")
        return await _act(visitor, id, "events", f"/api/events/{id}/cancellation", None, "cancelled")

    async def refund(self, call: Call, visitor: Visitor) -> Answer:
        """Return the chosen seats of one order; the form's own key makes it happen once."""
        id, form = call.path["event_id"], read_form(call.raw)
        seats = [int(name.removeprefix(SEAT_FIELD)) for name in form if _is_seat(name)]
        if not seats:
            return _back(visitor, id, problem="no_seat_chosen")
        try:
            booking, key = UUID(form.get("booking", "")), UUID(form.get("key", ""))
        except ValueError:
            return _back(visitor, id, problem="invalid_body")
        body = {"seats": seats, "reason": form.get("reason", "").strip()}
        return await _act(visitor, id, "bookings", f"/api/bookings/{booking}/refunds", body, "refunded", key)


async def _require_organizer(visitor: Visitor) -> None:
    """Buyers have accounts on this host too; these pages are not for them."""
    person = await visitor.ask("auth", "/api/auth/me", Person)
    if person.role not in ORGANIZERS:
        raise Forbidden("forbidden", "These pages are the organizers'.")


async def _or_none(visitor: Visitor, service: str, path: str, kind: Any) -> Any:
    """What a service has on an event; nothing for a draft, of which it has not heard."""
    try:
        return await visitor.ask(service, path, kind)
    except NotFound:
        return None


async def _act(
    visitor: Visitor, event_id: UUID, service: str, path: str, body: Any, done: str, key: UUID | None = None
) -> Answer:
    """Do it in the organizer's name and go back to the event, with a word on what became of it."""
    try:
        await visitor.send(service, "POST", path, body, key=str(key) if key else None)
    except Refusal as refusal:
        if refusal.status in (401, 403, 404):
            raise
        return _back(visitor, event_id, problem=refusal.code)
    return _back(visitor, event_id, done=done)


def _back(visitor: Visitor, event_id: UUID, **said: str) -> Answer:
    return see_other(f"/organizer/events/{event_id}?{urlencode(said)}", visitor)


def _cursor(cursor: str | None) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def _counts(event: Event, answer: Availability | None) -> Counts:
    """How many seats are where; before publication all are still to come."""
    return answer.counts if answer else Counts(available=event.seats, held=0, sold=0, blocked=0)


def _is_seat(name: str) -> bool:
    number = name.removeprefix(SEAT_FIELD)
    return name.startswith(SEAT_FIELD) and number.isascii() and number.isdigit() and len(number) < 10
