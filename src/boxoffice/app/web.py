"""What answers HTTP in a process: the gateway with all services behind it, the gateway alone, or one service."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from boxoffice.app.described import openapi
from boxoffice.app.process import Process, process
from boxoffice.doors import http
from boxoffice.doors.hosts import Hosts
from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.gateway import reference
from boxoffice.gateway.app import Gateway
from boxoffice.gateway.exchange import ASGIApp
from boxoffice.gateway.steps import Gate
from boxoffice.kernel.caller import Caller
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.gauges import watch_pool
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.wake import Wake
from boxoffice.remote.entrance import Entrance, parting
from boxoffice.settings import Settings
from boxoffice.storefront import service as storefront
from boxoffice.telemetry.health import Check


class Served:
    """An ASGI application for as long as its server's lifespan lasts: `front`, built upon a connected process."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractAsyncContextManager[Process]],
        front: Callable[[Process], ASGIApp],
    ) -> None:
        self._name = name
        self._connect = connect
        self._front = front
        self._application: ASGIApp | None = None
        self._process: Process | None = None
        self._news = Wake()
        self.leaving = False

    def leave(self) -> None:
        """The server is about to stop: say so with every answer, and answer now what waits for news."""
        self.leaving = True
        self._news.hush()

    async def is_ready(self) -> bool:
        """Whether to send requests here: connected, its database answers, and it stays."""
        return self._process is not None and not self.leaving and await self._process.answers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._application is not None:
            await self._application(scope, receive, parting(send) if self.leaving else send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        stop = asyncio.Event()
        try:
            async with self._connect() as parts, asyncio.TaskGroup() as tasks:
                self._process, self._application, self._news = parts, self._front(parts), parts.news
                hearing = tasks.create_task(parts.news.listen(stop))
                tasks.create_task(parts.directory.keep_fresh(stop))
                tasks.create_task(watch_pool(parts.database, self._name, stop))
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stop.set()
                hearing.cancel()
        except OSError as fault:
            await send({"type": "lifespan.startup.failed", "message": f"the servers do not answer: {fault}"})
            return
        await send({"type": "lifespan.shutdown.complete"})


def web(settings: Settings) -> Served:
    """All services behind the gateway, as one ASGI application."""
    return Served("web", lambda: process(settings, "web"), gateway)


def gateway_alone(settings: Settings) -> Served:
    """The gateway before services that have processes of their own."""
    return Served("gateway", lambda: process(settings, "web", (), "gateway"), gateway)


def service(settings: Settings, name: str, checks: Mapping[str, Check]) -> Served:
    """One service, for the gateway and its peers only; `checks` are further ones of its readiness."""

    def front(parts: Process) -> ASGIApp:
        async def stays() -> bool:
            return not served.leaving

        ready = {"database": parts.answers, "stays": stays, **checks}
        return Entrance(name, parts.apps[name], parts.verifier, ready)

    served = Served(name, lambda: process(settings, "web", (name,), name), front)
    return served


def gateway(parts: Process) -> Gateway:
    async def identify(token: str, as_guest: bool, tenant: Tenant | None) -> Caller | None:
        ask = parts.verifier.guest if as_guest else parts.verifier.bearer
        try:
            return await ask(token, tenant=tenant, service="gateway")
        except Refusal:
            return None

    gate = Gate(
        hosts=Hosts(parts.settings.domain), directory=parts.directory, limiter=parts.limiter, identify=identify,
        trusted_proxies=parts.settings.trusted_proxies,
    )  # fmt: skip
    own_pages = http.application(
        reference.build(openapi), directory=parts.directory, verifier=parts.verifier, domain=parts.settings.domain
    )
    return Gateway(gate, {**parts.apps, "reference": own_pages}, storefront.render_error)
