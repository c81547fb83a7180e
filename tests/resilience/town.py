"""A platform whose parts can fail one by one: a web process and a worker, each behind proxies of their own."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import stripe

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.embedded.up import http_status
from tests.support.mail_server import TinyMailServer
from tests.support.platform import OPERATOR, PASSWORD, Platform
from tests.support.processes import frozen
from tests.support.proxy import Mode, Proxy
from tests.support.servers import FLEETING, temporary_folder
from tests.support.stripe_simulator import choose_stripe, running_simulator
from tests.support.waiting import eventually

LEASE_SECONDS = 10
HALT_SECONDS = 2.0
BREATH_SECONDS = 0.3  # between two halts


class Town(Platform):
    """`web` and `worker` talk to PostgreSQL through a proxy each; both share the one before Valkey."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder, {"lease_seconds": str(LEASE_SECONDS), "web_processes": "1", **settings})
        self.mail = TinyMailServer()
        self.servers = EmbeddedServers(self.data, max_connections=200, postgres_options=FLEETING)
        self.proxies: dict[str, Proxy] = {}
        self._stack = AsyncExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self) -> None:
        enter = self._stack.enter_async_context
        await enter(self.servers)
        await self.mail.start()
        self._stack.push_async_callback(self.mail.stop)
        self.simulator, self.simulator_url = await enter(running_simulator())
        self._session = await enter(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))
        )
        for name, url in (
            ("web", self.servers.database_url), ("worker", self.servers.database_url),
            ("Valkey", self.servers.valkey_url), ("provider", self.simulator_url), ("mail", self.mail.url),
        ):  # fmt: skip
            self.proxies[name] = await enter(Proxy(url))
        self.environment |= {
            "BOXOFFICE_DATABASE_URL": self.servers.database_url,
            "BOXOFFICE_VALKEY_URL": self.proxies["Valkey"].url,
            "BOXOFFICE_STRIPE_URL": self.proxies["provider"].url,
            "BOXOFFICE_SMTP_URL": self.proxies["mail"].url,
        }
        await self.command("migrate")
        await self.command("operator", "create", OPERATOR, "--password", PASSWORD)
        for role in ("web", "worker"):
            self.run(role)
        await eventually(self._ready, within=60)

    async def stop(self) -> None:
        for role in ("web", "worker"):
            await self.end(role)
        await self._stack.aclose()

    def run(self, role: str) -> None:
        """Start the process of a role."""
        environment = self.environment | {"BOXOFFICE_DATABASE_URL": self.proxies[role].url}
        with self.output.open("ab") as output:
            self._running[role] = subprocess.Popen(
                [sys.executable, "-m", "boxoffice", "run", role],
                cwd="/", env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    async def end(self, role: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self._running.pop(role, None)
        if process is not None:
            process.send_signal(how)
            await asyncio.to_thread(process.wait, 60)

    @property
    def worker(self) -> int:
        return self._running["worker"].pid

    async def _ready(self) -> bool:
        assert all(process.poll() is None for process in self._running.values()), self.output.read_text()
        return (
            await http_status("127.0.0.1", self.admin_port, "/health/ready") == 200
            and await http_status("127.0.0.1", self.port, "/", "platform.localhost") is not None
        )

    @asynccontextmanager
    async def failing(self, part: str, fault: Mode) -> AsyncIterator[None]:
        """One cell's fault for the length of a block."""
        if part == "worker":
            async with self._failing_worker(fault):
                yield
            return
        names = {"PostgreSQL": ("web", "worker"), "bus": ("worker",)}.get(part, (part,))
        async with AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(self.proxies[name].turned(fault, seconds=HALT_SECONDS))
            yield

    @asynccontextmanager
    async def _failing_worker(self, fault: Mode) -> AsyncIterator[None]:
        match fault:
            case "down":
                await self.end("worker")
                yield
                self.run("worker")
            case "reset":
                await self.end("worker", signal.SIGKILL)
                self.run("worker")
                yield
            case "blackhole":
                with frozen(self.worker):
                    yield
            case _:
                stop = asyncio.Event()
                halting = asyncio.create_task(self._halt_again_and_again(stop))
                yield
                stop.set()
                await halting

    async def _halt_again_and_again(self, stop: asyncio.Event) -> None:
        for seconds in iter(lambda: HALT_SECONDS, None):
            with frozen(self.worker), contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BREATH_SECONDS)
            if stop.is_set():
                return

    async def status(self, slug: str, booking: str) -> str:
        """How far a booking is, whatever its buyer can see of it."""
        db = await asyncpg.connect(self.servers.database_url)
        try:
            return str(await db.fetchval(f'SELECT status FROM "tenant_{slug}".bookings WHERE id = $1::uuid', booking))
        finally:
            await db.close()

    async def stripe_tenant(self) -> str:
        """A tenant that has chosen Stripe, and whose bookings know it."""
        slug = await self.tenant()
        async with aiohttp.ClientSession() as session:
            client = stripe.StripeClient(
                f"sk_test_{slug}", base_addresses={"api": self.simulator_url},
                http_client=stripe.AIOHTTPClient(session=session),
            )  # fmt: skip
            await choose_stripe(self, slug, client)
        event, guest = await self.event(slug), await self.guest(slug)
        held = await self.hold(slug, event, [0], guest=guest)

        async def booked() -> str | None:
            """By a method that only Stripe has."""
            reply = await self.book(slug, held.json["token"], method="checkout", guest=guest)
            return reply.json["id"] if reply.status == 202 else None

        path = f"/api/bookings/{await eventually(booked)}/cancellation"
        await self.ask("POST", path, slug=slug, guest=guest)
        return slug


@asynccontextmanager
async def running_town() -> AsyncIterator[Town]:
    with temporary_folder() as folder:
        town = Town(folder, {})
        try:
            await town.start()
            yield town
        finally:
            await town.stop()
