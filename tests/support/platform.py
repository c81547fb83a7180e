"""A whole platform for journeys: `boxoffice up` on a data directory of its own, and the verbs of its clients."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from boxoffice.kafka.access import Access
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

IN_2031 = datetime(2031, 5, 1, 18, tzinfo=UTC)
PASSWORD = "correct-horse-battery"
OPERATOR = "operator@platform.example"
SHORT = {
    "demo": "0", "web_processes": "2", "instances": "bookings=2",
    "bcrypt_cost": "4", "least_hold_seconds": "0.5", "least_payment_seconds": "2",
    "cancel_grace_seconds": "1", "lease_seconds": "2", "retry_base_seconds": "0.1", "settle_seconds": "0.2",
    "simulated_slow_seconds": "1.5", "simulated_late_seconds": "1", "log_format": "json",
}  # fmt: skip
FORMS = ("one", "services")


class Reply:
    """An answer as a client sees it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, json: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.json = json

    @property
    def code(self) -> str | None:
        """The problem's code, if it is one."""
        return self.json.get("code") if isinstance(self.json, dict) else None

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:500]!r}>"


class Platform:
    """One `boxoffice up` in a form. `ask` is a client, behind nginx in the form `services`; the rest are habits."""

    def __init__(self, folder: Path, settings: Mapping[str, str], form: str = "one") -> None:
        self.in_services = form == "services"
        self.data = folder / "data"
        self.port, self.admin_port, self.tls_port, self.kafka_port = free_ports(4)
        self.domain = "boxoffice.localhost" if self.in_services else "localhost"  # wildcards need two labels
        on_kafka = self.in_services and settings.get("bus") != "pglog"
        self.kafka = Access(f"127.0.0.1:{self.kafka_port}") if on_kafka else None
        self.output = folder / "output"
        chosen = {
            **SHORT,
            "data": str(self.data),
            "port": self.port,
            "admin_port": self.admin_port,
            "tls_port": self.tls_port,
            "kafka_port": self.kafka_port,
            "domain": self.domain,
            **settings,
        }
        self.environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(Path("src").absolute()),
            **{f"BOXOFFICE_{name.upper()}": str(value) for name, value in chosen.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._trust: ssl.SSLContext | None = None

    async def start(self) -> None:
        self._process = process = self._launch()
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )
        await eventually(
            lambda: b"is ready after" in self.output.read_bytes() or process.poll() is not None, within=120
        )
        assert process.poll() is None, self.output.read_text()
        if self.in_services:
            authority = self.data / "secrets" / "tls" / "authority.pem"
            self._trust = ssl.create_default_context(cafile=str(authority))

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "boxoffice", "up", *(["--services"] if self.in_services else [])],
                cwd="/", env=self.environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._process.wait, 60)

    async def command(self, *arguments: str) -> None:
        """Run `boxoffice …` beside the platform."""
        status, lines = await self.say(*arguments)
        assert status == 0, lines

    async def say(self, *arguments: str) -> tuple[int, list[str]]:
        """The status and the lines of `boxoffice …`, run beside the platform."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "boxoffice", *arguments, cwd="/", env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode().splitlines()

    @property
    def pid(self) -> int:
        """The process of `boxoffice up`."""
        assert self._process is not None
        return self._process.pid

    def server_pid(self, name: str) -> int:
        """The process of an embedded server: `valkey` or `postmaster`."""
        folder = self.data / ("postgres" if name == "postmaster" else "run")
        return int((folder / f"{name}.pid").read_text().split()[0])

    def login_of(self, service: str) -> str:
        """The login at the database under which a service answers requests."""
        return f"svc_{service}" if self.in_services else "web"

    def worker_of(self, service: str) -> str:
        """What the command line of the process that handles a service's messages has in it."""
        return f" {service}-worker" if self.in_services else "run worker"

    def origin(self, slug: str) -> str:
        """What a browser calls a host of ours."""
        scheme, port = ("https", self.tls_port) if self.in_services else ("http", self.port)
        return f"{scheme}://{slug}.{self.domain}:{port}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        slug: str = "platform",
        json: Any = None,
        data: bytes | None = None,
        token: str | None = None,
        guest: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request to a tenant's host, or the platform's."""
        host, port = f"{slug}.{self.domain}", self.tls_port if self._trust else self.port
        sent = {"Host": f"{host}:{port}", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if guest is not None:
            sent["Guest-Token"] = guest
        if key is not None:
            sent["Idempotency-Key"] = key
        assert self._session is not None
        url = f"{'https' if self._trust else 'http'}://127.0.0.1:{port}{path}"
        async with self._session.request(
            method, url, json=json, data=data, headers=sent,
            allow_redirects=False, ssl=self._trust or True, server_hostname=host if self._trust else None,
        ) as response:  # fmt: skip
            body = await response.read()
            is_json = "json" in response.headers.get("Content-Type", "") and body
            return Reply(
                response.status, response.headers, body, await response.json(content_type=None) if is_json else None
            )

    async def login(self, slug: str, email: str, password: str = PASSWORD) -> Reply:
        return await self.ask("POST", "/api/auth/login", slug=slug, json={"email": email, "password": password})

    async def token_of(self, slug: str, email: str, password: str = PASSWORD) -> str:
        reply = await self.login(slug, email, password)
        assert reply.status == 200, reply
        token: str = reply.json["access_token"]
        return token

    async def register(self, slug: str, email: str | None = None) -> Reply:
        person = {"email": email or f"{uuid4().hex}@buyers.example", "password": PASSWORD}
        return await self.ask(
            "POST", "/api/auth/register", slug=slug, json={**person, "first_name": "Bea", "last_name": "Buyer"}
        )

    async def buyer(self, slug: str) -> str:
        """A new customer's access token."""
        registered = await self.register(slug)
        assert registered.status == 201, registered
        return await self.token_of(slug, registered.json["email"])

    async def guest(self, slug: str) -> str:
        reply = await self.ask("POST", "/api/guests", slug=slug)
        assert reply.status == 201, reply
        token: str = reply.json["guest_token"]
        return token

    async def operator(self) -> str:
        return await self.token_of("platform", OPERATOR)

    async def onboard(self, slug: str, *, key: str | None = None) -> Reply:
        admin = {"email": f"admin@{slug}.example", "password": PASSWORD, "first_name": "Ada", "last_name": "Admin"}
        return await self.ask(
            "POST", "/api/tenants", json={"slug": slug, "name": slug.title(), "admin": admin},
            token=await self.operator(), key=key or uuid4().hex,
        )  # fmt: skip

    async def tenant(self) -> str:
        """The slug of a new tenant that is ACTIVE and whose payment methods are known."""
        slug = f"t{uuid4().hex[:12]}"
        reply = await self.onboard(slug)
        assert reply.status == 201, reply

        async def active() -> bool:
            return (await self.ask("GET", "/api/events", slug=slug)).status == 200

        await eventually(active)
        return slug

    async def event(
        self, slug: str, *, rows: int = 4, seats: int = 10, price_minor: int = 2_500, starts_at: datetime = IN_2031
    ) -> str:
        """The id of a new event on sale: `rows` × `seats`, one category."""
        token = await self.token_of(slug, f"admin@{slug}.example")
        body = {
            "name": f"Evening {uuid4().hex[:6]}", "starts_at": starts_at.isoformat(), "currency": "EUR",
            "time_zone": "Europe/Berlin", "venue": "Hall",
            "categories": [{"key": "all", "name": "All", "color": "#0072B2", "price_minor": price_minor}],
        }  # fmt: skip
        made = await self.ask("POST", "/api/events", slug=slug, json=body, token=token)
        assert made.status == 201, made
        path = f"/api/events/{made.json['id']}"
        given = await self.ask("PUT", f"{path}/seat-plan", slug=slug, json=plan(rows, seats), token=token)
        assert given.status == 200, given
        published = await self.ask("POST", f"{path}/publication", slug=slug, token=token)
        assert published.status == 202, published

        async def on_sale() -> bool:
            shown = await self.ask("GET", path, slug=slug)
            return shown.status == 200 and shown.json["sale"] == "open"

        await eventually(on_sale)
        event_id: str = made.json["id"]
        return event_id

    async def hold(self, slug: str, event: str, seats: list[int], **who: str | None) -> Reply:
        return await self.ask("POST", f"/api/events/{event}/holds", slug=slug, json={"seats": seats}, **who)  # type: ignore[arg-type]

    async def book(
        self, slug: str, hold_token: str, *, method: str | None = "pm_card_visa", key: str | None = None,
        token: str | None = None, guest: str | None = None,
    ) -> Reply:  # fmt: skip
        body = {"hold_token": hold_token, "contact": {"email": "bea@buyers.example", "name": "Bea Buyer"}}
        if method is not None:
            body["payment_method"] = method
        return await self.ask(
            "POST", "/api/bookings", slug=slug, json=body, key=key or uuid4().hex, token=token, guest=guest
        )

    async def until(self, slug: str, booking: str, *statuses: str, within: float = 15, **who: str | None) -> Any:
        """The booking once it has one of these statuses."""
        seen: list[Any] = [None]

        async def there() -> bool:
            seen[0] = await self.ask("GET", f"/api/bookings/{booking}", slug=slug, **who)  # type: ignore[arg-type]
            return seen[0].status == 200 and seen[0].json["status"] in statuses

        try:
            await eventually(there, within=within)
        except AssertionError:
            raise AssertionError(f"{booking} is not {statuses} but {seen[0]!r}") from None
        return seen[0].json


def plan(rows: int, seats: int) -> dict[str, Any]:
    return {
        "format": "seatplan/1", "name": "Hall", "categories": [{"key": "all", "name": "All", "color": "#0072B2"}],
        "zones": [
            {"kind": "seats", "key": "stalls", "name": "Stalls", "rows": [
                {"label": chr(65 + row), "numbers": f"1..{seats}", "category": "all",
                 "xy": [0, row * 28, *([22, 0] * (seats - 1))]}
                for row in range(rows)
            ]},
        ],
    }  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in with_sockets]
    for each in with_sockets:
        each.close()
    return ports


@asynccontextmanager
async def running_platform(form: str = "one", **settings: str) -> AsyncIterator[Platform]:
    """A platform in one of its FORMS."""
    with temporary_folder() as folder:
        platform = Platform(folder, settings, form)
        try:
            await platform.start()
            yield platform
        finally:
            await platform.stop()
