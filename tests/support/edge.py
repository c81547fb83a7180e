"""A gateway in front of services that only tell what reached them, and a way to ask it without a socket."""

import json
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from boxoffice.doors.hosts import Hosts
from boxoffice.doors.limits import Limiter
from boxoffice.gateway.app import Gateway
from boxoffice.gateway.steps import Gate
from boxoffice.kernel.caller import Caller, Kind
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Tenant

SERVICES = (
    "events",
    "bookings",
    "auth",
    "payments",
    "notifications",
    "tenants",
    "storefront",
    "organizer",
    "operations",
    "reference",
)
KNOWN_CALLER = Caller(kind=Kind.USER, id=uuid7())


class Echo:
    """A service that answers with what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.members: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        told = {"service": self.name, "path": scope["path"], "headers": headers, "size": len(body), **self.members}
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


class EdgeAnswer:
    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode(): value.decode("latin-1") for name, value in headers}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Edge:
    """`await edge.ask("GET", "/api/events", host=…)`."""

    def __init__(self, directory: Directory, valkey: Redis | None = None, trusted_proxies: str = "") -> None:
        async def identify(token: str, as_guest: bool, tenant: Tenant | None) -> Caller | None:
            return KNOWN_CALLER if token == "good" else None

        self.echoes = {name: Echo(name) for name in SERVICES}
        gate = Gate(
            hosts=Hosts("tickets.example"), directory=directory, limiter=Limiter(valkey), identify=identify,
            trusted_proxies=trusted_proxies,
        )  # fmt: skip
        self.gateway = Gateway(
            gate, self.echoes, lambda status, code, shop: f"<h1>{status} {code} {shop and shop.name}</h1>".encode()
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        host: str | None = None,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        chunks: tuple[bytes, ...] = (b"",),
        client: str = "203.0.113.7",
        authority: str | None = None,
    ) -> EdgeAnswer:
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers or ())
        if host is not None:
            given.insert(0, ("host", host))
        scope: dict[str, Any] = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "scheme": "http", "http_version": "1.1", "client": (client, 4711), "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given],
        }  # fmt: skip
        if authority is not None:
            scope["extensions"] = {"boxoffice.authority": authority}
        waiting = list(chunks)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = waiting.pop(0) if waiting else b""
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.gateway(scope, receive, send)
        return EdgeAnswer(sent[0]["status"], sent[0]["headers"], b"".join(part["body"] for part in sent[1:]))
