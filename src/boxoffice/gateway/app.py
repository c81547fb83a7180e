"""The ASGI application at the edge: runs the steps, calls the service the path belongs to, finishes its answer."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from opentelemetry.trace import Span

from boxoffice.doors.problem import CONTENT_TYPE, passing
from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.doors.sockets import answering
from boxoffice.gateway.answers import RenderError, finish, send_fault, send_page, send_refusal
from boxoffice.gateway.compression import compressed
from boxoffice.gateway.credentials import guest_cookie
from boxoffice.gateway.exchange import ASGIApp, Exchange
from boxoffice.gateway.steps import STEPS, Gate, too_large
from boxoffice.kernel.errors import NotFound, Refusal
from boxoffice.kernel.ids import uuid7
from boxoffice.telemetry import metrics, traces

BODY_SECONDS = 60.0
PROBLEM = (b"content-type", CONTENT_TYPE.encode())
log = structlog.get_logger("gateway")


class Gateway:
    """The edge in front of `services`, each an ASGI application in this process."""

    def __init__(self, gate: Gate, services: Mapping[str, ASGIApp], render_error: RenderError) -> None:
        self._gate = gate
        self._services = services
        self._render_error = render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope = {**scope, "method": "GET"}  # so a handshake begins
        request_id = str(uuid7())  # and the name of its trace; an outsider's are not taken over
        with traces.begun(request_id, scope["method"]) as (traceparent, span):
            exchange = Exchange(scope, request_id, traceparent)
            reply = Reply(exchange, send, self._render_error)
            await self._answer(exchange, receive, reply)
            if span.is_recording():
                _describe(span, exchange, reply.status)

    async def _answer(self, exchange: Exchange, receive: Receive, reply: "Reply") -> None:
        began = time.perf_counter()
        try:
            await self._pass_on(exchange, receive, reply)
        except Refusal as refusal:
            await self._refuse(exchange, reply, refusal)
        except Exception as fault:
            await self._fail(exchange, reply, fault)
        finally:
            metrics.observe_edge(_slug(exchange), reply.status)
            if not reply.forwarded:
                seconds = time.perf_counter() - began
                metrics.observe_request("gateway", "refused", exchange.method, reply.status, seconds)

    async def _pass_on(self, exchange: Exchange, receive: Receive, reply: "Reply") -> None:
        for step in STEPS:
            await step(exchange, self._gate)
        service = self._services.get(exchange.rule.service) if exchange.rule is not None else None
        if service is None:
            raise NotFound("not_found", "There is nothing at this address.")
        heard = receive if exchange.is_socket else _Body(exchange, receive)
        await service({**exchange.scope, "headers": exchange.headers}, heard, reply)

    async def _fail(self, exchange: Exchange, reply: "Reply", fault: Exception) -> None:
        known = passing(fault)
        if known is not None:
            await self._refuse(exchange, reply, known)
            return
        log.error("fault_at_the_edge", request_id=exchange.request_id, exc_info=fault)
        if reply.status:
            raise fault
        await send_fault(exchange, reply.unfinished)

    async def _refuse(self, exchange: Exchange, reply: "Reply", refusal: Refusal) -> None:
        if reply.status:
            raise refusal  # the service has begun to answer: all that is left is to cut the connection
        if refusal.status == 429:
            tenant = metrics.tenant_label(_slug(exchange))
            metrics.count("rate_limited", tenant=tenant, rate_class=_rate_class(refusal))
        await send_refusal(exchange, refusal, reply.unfinished, self._render_error)


class Reply:
    """The `send` that a service gets: its answer passes through, with the edge's fields added.

    Two answers are kept back until their end: the hold of a new guest, whose token becomes a cookie for the browser,
    and a problem document where a person asked for a page.
    """

    __slots__ = ("_exchange", "_kept", "_render_error", "_send", "_start", "forwarded", "status")

    def __init__(self, exchange: Exchange, send: Send, render_error: RenderError) -> None:
        self._exchange = exchange
        self._send = send
        self._render_error = render_error
        self._start: dict[str, Any] | None = None
        self._kept = b""
        self.status = 0
        self.forwarded = False

    async def __call__(self, message: dict[str, Any]) -> None:
        if self._exchange.is_socket:
            await self._pass_of_a_socket(message)
        elif message["type"] == "http.response.start":
            self.forwarded = True
            self.status = message["status"]
            start = {**message, "headers": finish(message.get("headers", ()), self._exchange)}
            if self._is_page(start) or (self.status == 201 and makes_guest(self._exchange)):
                self._start = start
                return
            start, self._send = compressed(self._exchange, start, self._send)
            await self._send(start)
        elif self._start is not None:
            self._kept += message.get("body", b"")
            if not message.get("more_body", False):
                await self._release(self._start)
        else:
            await self._send(message)

    async def _pass_of_a_socket(self, message: dict[str, Any]) -> None:
        """A handshake, or the HTTP answer in its place, gets the edge's fields; what comes later is theirs alone."""
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            self.forwarded = True
            self.status = message.get("status", 101)
            message = {**message, "headers": finish(message.get("headers", ()), self._exchange)}
        await self._send(message)

    async def unfinished(self, message: dict[str, Any]) -> None:
        """The `send` for the edge's own answers, whose fields are complete."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await (answering(self._send) if self._exchange.is_socket else self._send)(message)

    def _is_page(self, start: dict[str, Any]) -> bool:
        return self.status >= 400 and self._exchange.for_a_person and PROBLEM in start["headers"]

    async def _release(self, start: dict[str, Any]) -> None:
        self._start = None
        if self._is_page(start):
            headers = start["headers"]
            await send_page(self._exchange, self.status, self._kept, headers, self._send, self._render_error)
            return
        token = _guest_token(self._kept)
        if token is not None:
            start["headers"].append((b"set-cookie", guest_cookie(token)))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._kept})


def _describe(span: Span, exchange: Exchange, status: int) -> None:
    service = exchange.rule.service if exchange.rule is not None else "gateway"
    span.update_name(f"{exchange.method} {service}")
    span.set_attributes({
        "http.request.method": exchange.method, "http.response.status_code": status, "url.path": exchange.path,
        "boxoffice.tenant": _slug(exchange) or "",
    })  # fmt: skip


class BodyTimeout(Refusal):
    status, title = 408, "Request timeout"


class _Body:
    """The `receive` that a service gets: the body, counted and timed as it comes in."""

    __slots__ = ("_complete", "_deadline", "_limit", "_receive", "_seen")

    def __init__(self, exchange: Exchange, receive: Receive) -> None:
        self._receive = receive
        self._limit = exchange.rule.body if exchange.rule is not None else 0
        self._seen = 0
        self._complete = False
        self._deadline = 0.0

    async def __call__(self) -> dict[str, Any]:
        if self._complete:  # what is awaited now is the end of the connection
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyTimeout("body_timeout", f"The body did not arrive within {BODY_SECONDS:g} s.") from None
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise too_large(self._limit)
        self._complete = not message.get("more_body", False)
        return message


class _Guest(msgspec.Struct):
    guest_token: str | None = None


def makes_guest(exchange: Exchange) -> bool:
    """Whether a browser's page, without any credential, asks for something that makes it a guest."""
    return (
        exchange.method == "POST"
        and exchange.token is None
        and b"sec-fetch-site" in exchange.given
        and (exchange.path.endswith("/holds") or exchange.path == "/api/guests")
    )


def _guest_token(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Guest).guest_token
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _slug(exchange: Exchange) -> str | None:
    return exchange.tenant.slug if exchange.tenant is not None else None


def _rate_class(refusal: Refusal) -> str:
    violated = refusal.members.get("violated_policies", ())
    return str(violated[0]) if violated else "unknown"
