"""HTTP doors: a service's routes as a table, each endpoint a function from a Call to an Answer, and what serves them.

A request passes, in this order: its host's tenant, its route, the tenant's status, its credential, its headers, its
query, its body. Whatever refuses it on the way answers as a problem document.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from opentelemetry.trace import SpanKind
from structlog.contextvars import bind_contextvars, reset_contextvars

from boxoffice.doors import problem, request
from boxoffice.doors.body import Reader
from boxoffice.doors.hosts import PLATFORM, Hosts
from boxoffice.doors.identity import Verifier, invalid_token
from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.doors.router import Router
from boxoffice.kernel.caller import ANONYMOUS, Caller, Kind
from boxoffice.kernel.errors import Forbidden, MethodNotAllowed, NotFound, Refusal, Unauthenticated
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call, Host, Route, Who
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.telemetry import metrics, traces

if TYPE_CHECKING:
    from boxoffice.kernel.service import Service

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# fmt: off
ALLOWED: Mapping[Who, frozenset[Any]] = {  # kinds of callers, or roles of users
    Who.BUYER:     frozenset({Kind.USER, Kind.GUEST}),
    Who.USER:      frozenset({Kind.USER}),
    Who.SCANNER:   frozenset({"SCANNER", "ORGANIZER", "ADMIN"}),
    Who.ORGANIZER: frozenset({"ORGANIZER", "ADMIN"}),
    Who.ADMIN:     frozenset({"ADMIN"}),
    Who.OPERATOR:  frozenset({"OPERATOR"}),
    Who.PEER:      frozenset({Kind.PEER}),
}
# fmt: on
log = structlog.get_logger("http")
encode = msgspec.json.Encoder().encode


def application(
    service: "Service", *, directory: Directory, verifier: Verifier, domain: str
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application that serves one service's routes; it trusts no gateway before it."""
    return Application(service.name, service.routes, directory, verifier, Hosts(domain))


def takes_key(route: Route) -> bool:
    """Whether this door heeds an Idempotency-Key (from callers that are somebody)."""
    return route.method == "POST" and not route.path.startswith("/api/auth/")


def permit(who: Who, caller: Caller) -> None:
    """Raises Unauthenticated `unauthenticated` or Forbidden `forbidden` unless `caller` may use such a door."""
    if who is Who.ANYONE:
        return
    if caller.kind is Kind.ANONYMOUS:
        challenge = {"WWW-Authenticate": 'Bearer realm="boxoffice"'}
        raise Unauthenticated("unauthenticated", "This needs a credential.", challenge)
    allowed = ALLOWED[who]
    if caller.kind not in allowed and (caller.kind is not Kind.USER or caller.role not in allowed):
        raise Forbidden("forbidden", "Your role does not allow this.")


class Door:
    """A route with everything that can be known before a request comes."""

    __slots__ = ("body", "name", "query", "route", "takes_key")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.name = f"{route.method} {route.path}"
        self.query = request.QueryReader(route.query) if route.query is not None else None
        self.body = Reader(route.body) if route.body is not None and not route.raw_body else None
        self.takes_key = takes_key(route)


