"""The platform's pages: each reads from the services in its operator's name, and each button is a call of the API."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from boxoffice.doors.peers import Peers
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.route import Answer, Call
from boxoffice.operations import words
from boxoffice.operations.answers import Operator, SagaDetail, Sagas, Tenants
from boxoffice.operations.api import Audit, DeadLetters, Disagreements, TenantName
from boxoffice.pages.endpoints import PageDoors, read_form, see_other
from boxoffice.pages.render import Renderer
from boxoffice.pages.session import Visitor

T = TypeVar("T")
AT_ONCE = 50
COUNTED = 100
Text = str | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What the last act led to, as a code."""

    done: str = ""
    problem: str = ""


class ListQuery(Notice, frozen=True, kw_only=True):
    """A page of a list; an empty tenant is every tenant."""

    tenant: TenantName = ""
    cursor: str | None = None


class SagasQuery(ListQuery, frozen=True, kw_only=True):
    status: Literal["live", "late", "stuck"] = "live"


@dataclass(frozen=True)
class Stat:
    """A number on the overview, and where it leads."""

    name: str
    count: str
    says: str
    path: str
    wants_attention: bool = False


# name, what is counted, what it means, page, whether more than none wants attention
COUNTS: tuple[tuple[str, str, str, str, str, bool], ...] = (
    ("Live sagas", "bookings", "/api/sagas?status=live", "wait for a payment or a refund", "/sagas?status=live", False),
    ("Late sagas", "bookings", "/api/sagas?status=late", "should have moved by now", "/sagas?status=late", True),
    ("Stuck sagas", "bookings", "/api/sagas?status=stuck", "need a person", "/sagas?status=stuck", True),
    ("Dead letters", "operations", "/api/dead-letters?", "could not be handled", "/dead-letters", True),
    ("Disagreements", "operations", "/api/reconciliation?", "about money or seats", "/reconciliation", True),
)


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Any list, of which only the length is of interest."""

    items: list[msgspec.Raw]
    next_cursor: str | None = None


class Console(PageDoors):
    """Every page of the platform's host, as endpoints. `shops` are the demo's, name to URL."""

    def __init__(self, peers: Peers, renderer: Renderer, shops: dict[str, str], shows_mail: bool) -> None:
        super().__init__(peers, renderer)
        self._shops = shops
        self._shows_mail = shows_mail

    async def overview(self, call: Call, visitor: Visitor) -> Answer:
        """For operators how things stand, for others where to go."""
        if not visitor.signed_in:
            return self._page("front.html", visitor, "/", shops=self._shops, shows_mail=self._shows_mail)
        operator = await visitor.ask("auth", "/api/auth/me", Operator)
        tenants, stats = await asyncio.gather(
            visitor.ask("tenants", f"/api/tenants?limit={COUNTED}", Tenants),
            asyncio.gather(*(_stat(visitor, *row) for row in COUNTS)),
        )
        return self._page(
            "overview.html", visitor, "/", stats=stats, tenants=tenants.items, operator=operator.email,
            now=datetime.now(UTC), shows_mail=self._shows_mail,
        )  # fmt: skip

    async def sagas(self, call: Call, visitor: Visitor) -> Answer:
        query: SagasQuery = call.query
        asked = _asked(query, status=query.status)
        sagas = await visitor.ask("bookings", f"/api/sagas?{asked}", Sagas)
        more = _more("/sagas", sagas.next_cursor, tenant=query.tenant, status=query.status)
        return self._page(
            "sagas.html", visitor, "/sagas", sagas=sagas.items, which=query.status, chosen=query.tenant, next_page=more
        )

    async def saga(self, call: Call, visitor: Visitor) -> Answer:
        saga = await visitor.ask("bookings", f"/api/sagas/{call.path['booking_id']}", SagaDetail)
        return self._page("saga.html", visitor, "/sagas", saga=saga, **_notice(call.query))

    async def retry(self, call: Call, visitor: Visitor) -> Answer:
        return await _act_on_saga(visitor, call, "retry", None, "retried")

    async def compensate(self, call: Call, visitor: Visitor) -> Answer:
        body = {"reason": read_form(call.raw).get("reason", "")}
        return await _act_on_saga(visitor, call, "compensation", body, "compensated")

    async def record_evidence(self, call: Call, visitor: Visitor) -> Answer:
        form = read_form(call.raw)
        body = {"refund_id": form.get("refund_id", ""), "evidence": form.get("evidence", "")}
        return await _act_on_saga(visitor, call, "refund-evidence", body, "recorded")

    async def letters(self, call: Call, visitor: Visitor) -> Answer:
        query: ListQuery = call.query
        letters = await visitor.ask("operations", f"/api/dead-letters?{_asked(query)}", DeadLetters)
        more = _more("/dead-letters", letters.next_cursor, tenant=query.tenant)
        return self._page(
            "dead_letters.html", visitor, "/dead-letters", letters=letters.items, chosen=query.tenant, next_page=more,
            **_notice(query),
        )  # fmt: skip

    async def redrive(self, call: Call, visitor: Visitor) -> Answer:
        path = f"/api/dead-letters/{call.path['letter_id']}/redrive"
        return await _act(visitor, "operations", "POST", path, None, "/dead-letters", "redriven")

    async def discard(self, call: Call, visitor: Visitor) -> Answer:
        path = f"/api/dead-letters/{call.path['letter_id']}"
        return await _act(visitor, "operations", "DELETE", path, None, "/dead-letters", "discarded")

    async def reconciliation(self, call: Call, visitor: Visitor) -> Answer:
        query: ListQuery = call.query
        rows = await visitor.ask("operations", f"/api/reconciliation?{_asked(query)}", Disagreements)
        more = _more("/reconciliation", rows.next_cursor, tenant=query.tenant)
        return self._page(
            "reconciliation.html", visitor, "/reconciliation", rows=rows.items, chosen=query.tenant, next_page=more
        )

    async def tenants(self, call: Call, visitor: Visitor) -> Answer:
        query: ListQuery = call.query
        tenants = await visitor.ask("tenants", f"/api/tenants?{_asked(query)}", Tenants)
        more = _more("/tenants", tenants.next_cursor)
        return self._page(
            "tenants.html", visitor, "/tenants", tenants=tenants.items, next_page=more, **_notice(query)
        )  # fmt: skip

    async def suspend(self, call: Call, visitor: Visitor) -> Answer:
        path = f"/api/tenants/{call.path['tenant_id']}/suspension"
        return await _act(visitor, "tenants", "POST", path, {}, "/tenants", "suspended")

    async def activate(self, call: Call, visitor: Visitor) -> Answer:
        path = f"/api/tenants/{call.path['tenant_id']}/suspension"
        return await _act(visitor, "tenants", "DELETE", path, None, "/tenants", "activated")

    async def audit(self, call: Call, visitor: Visitor) -> Answer:
        query: ListQuery = call.query
        entries = await visitor.ask("operations", f"/api/audit?{_asked(query)}", Audit)
        more = _more("/audit", entries.next_cursor)
        return self._page("audit.html", visitor, "/audit", entries=entries.items, next_page=more)

    def _page(self, template: str, visitor: Visitor, here: str, **context: Any) -> Answer:
        """`here` is the entry of the menu that the page belongs to."""
        return self._renderer.page(template, None, visitor, here=here, **context)


async def _stat(visitor: Visitor, name: str, service: str, path: str, says: str, page: str, alerting: bool) -> Stat:
    """How many there are; a service that does not answer leaves its number open, and the page stands."""
    try:
        found = await visitor.ask(service, f"{path}&limit={COUNTED}", Counted)
    except Refusal as refusal:
        if refusal.status == 401:
            raise
        return Stat(name, "–", "not known right now", page)
    if not found.items and found.next_cursor:
        return Stat(name, "0", "in the part looked at so far", page)
    count = f"{len(found.items)}{'+' if found.next_cursor else ''}"
    return Stat(name, count, says, page, alerting and bool(found.items))


async def _act_on_saga(visitor: Visitor, call: Call, act: str, body: Any, done: str) -> Answer:
    booking_id: UUID = call.path["booking_id"]
    return await _act(visitor, "bookings", "POST", f"/api/sagas/{booking_id}/{act}", body, f"/sagas/{booking_id}", done)


async def _act(visitor: Visitor, service: str, method: str, path: str, body: Any, back: str, done: str) -> Answer:
    """Do it in the operator's name and go back to where the button was, with a word on what became of it."""
    try:
        await visitor.send(service, method, path, body)
    except Refusal as refusal:
        if refusal.status in (401, 403):
            raise
        return see_other(f"{back}?{urlencode({'problem': refusal.code})}", visitor)
    return see_other(f"{back}?{urlencode({'done': done})}", visitor)


def _asked(query: ListQuery, **more: str) -> str:
    """The API's query for a page's."""
    wanted = {"tenant": query.tenant.strip(), "cursor": query.cursor, "limit": str(AT_ONCE), **more}
    return urlencode({name: value for name, value in wanted.items() if value})


def _more(path: str, cursor: Text, **kept: str) -> Text:
    """Where the list goes on."""
    if cursor is None:
        return None
    return f"{path}?{urlencode({name: value for name, value in {**kept, 'cursor': cursor}.items() if value})}"


def _notice(query: Notice) -> dict[str, Text]:
    return {"done": words.done(query.done), "problem": words.problem(query.problem)}
