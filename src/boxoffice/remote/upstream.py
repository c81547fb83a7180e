"""A service of another process as an ASGI application: streams both ways, within a deadline, around what has failed."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import structlog
from multidict import CIMultiDict
from yarl import URL

from boxoffice.doors import deadline
from boxoffice.doors.request import ClientGone, Receive, Scope, Send
from boxoffice.doors.sockets import MESSAGE_BYTES, answering
from boxoffice.kernel.errors import Unavailable
from boxoffice.remote.breaker import Breaker, State
from boxoffice.remote.budget import Budget
from boxoffice.remote.discovery import Address, Discovery
from boxoffice.remote.instances import Instance, Instances
from boxoffice.remote.sockets import CLOSE_SECONDS, carry
from boxoffice.telemetry import metrics

CONNECT_SECONDS = 1.0
MARGIN_SECONDS = 0.02  # we notice that an answer is late before our caller does, who can only cut us off
ANSWER_SECONDS = 20.0  # from the request's end to the answer's head; the caller's own deadline may be nearer
SILENCE_SECONDS = 60.0  # between two parts of a body
# Idle connections are dropped before a leaving instance closes them (entrance.NOTICE_SECONDS): no request is sent
# down a connection at the moment it is closed.
IDLE_SECONDS = 0.7
# Per service: a slow one must not hold all that this process can hold. Buyers who wait for news are in flight all the
# while, so it is the crowd that one gateway serves.
IN_FLIGHT_MAX = 4_000
PROBE_SECONDS = 0.25
WHOLE_BYTES = 64 * 1024  # an answer shorter than this is passed on in one piece
PASS = "service-token"  # noqa: S105 -- a header's name
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"expect",
})  # fmt: skip
OWN = HOP_BY_HOP | {PASS.encode(), deadline.HEADER.encode()}
FAULTS = frozenset({500, 502, 504})  # 503 is a service that knows what it says
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
log = structlog.get_logger("upstream")


def session() -> aiohttp.ClientSession:
    """The connections that all upstreams of a process share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, use_dns_cache=True),
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, read_bufsize=256 * 1024,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
    )  # fmt: skip


