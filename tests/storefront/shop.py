"""The storefront in front of services whose answers each test sets down: what it asks is asked as in production."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from boxoffice.doors.peers import Receive, Scope, Send
from boxoffice.doors.request import QueryReader
from boxoffice.doors.router import Router
from boxoffice.kernel.caller import ANONYMOUS
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call
from boxoffice.kernel.tenancy import Status, Tenant, TenantSettings

TENANT = Tenant(
    id=uuid7(), slug="acme", name="Acme Theatre", schema="tenant_acme", role="suite__tenant_acme",
    status=Status.ACTIVE, plan="standard", spread=1, settings=TenantSettings(),
)  # fmt: skip
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def event_answer(**changes: Any) -> dict[str, Any]:
    """An event as the service events answers it."""
    return {
        "id": str(uuid7()), "name": "The Tempest", "description": "A storm.\n\nAnd an island.",
        "venue": "Acme Theatre, Berlin", "time_zone": "Europe/Berlin",
        "starts_at": "2026-12-04T18:30:00Z", "doors_at": "2026-12-04T17:30:00Z", "currency": "EUR",
        "categories": [
            {"key": "stalls", "name": "Stalls", "color": "#0072B2", "price_minor": 8900},
            {"key": "circle", "name": "Circle", "color": "#D55E00", "price_minor": 3500},
        ],
        "sales": {"opens_at": "2026-11-25T09:00:00Z", "closes_at": None}, "max_seats_per_booking": 10,
        "status": "PUBLISHED", "sale": "open", "plan_hash": "abc", "seats": 100, **changes,
    }  # fmt: skip


def offers_answer(**changes: Any) -> dict[str, Any]:
    """What is left of it, as the service bookings answers."""
    return {
        "categories": [
            {"key": "stalls", "name": "Stalls", "color": "#0072B2", "price_minor": 8900, "fee_minor": 300,
             "available": 40},
            {"key": "circle", "name": "Circle", "color": "#D55E00", "price_minor": 3500, "fee_minor": 0,
             "available": 0},
        ],
        "currency": "EUR", "max_seats_per_booking": 10, "sale": "open",
        "opens_at": "2026-11-01T09:00:00Z", "closes_at": "2026-12-04T18:00:00Z", **changes,
    }  # fmt: skip


def hold_answer(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid7()), "event_id": event_id, "token": "hold-token", "exclusive": True,
        "seats": [{"seat_no": 7, "label": "Row A, seat 8", "category": "stalls", "price_minor": 8900}],
        "total_minor": 8900, "currency": "EUR", "expires_at": (NOW + timedelta(minutes=10)).isoformat(),
        "server_now": NOW.isoformat(), **changes,
    }  # fmt: skip


def booking_answer(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid7()), "reference": "BX-7Q2K9", "status": "CONFIRMED",
        "event": {"id": event_id, "name": "The Tempest", "starts_at": "2026-12-04T18:30:00Z"},
        "seats": [{"seat_no": 7, "label": "Row A, seat 8", "category": "stalls", "price_minor": 8900,
                   "state": "VALID"}],
        "total_minor": 8900, "currency": "EUR", "hold_until": NOW.isoformat(), "next_action": None,
        "history": [], "payment": None, "refund": None, **changes,
    }  # fmt: skip


@dataclass
class Asked:
    """One request that a page sent to a service."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Shop:
    """The storefront's pages, and the answers that the services behind them give."""

    pages: Router[Any]
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def tell(self, line: str, value: Any, status: int = 200) -> None:
        """Answer `GET /path` so; several answers to one line are given in turn, the last one for ever."""
        self.answers.setdefault(line, []).append((status, value))

    def refuse(self, line: str, status: int, code: str, **members: Any) -> None:
        self.tell(line, {"status": status, "code": code, "detail": "No.", **members}, status)

    async def visit(self, path: str, method: str = "GET", form: str = "", **cookies: str) -> Answer:
        """Open a page as a browser with these cookies would."""
        path, _, query = path.partition("?")
        found = self.pages.match(path)
        assert found is not None, f"no page at {path}"
        route, names = found.methods[method]
        cookie = "; ".join(f"__Host-{name}={value}" for name, value in cookies.items())
        answer: Answer = await route.endpoint(
            Call(
                tenant=TENANT, caller=ANONYMOUS, path=dict(zip(names, found.values, strict=True)),
                query=QueryReader(route.query).read(query.encode()) if route.query else None, body=None,
                raw=form.encode(), headers={"host": "acme.localhost", "cookie": cookie}, idempotency_key=None,
                request_id="r1", route=f"{method} {route.path}",
            )
        )  # fmt: skip
        return answer

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All services at once."""
        body = (await receive()).get("body", b"")
        line = f"{scope['method']} {scope['path']}"
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(Asked(f"{line}?{scope['query_string'].decode()}".rstrip("?"), headers, body))
        given = self.answers.get(line, [(404, {"status": 404, "code": "not_found", "detail": "No."})])
        status, value = given.pop(0) if len(given) > 1 else given[0]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.json.encode(value)})


def html_of(answer: Answer) -> str:
    assert answer.content is not None
    return answer.content.decode()
