"""Peers: the few synchronous calls between services, each with a service token or with the user's own credential."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from boxoffice import failpoint
from boxoffice.doors import deadline, problem
from boxoffice.doors.hosts import Hosts
from boxoffice.doors.identity import SERVICE_KEYS, service_token
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.tenancy import Tenant
from boxoffice.telemetry import traces

T = TypeVar("T")
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

DEADLINE_SECONDS = 5.0
TOKEN_KEPT_SECONDS = 240.0
REMEMBERED_TOKENS = 4_096
JSON = {"content-type": "application/json"}


class PeerAnswer(msgspec.Struct, frozen=True):
    """What a peer answered, always below 400: a refusal is raised instead."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    def decode(self, kind: type[T]) -> T:
        """The body as `kind`; fields that only a newer peer knows are passed over unless `kind` forbids them."""
        return msgspec.json.decode(self.content, type=kind)


class Peers:
    """One service's way to the others, in this process or in theirs. `apps` leads to them, and may be filled later."""

    def __init__(self, caller: str, *, apps: Mapping[str, ASGIApp], keyring: Keyring, domain: str) -> None:
        self._caller = caller
        self._apps = apps
        self._keyring = keyring
        self._hosts = Hosts(domain)
        self._tokens: dict[tuple[str, str], tuple[float, str]] = {}
        keyring.signing(SERVICE_KEYS + caller, share=True)  # now, so that peers know our key before our first call

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        tenant: Tenant | None,
        body: Any = None,
        token: str | None = None,
        guest_token: str | None = None,
        anonymous: bool = False,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> PeerAnswer:
        """Call `service` on a tenant's host, or on the platform's.

        `token` is a user's bearer to pass on, `guest_token` a guest's, `anonymous` says that there is neither;
        otherwise the call carries our own service token.
        Raises the Refusal that the peer answered, or Unavailable when it failed or was late.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        with traces.span(f"{method} {service}", SpanKind.CLIENT):
            sent = {
                "host": self._hosts.address(tenant.slug if tenant else None),
                **({} if anonymous else self._credential(service, tenant, token, guest_token)),
                **_trace(), **(JSON if body is not None else {}), **(headers or {}),
            }  # fmt: skip
            seconds = deadline.seconds_left(deadline_seconds)
            try:
                async with asyncio.timeout(seconds):
                    with deadline.within(seconds), failpoint.around_send():
                        answer = await _exchange(self._apps[service], method, path, sent, content)
            except TimeoutError:
                raise Unavailable("unavailable", f"The {service} service is slow; try again in a moment.") from None
        if answer.status >= 400:
            refusal = problem.refusal_of(answer.status, answer.content, dict(answer.headers))
            if refusal.code == "invalid_token" and token is None and guest_token is None:
                raise RuntimeError(f"{service} does not accept the token of {self._caller}")
            raise refusal
        return answer

    async def jwks(self, tenant: Tenant | None) -> Mapping[str, Any]:
        """The keys that auth signs with, for a Verifier."""
        answer = await self.call("auth", "GET", "/.well-known/jwks.json", tenant=tenant)
        return answer.decode(dict[str, Any])

    def _credential(
        self, service: str, tenant: Tenant | None, token: str | None, guest_token: str | None
    ) -> dict[str, str]:
        if token is None and guest_token is not None:
            return {"guest-token": guest_token}
        return {"authorization": f"Bearer {token or self.token(service, tenant)}"}

    def token(self, service: str, tenant: Tenant | None = None) -> str:
        """Our own service token for one service, on a tenant's host or the platform's."""
        key = (service, tenant.schema if tenant else "")
        known = self._tokens.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        token = service_token(
            self._keyring, caller=self._caller, callee=service, tenant=tenant, now=datetime.now(UTC)
        )  # fmt: skip
        if len(self._tokens) >= REMEMBERED_TOKENS:
            self._tokens.clear()
        self._tokens[key] = (time.monotonic() + TOKEN_KEPT_SECONDS, token)
        return token


def _trace() -> dict[str, str]:
    """The headers by which one request is followed through the services."""
    context = structlog.contextvars.get_contextvars()
    names = (("x-request-id", "request_id"), ("traceparent", "traceparent"))
    return {header: context[name] for header, name in names if context.get(name)}


async def _exchange(app: ASGIApp, method: str, path: str, headers: Mapping[str, str], content: bytes) -> PeerAnswer:
    """One request to an ASGI app in this process, without an HTTP client in between."""
    path, _, query = path.partition("?")
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }  # fmt: skip
    received: list[dict[str, Any]] = []
    requests = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(requests, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        received.append(message)

    await app(scope, receive, send)
    start, *parts = received
    answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return PeerAnswer(start["status"], b"".join(part.get("body", b"") for part in parts), answered)