class Application:
    """One service's routes as an ASGI application. See `application`."""

    def __init__(
        self, name: str, routes: Iterable[Route], directory: Directory, verifier: Verifier, hosts: Hosts
    ) -> None:
        self._name = name
        self._directory = directory
        self._verifier = verifier
        self._hosts = hosts
        self._on_tenant: Router[Door] = Router()
        self._on_platform: Router[Door] = Router()
        for route in routes:
            door = Door(route)
            if route.host is not Host.PLATFORM:
                self._on_tenant.add(route.method, route.path, door)
            if route.host is not Host.TENANT:
                self._on_platform.add(route.method, route.path, door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _serve_no_http(scope, receive, send)
        request_id, began = "", time.perf_counter()
        bound: dict[str, Any] = {}
        try:
            try:
                headers = request.headers(scope)
                request_id = _request_id(headers)
                slug = self._hosts.slug(headers["host"])
                bound.update(bind_contextvars(**_names(headers, request_id, slug)))
                with _traced(scope, self._name):
                    answer = await self._answer(scope, receive, headers, request_id, slug)
            except request.ClientGone:
                return None
            except Refusal as refusal:
                answer = refused(refusal)
            except Exception as fault:
                answer = failed(fault, self._name, request_id)
            await _send(scope, send, answer, request_id or str(uuid7()))
            seconds = time.perf_counter() - began - answer.waited
            metrics.observe_request(self._name, scope.get("route", "none"), scope["method"], answer.status, seconds)
        finally:
            reset_contextvars(**bound)
        return None

    async def _answer(
        self, scope: Scope, receive: Receive, headers: dict[str, str], request_id: str, slug: str
    ) -> Answer:
        tenant: Tenant | None = None if slug == PLATFORM else await self._directory.by_slug(slug)
        door, path = self._find(scope, tenant)
        route = door.route
        scope["route"] = route.path
        if tenant is not None:
            tenant.require_serving(also_suspended=route.also_suspended)
        caller = await self._caller(headers, tenant)
        permit(route.who, caller)
        key: str | None = None
        if door.takes_key and caller.kind is not Kind.ANONYMOUS:
            key = request.idempotency_key(headers.get("idempotency-key"), route.key_required)
        request.require_plain(headers)
        query = door.query.read(scope["query_string"]) if door.query is not None else None
        raw, body = b"", None
        if route.raw_body or door.body is not None:
            raw = await request.read_body(receive, headers, route.body_limit)
            if door.body is not None:
                if raw or not door.body.may_be_empty:
                    request.require_json(headers)
                body = await door.body.read(raw)
        call = Call(
            tenant=tenant,  # type: ignore[arg-type]  # endpoints of the platform host never ask
            caller=caller, path=path, query=query, body=body, raw=raw,
            headers=headers, idempotency_key=key, request_id=request_id, route=door.name,
            wait=request.preferred_wait(headers.get("prefer")) if route.may_wait else 0,
        )  # fmt: skip
        return await (_waiting(route, call, receive) if call.wait else route.endpoint(call))

    def _find(self, scope: Scope, tenant: Tenant | None) -> tuple[Door, dict[str, Any]]:
        found = (self._on_platform if tenant is None else self._on_tenant).match(scope["path"])
        if found is None:
            raise NotFound("not_found", "There is nothing here.")
        method = scope["method"]
        target = found.methods.get("GET" if method == "HEAD" and "HEAD" not in found.methods else method)
        if target is None:
            raise MethodNotAllowed("method_not_allowed", "This cannot be done here.", {"Allow": found.allow})
        door, names = target
        return door, dict(zip(names, found.values, strict=True)) if names else {}

    async def _caller(self, headers: dict[str, str], tenant: Tenant | None) -> Caller:
        """Whoever the credential names; with both kinds of credential, Authorization decides."""
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise invalid_token()
            return await self._verifier.bearer(token, tenant=tenant, service=self._name)
        guest = headers.get("guest-token")
        if guest is not None:
            return await self._verifier.guest(guest, tenant=tenant, service=self._name)
        return ANONYMOUS


async def _waiting(route: Route, call: Call, receive: Receive) -> Answer:
    """The answer to a call that may take its time. Raises ClientGone as soon as nobody is there to hear it."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    answering, leaving = asyncio.ensure_future(route.endpoint(call)), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            leaving.result()
            raise request.ClientGone
        answer = answering.result()
    finally:
        answering.cancel()
        leaving.cancel()
    answer.headers["Preference-Applied"] = f"wait={call.wait}"
    return answer


def refused(refusal: Refusal) -> Answer:
    """A refusal as an answer."""
    return Answer(
        status=refusal.status, content=encode(problem.document(refusal)), content_type=problem.CONTENT_TYPE,
        headers=refusal.headers,
    )  # fmt: skip


def failed(fault: Exception, service: str, request_id: str) -> Answer:
    """A fault as an answer that tells nothing of it; the log has all."""
    passing = problem.passing(fault)
    if passing is not None:
        log.warning("unavailable", service=service, fault=repr(fault))
        return refused(passing)
    log.error("fault", service=service, exc_info=fault)
    content = encode(problem.fault_document(request_id))
    return Answer(status=500, content=content, content_type=problem.CONTENT_TYPE)


def _names(headers: Mapping[str, str], request_id: str, slug: str) -> dict[str, str]:
    """By what a request is known in the log and in the messages that come of it."""
    names = {"request_id": request_id, "tenant": slug}
    trace = headers.get("traceparent", "")
    return names | {"traceparent": trace} if traces.TRACEPARENT.fullmatch(trace) is not None else names


@contextmanager
def _traced(scope: Scope, service: str) -> Iterator[None]:
    """A span of the service's own, named by the route when it is known."""
    with traces.span(scope["method"], SpanKind.SERVER) as span:
        try:
            yield
        finally:
            if span.is_recording():
                route = scope.get("route", "none")
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes({"boxoffice.service": service, "http.route": route})


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) is not None else str(uuid7())


async def _send(scope: Scope, send: Send, answer: Answer, request_id: str) -> None:
    content = answer.content
    if content is None:
        content = b"" if answer.value is None else encode(answer.value)
    headers = [(b"x-request-id", request_id.encode())]
    given = {name.lower(): value for name, value in answer.headers.items()}
    if content or answer.stream is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    if answer.stream is None and answer.status not in (204, 304):
        headers.append((b"content-length", str(len(content)).encode()))
    if "cache-control" not in given:
        headers.append((b"cache-control", b"no-store"))
    for name, value in (*given.items(), *(("set-cookie", cookie) for cookie in answer.cookies)):
        if "\r" in value or "\n" in value:
            raise ValueError(f"the header {name} has a line break")
        headers.append((name.encode("latin-1"), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.stream is not None and scope["method"] != "HEAD":
        async for part in answer.stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        content = b""
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


async def _serve_no_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Lifespans begin and end at once; there are no sockets here."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
