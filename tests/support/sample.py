"""A service with one door of each kind, for tests of the way that a request takes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from boxoffice.doors.http import application
from boxoffice.doors.identity import Issuer, Verifier, service_token
from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import PageQuery
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call, Host, Route, Who, path_id
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.asgi import Application, Response, request

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seats: list[int]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str = "none"


class Search(PageQuery, frozen=True, kw_only=True):
    q: str = ""
    status: tuple[str, ...] = ()


async def describe(call: Call) -> Answer:
    """What the endpoint was given."""
    seen = {
        "tenant": call.tenant.slug if call.tenant else None, "caller": call.caller.key, "path": dict(call.path),
        "query": call.query, "body": call.body, "bytes": len(call.raw), "key": call.idempotency_key,
        "route": call.route, "request_id": call.request_id, "log": structlog.contextvars.get_contextvars(),
    }  # fmt: skip
    return Answer(value=seen, headers={"ETag": '"1"'})


async def refuse(call: Call) -> Answer:
    raise Conflict("seat_unavailable", "These seats are gone.", seats=[1, 2])


async def fail(call: Call) -> Answer:
    raise RuntimeError("the password is hunter2")


async def lose_database(call: Call) -> Answer:
    raise asyncpg.CannotConnectNowError("the database system is starting up")


async def nothing(call: Call) -> Answer:
    return Answer(status=204)


async def stream(call: Call) -> Answer:
    async def lines() -> AsyncIterator[bytes]:
        for line in (b"a,b\r\n", b"1,2\r\n"):
            yield line

    return Answer(stream=lines(), content_type="text/csv")


async def show_id(call: Call) -> Answer:
    return Answer(value=path_id(call, "event_id"))


ROUTES = [
    Route("GET", "/api/things", describe, Who.ANYONE, "", {200: dict}, query=Search),
    Route("POST", "/api/things", describe, Who.BUYER, "", {200: dict}, body=Choice),
    Route("POST", "/api/strict", describe, Who.USER, "", {200: dict}, key_required=True),
    Route("POST", "/api/reasons", describe, Who.ANYONE, "", {200: dict}, body=Reason),
    Route("POST", "/api/auth/login", describe, Who.ANYONE, "", {200: dict}, host=Host.BOTH),
    Route("POST", "/api/hooks", describe, Who.ANYONE, "", {200: dict}, raw_body=True, body_limit=100),
    Route("GET", "/api/things/{event_id}", show_id, Who.ANYONE, "", {200: UUID}),
    Route("DELETE", "/api/things/{event_id}", nothing, Who.ANYONE, "", {204: None}),
    Route("GET", "/api/tickets", describe, Who.ANYONE, "", {200: dict}, also_suspended=True),
    Route("GET", "/api/refused", refuse, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/failed", fail, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/restarting", lose_database, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/stream", stream, Who.ANYONE, "", {200: None}),
    Route("GET", "/api/tenants", describe, Who.OPERATOR, "", {200: dict}, host=Host.PLATFORM),
    *(Route("GET", f"/for/{who.value}", describe, who, "", {200: dict}) for who in Who if who is not Who.OPERATOR),
]


@dataclass
class Sample:
    """The service as one tenant's clients reach it."""

    app: Application
    tenant: Tenant
    issuer: Issuer
    keyring: Keyring

    async def send(
        self, method: str, path: str, *, token: str | None = None, guest: str | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), host: str | None = None, **rest: Any,
    ) -> Response:  # fmt: skip
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        pairs += [("Authorization", f"Bearer {token}")] if token else []
        pairs += [("Guest-Token", guest)] if guest else []
        response = await request(
            self.app, method, path, host=host or f"{self.tenant.slug}.localhost", headers=pairs, **rest
        )
        assert response is not None
        return response

    def token(self, role: str = "CUSTOMER", tenant: Tenant | str | None = "own") -> str:
        host = self.tenant if isinstance(tenant, str) else tenant
        return self.issuer.access(tenant=host, user_id=uuid7(), role=role, sid=uuid7(), now=datetime.now(UTC))

    def guest(self) -> str:
        return self.issuer.guest(tenant=self.tenant, guest_id=uuid7(), now=datetime.now(UTC))

    def peer(self, callee: str = "sample") -> str:
        return service_token(
            self.keyring, caller="events", callee=callee, tenant=self.tenant, now=datetime.now(UTC)
        )  # fmt: skip


async def open_sample(folder: Path, directory: Directory, tenant: Tenant) -> Sample:
    """The service, with keys in `folder`."""
    await directory.refresh()
    keyring = Keyring(folder)
    issuer = Issuer(keyring)

    async def fetch(host: Tenant | None) -> Mapping[str, Any]:
        return issuer.jwks(host)

    verifier = Verifier(fetch_jwks=fetch, keyring=keyring, directory=directory)
    app = application(Service("sample", ROUTES), directory=directory, verifier=verifier, domain="localhost")
    return Sample(app, tenant, issuer, keyring)
