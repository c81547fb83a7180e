"""Peers: services call each other with a token of their own, and a peer's "no" arrives as it was said."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boxoffice.doors.http import application
from boxoffice.doors.identity import Issuer, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call, Host, Route, Who
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.remote.discovery import Address, Written
from boxoffice.remote.entrance import Entrance
from boxoffice.remote.upstream import Upstream, session
from tests.support.listening import listening
from tests.support.tenancy import NewTenant


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int


class Pong(msgspec.Struct, frozen=True):
    caller: str
    tenant: str | None
    number: int
    request_id: str


async def pong(call: Call) -> Answer:
    return Answer(
        status=201,
        value=Pong(call.caller.key, call.tenant.slug if call.tenant else None, call.body.number, call.request_id),
    )


async def conflict(call: Call) -> Answer:
    raise Conflict("seat_unavailable", "Gone.", seats=[3])


async def fault(call: Call) -> Answer:
    raise RuntimeError("no")


async def never(call: Call) -> Answer:
    return await asyncio.Future()


@dataclass
class World:
    peers: Peers
    tenant: Tenant
    issuer: Issuer

    async def post(self, path: str, number: Any = 1, **rest: Any) -> Any:
        return await self.peers.call("events", "POST", path, tenant=self.tenant, body={"number": number}, **rest)


@pytest.fixture(params=["in this process", "in another"])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, directory: Directory, tenant: Tenant
) -> AsyncIterator[World]:
    """The same calls to services of this process and, over HTTP, to those of another."""
    await directory.refresh()
    keyring = Keyring(tmp_path)
    issuer = Issuer(keyring)
    apps: dict[str, Any] = {}
    peers = Peers("bookings", apps=apps, keyring=keyring, domain="localhost")
    verifier = Verifier(fetch_jwks=peers.jwks, keyring=keyring, directory=directory)

    async def jwks(call: Call) -> Answer:
        return Answer(value=issuer.jwks(call.tenant))

    auth = [Route("GET", "/.well-known/jwks.json", jwks, Who.ANYONE, "", {200: dict}, host=Host.BOTH)]
    events = [
        Route("POST", "/internal/ping", pong, Who.PEER, "", {201: Pong}, body=Ping, host=Host.BOTH),
        Route("POST", "/api/ping", pong, Who.USER, "", {201: Pong}, body=Ping),
        Route("POST", "/internal/conflict", conflict, Who.PEER, "", {201: Pong}),
        Route("POST", "/internal/fault", fault, Who.PEER, "", {201: Pong}),
        Route("POST", "/internal/never", never, Who.PEER, "", {201: Pong}),
    ]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(session())
        for service in (Service("auth", auth), Service("events", events)):
            served = application(service, directory=directory, verifier=verifier, domain="localhost")
            if request.param == "in another":
                entrance = Entrance(service.name, served, verifier, {})
                url = await stack.enter_async_context(listening(entrance))
                where = {service.name: [Address("127.0.0.1", int(url.rpartition(":")[2]))]}
                served = Upstream(service.name, http, Written(where), peers.token)
            apps[service.name] = served
        yield World(peers, tenant, issuer)


async def test_a_service_calls_another_in_its_own_name(world: World) -> None:
    answer = await world.post("/internal/ping", headers={"X-Request-Id": "r-7"})

    assert answer.status == 201
    assert answer.decode(Pong) == Pong("peer:bookings", world.tenant.slug, 1, "r-7")


async def test_a_service_calls_another_on_the_platform_host(world: World) -> None:
    answer = await world.peers.call("events", "POST", "/internal/ping", tenant=None, body=Ping(2))

    assert answer.decode(Pong).tenant is None


async def test_a_users_credential_is_passed_on(world: World) -> None:
    user_id = uuid7()
    token = world.issuer.access(
        tenant=world.tenant, user_id=user_id, role="CUSTOMER", sid=uuid7(), now=datetime.now(UTC)
    )

    answer = await world.post("/api/ping", token=token)

    assert answer.decode(Pong).caller == f"user:{user_id}"


async def test_a_peers_refusal_arrives_as_it_was_said(world: World) -> None:
    with pytest.raises(Conflict) as conflict:
        await world.post("/internal/conflict")
    with pytest.raises(Invalid) as invalid:
        await world.post("/internal/ping", "one")
    with pytest.raises(NotFound):
        await world.post("/internal/nowhere")

    assert (conflict.value.code, conflict.value.detail, conflict.value.members) == (
        "seat_unavailable", "Gone.", {"seats": [3]},
    )  # fmt: skip
    assert invalid.value.members["errors"][0]["path"] == "number"


async def test_a_peers_fault_or_silence_means_try_again(world: World) -> None:
    with pytest.raises(Unavailable):
        await world.post("/internal/fault")
    with pytest.raises(Unavailable):
        await world.post("/internal/never", deadline_seconds=0.05)


async def test_each_host_is_called_with_a_service_token_of_its_own(
    world: World, new_tenant: NewTenant, directory: Directory
) -> None:
    await world.post("/internal/ping")
    other = await new_tenant()
    await directory.refresh()

    answer = await world.peers.call("events", "POST", "/internal/ping", tenant=other, body=Ping(1))

    assert answer.decode(Pong).tenant == other.slug


async def test_a_key_that_the_callee_cannot_find_is_our_fault_and_not_the_users(
    world: World, directory: Directory, tmp_path: Path
) -> None:
    async def no_keys(host: Tenant | None) -> Mapping[str, Any]:
        return {"keys": []}

    stranger = Verifier(fetch_jwks=no_keys, keyring=Keyring(tmp_path / "elsewhere"), directory=directory)
    route = Route("POST", "/internal/ping", pong, Who.PEER, "", {201: Pong}, body=Ping)
    apps = {
        "events": application(Service("events", [route]), directory=directory, verifier=stranger, domain="localhost")
    }
    peers = Peers("bookings", apps=apps, keyring=Keyring(tmp_path), domain="localhost")

    with pytest.raises(RuntimeError, match="does not accept"):
        await peers.call("events", "POST", "/internal/ping", tenant=world.tenant, body=Ping(1))
