"""A web process: the gateway, with the services behind it, as one ASGI application."""

import asyncio

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
from boxoffice.settings import Settings
from boxoffice.storefront import service as storefront
from boxoffice.telemetry import logs


class Web:
    """The ASGI application of a web process: the gateway, for as long as the server's lifespan lasts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._gateway is not None:
            await self._gateway(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        stop = asyncio.Event()
        try:
            async with process(self._settings, "web") as parts, asyncio.TaskGroup() as tasks:
                self._gateway = gateway(parts)
                tasks.create_task(parts.directory.keep_fresh(stop))
                tasks.create_task(watch_pool(parts.database, "web", stop))
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stop.set()
        except OSError as fault:
            await send({"type": "lifespan.startup.failed", "message": f"the servers do not answer: {fault}"})
            return
        await send({"type": "lifespan.shutdown.complete"})


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


def build_web(settings: Settings) -> Web:
    """All services behind the gateway, as one ASGI application."""
    logs.configure("web", settings.log_format)
    return Web(settings)
