"""An organizer who sets up a sale over the public API, as people and programs do."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from boxoffice.kernel.ids import uuid7
from tests.support.waiting import eventually, known_everywhere

PASSWORD = "a-long-enough-password"


class Api:
    """The platform's HTTP API: connects to the loopback and names the host. Stripe is at `stripe_port`, if it runs.

    `in_services`: the port is nginx's, with TLS, and its certificate has to be good.
    """

    def __init__(self, port: int, domain: str, data: Path, stripe_port: int, *, in_services: bool) -> None:
        self.port = port
        self.data = data
        self.stripe_port = stripe_port
        self._domain = domain
        self.authority = data / "secrets" / "tls" / "authority.pem"
        self._trust = ssl.create_default_context(cafile=str(self.authority)) if in_services else None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def url(self, slug: str, path: str) -> str:
        """An address as a browser wants it."""
        return f"{self._scheme}://{slug}.{self._domain}:{self.port}{path}"

    @property
    def _scheme(self) -> str:
        return "https" if self._trust else "http"

    async def call(
        self, slug: str, method: str, path: str, body: Any = None, *, token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """The answer's JSON; anything but success fails the test."""
        assert self._session is not None
        host = f"{slug}.{self._domain}"
        sent = {"Host": f"{host}:{self.port}", **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self._session.request(
            method, f"{self._scheme}://127.0.0.1:{self.port}{path}", json=body, headers={**sent, **(headers or {})},
            ssl=self._trust or True, server_hostname=host if self._trust else None,
        ) as answer:  # fmt: skip
            text = await answer.text()
            assert answer.status < 400, f"{method} {path}: {answer.status} {text}"
            return await answer.json() if text else None

    async def sign_in(self, slug: str, email: str, password: str) -> str:
        tokens = await self.call(slug, "POST", "/api/auth/login", {"email": email, "password": password})
        token: str = tokens["access_token"]
        return token


def hall(rows: int = 6, seats: int = 12) -> dict[str, Any]:
    """A small theatre: stalls in front, a circle behind."""

    def row(label: str, category: str, y: int) -> dict[str, Any]:
        points = [100, y] + [10, 0] * (seats - 1)
        return {"label": label, "numbers": f"1..{seats}", "category": category, "xy": points}

    labels = [chr(ord("A") + index) for index in range(rows)]
    return {
        "format": "seatplan/1", "name": "Small hall", "size": [800, 600], "focal": [200, 20],
        "categories": [{"key": "stalls", "name": "Stalls", "color": "#0072B2"},
                       {"key": "circle", "name": "Circle", "color": "#D55E00"}],
        "zones": [
            {"key": "S", "name": "Stalls", "kind": "seats",
             "rows": [row(label, "stalls", 100 + 20 * index) for index, label in enumerate(labels)]},
            {"key": "C", "name": "Circle", "kind": "seats", "rows": [row("A", "circle", 400)]},
        ],
    }  # fmt: skip


def floor(capacity: int = 30) -> dict[str, Any]:
    """One standing area."""
    return {
        "format": "seatplan/1", "name": "Floor", "size": [400, 400],
        "categories": [{"key": "floor", "name": "Standing", "color": "#009E73"}],
        "zones": [{"key": "F", "name": "Floor", "kind": "standing", "capacity": capacity, "category": "floor",
                   "outline": [0, 0, 100, 0, 100, 100, 0, 100]}],
    }  # fmt: skip


class Organizer:
    """One organizer with a box office of their own."""

    def __init__(self, api: Api, tenant_id: str, slug: str, token: str) -> None:
        self._api = api
        self._tenant_id = tenant_id
        self.slug = slug
        self._token = token

    @classmethod
    async def onboard(cls, api: Api, operator: str, settings: Mapping[str, Any]) -> Self:
        slug = f"shop-{uuid7().hex[-12:]}"
        email = f"admin@{slug}.example"
        admin = {"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Admin"}
        order = {"slug": slug, "name": f"Theatre {slug[-4:]}", "admin": admin}
        key = {"Idempotency-Key": slug}
        tenant = await api.call("platform", "POST", "/api/tenants", order, token=operator, headers=key)
        path = f"/api/tenants/{tenant['id']}"

        async def is_active() -> bool:
            return bool((await api.call("platform", "GET", path, token=operator))["status"] == "ACTIVE")

        await eventually(is_active, within=30)
        if settings:
            await api.call("platform", "PATCH", path, {"settings": dict(settings)}, token=operator)
            await known_everywhere()
        return cls(api, tenant["id"], slug, await api.sign_in(slug, email, PASSWORD))

    async def suspend(self, operator: str) -> None:
        await self._api.call("platform", "POST", f"/api/tenants/{self._tenant_id}/suspension", {}, token=operator)

    def url(self, path: str = "/") -> str:
        return self._api.url(self.slug, path)

    def mail_url(self, address: str) -> str:
        return self._api.url("platform", f"/dev/mail?to={address}")

    async def sell(self, plan: dict[str, Any], prices: Mapping[str, int], name: str = "The Tempest") -> str:
        """Publish an event and return its id once it is on sale."""
        now = datetime.now(UTC)
        categories = [
            {"key": each["key"], "name": each["name"], "color": each["color"], "price_minor": prices[each["key"]]}
            for each in plan["categories"]
        ]
        event = {
            "name": name, "description": "A storm.\n\nAn island.", "venue": "Small hall, Berlin",
            "time_zone": "Europe/Berlin", "starts_at": (now + timedelta(days=30)).isoformat(),
            "doors_at": (now + timedelta(days=30, hours=-1)).isoformat(), "currency": "EUR",
            "categories": categories, "max_seats_per_booking": 10,
            "sales": {"opens_at": (now - timedelta(days=1)).isoformat(),
                      "closes_at": (now + timedelta(days=29)).isoformat()},
        }  # fmt: skip
        made = await self._call("POST", "/api/events", event)
        path = f"/api/events/{made['id']}"
        await self._call("PUT", f"{path}/seat-plan", plan)
        await self._call("POST", f"{path}/publication")

        async def is_open() -> bool:
            return bool((await self._call("GET", path))["sale"] == "open")

        await eventually(is_open, within=30)
        event_id: str = made["id"]
        return event_id

    async def counts(self, event_id: str) -> dict[str, int]:
        """How many seats are available, held, sold and blocked."""
        answer: dict[str, int] = (await self._call("GET", f"/api/events/{event_id}/availability"))["counts"]
        return answer

    async def mails(self, address: str) -> list[dict[str, Any]]:
        headers = {"Accept": "application/json"}
        answer = await self._api.call("platform", "GET", f"/dev/mail?to={address}", headers=headers)
        items: list[dict[str, Any]] = answer["items"]
        return items

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        return await self._api.call(self.slug, method, path, body, token=self._token)
