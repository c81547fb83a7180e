"""The edge on a real socket: requests that are malformed, ambiguous, endless or slow."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn

from boxoffice.gateway.protocol import EdgeProtocol, JoiningTransport
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.edge import Edge
from tests.support.platform import free_ports
from tests.support.waiting import eventually


class QuickProtocol(EdgeProtocol):
    head_seconds = 0.3


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def port(directory: Directory) -> AsyncIterator[int]:
    """The port of a gateway in front of services that only tell what reached them."""
    (port,) = free_ports(1)
    config = uvicorn.Config(
        Edge(directory).gateway, port=port, http=QuickProtocol, lifespan="off", log_config=None, server_header=False
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    yield port
    server.should_exit = True
    await serving


async def talk(port: int, said: bytes) -> tuple[int, dict[str, str], bytes]:
    """Say something and read until the other side closes or has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(said)
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        status_line, *fields = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields if field)
        }
        body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", "0"))), 5)
        return int(status_line.split()[1]), headers, body
    finally:
        writer.close()


def get(tenant: Tenant, target: str = "/api/events", *fields: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", f"Host: {tenant.slug}.tickets.example", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def test_an_absolute_target_must_name_the_host_of_its_host_field(port: int, tenant: Tenant) -> None:
    own = f"http://{tenant.slug}.tickets.example/api/events"

    same, *_ = await talk(port, get(tenant, own))
    status, headers, body = await talk(port, get(tenant, "http://platform.tickets.example/api/tenants"))

    assert same == 200
    assert (status, json.loads(body)["code"]) == (400, "bad_host")
    assert headers["content-type"] == "application/problem+json"


async def test_two_hosts_on_the_wire_are_refused(port: int, tenant: Tenant) -> None:
    status, _, body = await talk(port, get(tenant, "/api/events", "Host: other.tickets.example"))

    assert (status, json.loads(body)["code"]) == (400, "bad_host")


@pytest.mark.parametrize(
    "said",
    [
        b"not http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_unambiguous_request_is_refused_with_a_problem(port: int, said: bytes) -> None:
    status, headers, body = await talk(port, said)

    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "fields",
    [["X-Long: " + "a" * 70_000], [f"X-{n}: a" for n in range(300)], ["Cookie: " + "; ".join(["a=b" * 20] * 2_000)]],
)
async def test_endless_header_fields_are_refused(port: int, tenant: Tenant, fields: list[str]) -> None:
    status, _, body = await talk(port, get(tenant, "/api/events", *fields))

    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")


async def test_a_request_whose_head_never_comes_is_cut_off(port: int, tenant: Tenant) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get(tenant)[:-20])

    cut = await asyncio.wait_for(reader.read(), 3)

    assert cut == b""
    writer.close()


async def test_a_connection_that_sends_whole_requests_stays_open(port: int, tenant: Tenant) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask() -> bytes:
        writer.write(get(tenant))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"0\r\n\r\n")  # the echo answers in chunks
        return head.split(b"\r\n")[0]

    first = await ask()
    with contextlib.suppress(TimeoutError):  # longer than a head may take
        await asyncio.wait_for(reader.read(1), 0.5)
    second = await ask()

    assert first == second == b"HTTP/1.1 200 OK"
    writer.close()


async def test_the_refusal_of_a_large_body_reaches_a_client_that_sends_it_whole(port: int, tenant: Tenant) -> None:
    body = b"x" * 2_000_000
    head = (
        f"POST /api/bookings HTTP/1.1\r\nHost: {tenant.slug}.tickets.example\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    status, _, answer = await talk(port, head.encode() + body)

    assert (status, json.loads(answer)["code"]) == (413, "too_large")


class Wire:
    """What reached a socket, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True


async def test_head_and_body_of_an_answer_leave_in_one_piece() -> None:
    wire = Wire()
    transport = JoiningTransport(wire)

    transport.write(b"head ")
    transport.write(b"body")
    await eventually(lambda: wire.writes)
    transport.write(b"next")
    transport.close()

    assert (wire.writes, wire.closed) == ([b"head body", b"next"], True)


async def test_of_a_long_answer_no_more_than_a_little_is_kept_back() -> None:
    wire = Wire()
    transport = JoiningTransport(wire)

    for _ in range(5):
        transport.write(b"x" * 40_000)

    assert [len(written) for written in wire.writes] == [80_000, 80_000]