class Upstream:
    """Calls the instances of one service. `token` makes the pass that lets our processes in.

    Raises Unavailable, as long as the answer has not begun, when no instance answers in time.
    """

    def __init__(
        self, service: str, http: aiohttp.ClientSession, discovery: Discovery, token: Callable[[str], str],
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:  # fmt: skip
        self._service = service
        self._http = http
        self._token = token
        self._probes: set[asyncio.Task[None]] = set()
        self.instances = Instances(service, discovery, self._watch)
        self.breaker = Breaker(on_change=self._note)
        self._note(self.breaker.state)
        self._budget = Budget()
        self._in_flight_max = in_flight_max
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self.breaker.wait_seconds()
        if wait:
            raise self._unavailable(wait)
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        if self._in_flight >= self._in_flight_max:
            self.breaker.abandoned()
            raise Unavailable("overloaded", f"The {self._service} service has its hands full; try again in a moment.")
        self._in_flight += 1
        try:
            await self._call(scope, _Body(receive), send)
        finally:
            self._in_flight -= 1

    async def _call(self, scope: Scope, body: "_Body", send: Send) -> None:
        self._budget.earn()
        tell = self.breaker.abandoned
        try:
            await body.begin()
            with deadline.within(ANSWER_SECONDS + (0.0 if body.is_whole else SILENCE_SECONDS)):
                status = await self._try(scope, body, send)
            tell = self.breaker.failed if status in FAULTS else self.breaker.succeeded
        except _NoAnswer as fault:
            tell = self.breaker.failed
            log.warning("no_answer", service=self._service, fault=str(fault))
            raise self._unavailable(1.0) from fault
        except ConnectionAbortedError:
            tell = self.breaker.failed
            raise
        finally:
            tell()

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: opened at the service first, so that its refusal is the client's answer."""
        tell = self.breaker.abandoned
        try:
            await receive()  # that the client wants to
            instance, far = await self._reach(scope)
            tell = self.breaker.succeeded
        except aiohttp.WSServerHandshakeError as refusal:
            tell = self.breaker.failed if refusal.status in FAULTS else self.breaker.succeeded
            await _refuse(refusal.status, send)
            return
        except _NoAnswer as fault:
            tell = self.breaker.failed
            log.warning("no_answer", service=self._service, fault=str(fault))
            raise self._unavailable(1.0) from fault
        finally:
            tell()
        instance.in_flight += 1
        try:
            async with far:
                await send({"type": "websocket.accept", "subprotocol": far.protocol, "headers": []})
                await carry(far, receive, send)
        finally:
            instance.in_flight -= 1

    async def _reach(self, scope: Scope) -> tuple[Instance, aiohttp.ClientWebSocketResponse]:
        tried: set[Address] = set()
        while (instance := self.instances.choose(tried)) is not None:
            tried.add(instance.address)
            try:
                async with asyncio.timeout(deadline.seconds_left(ANSWER_SECONDS)):
                    far = await self._http.ws_connect(
                        _url(instance.address, scope), headers=self._headers(scope), protocols=scope["subprotocols"],
                        max_msg_size=MESSAGE_BYTES, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                    )  # fmt: skip
                return instance, far
            except NOT_SENT:
                self.instances.left(instance)
            except aiohttp.WSServerHandshakeError:
                raise
            except (aiohttp.ClientError, TimeoutError) as fault:
                self.instances.failed(instance)
                raise _NoAnswer(repr(fault)) from fault
        raise _NoAnswer("no instance takes a connection")

    async def _try(self, scope: Scope, body: "_Body", send: Send) -> int:
        """Ask one instance after the other as long as that can do no harm. The status of the answer passed on."""
        tried: set[Address] = set()
        while True:
            instance = self.instances.choose(tried)
            if instance is None:
                raise _NoAnswer("no instance takes a connection")
            tried.add(instance.address)
            try:
                return await self._exchange(instance, scope, body, send)
            except NOT_SENT as fault:
                self.instances.left(instance)
                if body.began:
                    raise _NoAnswer(repr(fault)) from fault
            except (aiohttp.ClientError, TimeoutError) as fault:
                body.raise_its_own()
                self.instances.failed(instance)
                if not _repeatable(scope, body) or not deadline.seconds_left(1.0) or not self._budget.spend():
                    raise _NoAnswer(repr(fault)) from fault
                log.info("asked_again", service=self._service, instance=str(instance.address), fault=repr(fault))

    async def _exchange(self, instance: Instance, scope: Scope, body: "_Body", send: Send) -> int:
        started = False
        instance.in_flight += 1
        answering: aiohttp.ClientResponse | None = None
        try:
            async with asyncio.timeout(deadline.seconds_left(math.inf) - MARGIN_SECONDS):
                answering = await self._http.request(
                    scope["method"], _url(instance.address, scope), headers=self._headers(scope),
                    data=body.data(), allow_redirects=False,
                )  # fmt: skip
            self._judge(instance, answering)
            whole = await answering.read() if (answering.content_length or WHOLE_BYTES) < WHOLE_BYTES else None
            started = True
            headers = [(name.lower(), value) for name, value in answering.raw_headers if name.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answering.status, "headers": headers})
            if whole is None:
                async for part in answering.content.iter_any():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": whole or b"", "more_body": False})
            return answering.status
        except (aiohttp.ClientError, TimeoutError) as fault:
            if started:  # nothing can be taken back: the client's connection is cut
                self.instances.failed(instance)
                raise ConnectionAbortedError(f"{self._service} broke off its answer") from fault
            raise
        finally:
            instance.in_flight -= 1
            if answering is not None:
                answering.release()

    def _judge(self, instance: Instance, answering: aiohttp.ClientResponse) -> None:
        if answering.status in FAULTS:
            self.instances.failed(instance)
        else:
            self.instances.answered(instance)
        if answering.headers.get("Connection", "").lower() == "close":
            self.instances.left(instance)

    def _headers(self, scope: Scope) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict(
            (name.decode("latin-1"), value.decode("utf-8", "replace"))
            for name, value in scope["headers"]
            if name not in OWN and not name.startswith(b"sec-websocket-")
        )
        headers[PASS] = self._token(self._service)
        headers[deadline.HEADER] = str(int(deadline.seconds_left(ANSWER_SECONDS) * 1000))
        return headers

    def _note(self, state: State) -> None:
        metrics.gauge("breakers_open", 0 if state is State.CLOSED else 1, service=self._service)

    def _unavailable(self, seconds: float) -> Unavailable:
        detail = f"The {self._service} service does not answer; try again in a moment."
        return Unavailable("unavailable", detail, max(1, math.ceil(seconds)))

    def _watch(self, instance: Instance) -> None:
        probe = asyncio.create_task(self._until_ready(instance))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _until_ready(self, instance: Instance) -> None:
        """Ask one that left whether it is back, until it is or until our own connections are closed."""
        url = URL.build(scheme="http", host=instance.address.host, port=instance.address.port, path="/health/ready")
        while not self._http.closed:
            await asyncio.sleep(PROBE_SECONDS)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, RuntimeError):
                async with asyncio.timeout(CONNECT_SECONDS), self._http.get(url) as answer:
                    if answer.status == 200:
                        self.instances.back(instance)
                        return


class _NoAnswer(Exception):
    """No instance has answered, and asking again is not to be thought of."""


class _Body:
    """A request's body: what came at once is kept, so that it can be sent again; a longer one streams through."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._first: dict[str, Any] = {}
        self._fault: BaseException | None = None
        self.is_whole = False
        self.began = False  # some of it is gone and cannot be sent again

    async def begin(self) -> None:
        self._first = await self._receive()
        if self._first["type"] == "http.disconnect":
            raise ClientGone
        self.is_whole = not self._first.get("more_body", False)

    def data(self) -> bytes | AsyncIterator[bytes] | None:
        return (self._first.get("body") or None) if self.is_whole else self._stream()

    def raise_its_own(self) -> None:
        """What went wrong on the client's side is not the service's fault."""
        if self._fault is not None:
            raise self._fault

    async def _stream(self) -> AsyncIterator[bytes]:
        self.began = True
        message = self._first
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientGone
                if message.get("body"):
                    yield message["body"]
                if not message.get("more_body", False):
                    return
                message = await self._receive()
        except Exception as fault:
            self._fault = fault
            raise


async def _refuse(status: int, send: Send) -> None:
    answer = answering(send)
    await answer({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await answer({"type": "http.response.body", "body": b""})


def _repeatable(scope: Scope, body: _Body) -> bool:
    """Whether asking twice is as good as asking once."""
    keyed = any(name == b"idempotency-key" for name, _ in scope["headers"])
    return not body.began and (scope["method"] in IDEMPOTENT or keyed)


def _url(address: Address, scope: Mapping[str, Any]) -> URL:
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
    return URL(f"http://{address}{path}{query}", encoded=True)
