"""A WebSocket through the real nginx and the real gateway to a service in a process of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from boxoffice.doors.hosts import Hosts
from boxoffice.doors.identity import Verifier, service_token
from boxoffice.doors.keys import Keyring
from boxoffice.doors.limits import Limiter
from boxoffice.gateway.app import Gateway
from boxoffice.gateway.protocol import EdgeProtocol
from boxoffice.gateway.steps import Gate
from boxoffice.kernel.caller import Caller
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.remote.discovery import Address, Written
from boxoffice.remote.entrance import Entrance
from boxoffice.remote.upstream import Upstream, session
from tests.nginx.conftest import DOMAIN, nginx_before
from tests.support.listening import listening

LIVE = "/api/holds/live"  # of bookings, by the route table


class Talker:
    """A service that says everything twice; to `bye` it says nothing, and closes with a code of its own."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.closed = asyncio.Event()
        self.code = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers.append({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        await receive()
        await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "bye":
                await send({"type": "websocket.close", "code": 4001})
                return
            for _ in range(2):
                await send({**message, "type": "websocket.send"})
        self.code = message["code"]
        self.closed.set()


class Way:
    """From a browser to the service; `service_url` is the service's own port."""

    def __init__(self, slug: str, port: int, trust: ssl.SSLContext, talker: Talker, service_url: str) -> None:
        self.host = f"{slug}.{DOMAIN}"
        self.talker = talker
        self.service_url = service_url
        self._url = f"wss://{self.host}:{port}"
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Here(), ssl=trust), cookie_jar=aiohttp.DummyCookieJar()
        )
        self.origin = f"https://{self.host}:{port}"

    def open(self, path: str = LIVE, headers: Mapping[str, str] | None = None, protocols: Sequence[str] = ()) -> Any:
        return self._http.ws_connect(self._url + path, headers=headers, protocols=protocols)

    async def refused(self, path: str = LIVE, headers: Mapping[str, str] | None = None) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await self.open(path, headers)
        return refusal.value.status

    async def close(self) -> None:
        await self._http.close()


class Here(aiohttp.abc.AbstractResolver):
    """Every name is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@pytest.fixture
async def way(tmp_path: Path, directory: Directory, tenant: Tenant) -> AsyncIterator[Way]:
    await directory.refresh()
    keyring, talker = Keyring(tmp_path), Talker()

    async def nobodys(tenant: Tenant | None) -> dict[str, object]:
        return {"keys": []}

    async def identify(token: str, as_guest: bool, tenant: Tenant | None) -> Caller | None:
        return None

    def token(callee: str) -> str:
        return service_token(keyring, caller="gateway", callee=callee, tenant=None, now=datetime.now(UTC))

    verifier = Verifier(fetch_jwks=nobodys, keyring=keyring, directory=directory)
    gate = Gate(
        hosts=Hosts(DOMAIN), directory=directory, limiter=Limiter(None), identify=identify,
        trusted_proxies="127.0.0.0/8",
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        entrance = Entrance("bookings", talker, verifier, {})
        service = await stack.enter_async_context(listening(entrance))
        http = await stack.enter_async_context(session())
        found = Written({"bookings": [Address("127.0.0.1", int(service.rpartition(":")[2]))]})
        gateway = Gateway(gate, {"bookings": Upstream("bookings", http, found, token)}, lambda *_: b"")
        edge = await stack.enter_async_context(listening(gateway, http=EdgeProtocol))
        nginx = await stack.enter_async_context(nginx_before(edge))
        made = Way(tenant.slug, nginx.port, nginx.trust, talker, service)
        stack.push_async_callback(made.close)
        yield made


async def test_messages_pass_both_ways_as_they_are(way: Way) -> None:
    async with way.open(headers={"x-user-id": "1", "traceparent": "forged"}, protocols=["seats.1"]) as socket:
        await socket.send_str("wörd")
        await socket.send_bytes(b"\x00\xff" * 70_000)
        heard = [(await socket.receive(10)).data for _ in range(4)]

    seen = way.talker.headers[0]
    assert socket.protocol == "seats.1"
    assert heard == ["wörd", "wörd", b"\x00\xff" * 70_000, b"\x00\xff" * 70_000]
    assert seen["host"].startswith(way.host)
    assert "x-user-id" not in seen
    assert seen["traceparent"] != "forged"


async def test_either_side_may_close_and_the_other_hears_the_code(way: Way) -> None:
    async with way.open() as first:
        await first.close(code=4002)
    await asyncio.wait_for(way.talker.closed.wait(), 10)
    async with way.open() as second:
        await second.send_str("bye")
        await second.receive(10)

    assert way.talker.code == 4002
    assert second.close_code == 4001


async def test_what_is_refused_is_refused_before_it_opens(way: Way) -> None:
    cookie = {"cookie": "__Host-guest=t"}

    async with way.open(headers=cookie | {"origin": way.origin}) as socket:
        assert not socket.closed
    assert await way.refused(headers=cookie | {"origin": "https://evil.example"}) == 403
    assert await way.refused(headers=cookie) == 403
    assert await way.refused("/internal/live") == 404
    assert len(way.talker.headers) == 1


async def test_nobody_opens_one_at_a_service_s_own_port_without_a_pass(way: Way) -> None:
    async with aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await stranger.ws_connect(f"{way.service_url}{LIVE}", headers={"x-user-role": "ADMIN"})

    assert refusal.value.status == 401
    assert way.talker.headers == []
