"""A service behind a socket: what passes through to it and back, and what becomes of a call that it does not answer."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boxoffice.doors import deadline
from boxoffice.kernel.errors import Refusal, TooLarge, Unavailable
from boxoffice.remote.breaker import LEAST_CALLS, State
from boxoffice.remote.discovery import Address, Written
from boxoffice.remote.entrance import parting
from boxoffice.remote.upstream import Upstream, session
from tests.support.asgi import Response, request
from tests.support.listening import listening
from tests.support.waiting import eventually

HOST = "acme.tickets.example"


class Backend:
    """A service that does as its paths say, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.parts: list[bytes] = []
        self.first_part = asyncio.Event()
        self.go_on = asyncio.Event()
        self.leaving = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/health/ready":
            await answer(send, 503 if self.leaving else 200)
            return
        self.asked.append(f"{scope['method']} {path}")
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        if self.leaving:
            send = parting(send)
        match path:
            case "/upload":
                more = True
                while more:
                    message = await receive()
                    self.parts.append(message.get("body", b""))
                    self.first_part.set()
                    more = message.get("more_body", False)
                await answer(send, 200, str(sum(map(len, self.parts))).encode())
            case "/download":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"first", "more_body": True})
                await self.go_on.wait()
                await send({"type": "http.response.body", "body": b"last"})
            case "/zipped":
                await answer(send, 200, gzip.compress(b"plain"), [(b"content-encoding", b"gzip")])
            case "/never":
                await asyncio.Future()
            case _:
                await answer(send, int(path[1:]), path.encode())


async def answer(send: Any, status: int, body: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def backend() -> Backend:
    return Backend()


@pytest.fixture
async def upstream(backend: Backend) -> AsyncIterator[Upstream]:
    async with listening(backend) as url, session() as http:
        yield Upstream("events", http, Written({"events": [address(url)]}), lambda service: f"pass-for-{service}")


@pytest.fixture
def nowhere() -> Iterator[Address]:
    """An address that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Address(*bound.getsockname())


@asynccontextmanager
async def mute(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Address]:
    """A listener that does not speak HTTP."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield Address(*server.sockets[0].getsockname())


def address(url: str) -> Address:
    return Address("127.0.0.1", int(url.rpartition(":")[2]))


async def ask(app: Any, method: str, path: str, **rest: Any) -> Response:
    got = await request(app, method, path, host=HOST, **rest)
    assert got is not None
    return got


async def test_a_call_arrives_as_it_was_made_but_for_what_belongs_to_one_connection(
    upstream: Upstream, backend: Backend
) -> None:
    headers = {"x-request-id": "r-1", "connection": "close", "service-token": "forged", "x-deadline-ms": "999999999"}

    got = await ask(upstream, "GET", "/418", query="a=%2F&b", headers=headers)

    seen = backend.headers[0]
    assert (got.status, got.content) == (418, b"/418")
    assert (seen["host"], seen["x-request-id"], seen["service-token"]) == (HOST, "r-1", "pass-for-events")
    assert 0 < int(seen["x-deadline-ms"]) <= 20_000
    assert "close" not in seen.get("connection", "")


async def test_what_is_compressed_stays_so(upstream: Upstream) -> None:
    got = await ask(upstream, "GET", "/zipped", headers={"accept-encoding": "gzip"})

    assert got.headers["content-encoding"] == "gzip"
    assert gzip.decompress(got.content) == b"plain"


async def test_an_upload_streams_through(upstream: Upstream, backend: Backend) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if len(sent) == 0:
            sent.append({})
            return {"type": "http.request", "body": b"a" * 1000, "more_body": True}
        await backend.first_part.wait()  # the second part is made only when the first has arrived
        return {"type": "http.request", "body": b"b" * 500, "more_body": False}

    got: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    await upstream(scope("POST", "/upload"), receive, send)

    assert b"".join(each.get("body", b"") for each in got) == b"1500"


async def test_a_download_streams_through(upstream: Upstream, backend: Backend) -> None:
    got: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        got.append(message.get("body", b""))
        if b"first" in got:
            backend.go_on.set()  # the rest is made only when the beginning has arrived

    await upstream(scope("GET", "/download"), nothing_more, send)

    assert b"".join(got) == b"firstlast"


async def test_a_refusal_from_the_client_s_side_comes_back_as_it_is(upstream: Upstream) -> None:
    parts = iter([{"type": "http.request", "body": b"a", "more_body": True}])

    async def receive() -> dict[str, Any]:
        for part in parts:
            return part
        raise TooLarge("too_large", "It does not end.")

    with pytest.raises(TooLarge):
        await upstream(scope("POST", "/upload"), receive, ignore)

    assert upstream.breaker.state is State.CLOSED


async def test_nobody_waits_longer_than_the_caller_does(upstream: Upstream) -> None:
    with deadline.within(0.2), pytest.raises(Unavailable) as late:
        await ask(upstream, "POST", "/never")

    assert late.value.headers["Retry-After"] == "1"


async def test_a_slow_service_holds_so_many_calls_and_no_more(backend: Backend) -> None:
    async with listening(backend) as url, session() as http:
        upstream = Upstream("events", http, Written({"events": [address(url)]}), str, in_flight_max=2)
        waiting = [asyncio.create_task(ask(upstream, "GET", "/never")) for _ in range(2)]
        await eventually(lambda: len(backend.asked) == 2)

        with pytest.raises(Unavailable) as refusal:
            await ask(upstream, "GET", "/200")

        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        again = await ask(upstream, "GET", "/200")

    assert refusal.value.code == "overloaded"
    assert again.status == 200


async def test_the_dead_instance_is_passed_over(backend: Backend, nowhere: Address) -> None:
    async with listening(backend) as url, session() as http:
        upstream = Upstream("events", http, Written({"events": [nowhere, address(url)]}), str)

        got = [await ask(upstream, "POST", "/201", json={"n": n}) for n in range(6)]

    assert [each.status for each in got] == [201] * 6


async def test_an_idempotent_call_is_made_again_and_another_is_not() -> None:
    heard: list[str] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readline()).decode().split()[0])
        writer.close()

    async with mute(hang_up) as first, mute(hang_up) as second, session() as http:
        upstream = Upstream("events", http, Written({"events": [first, second]}), str)
        for method, headers in (("PUT", {}), ("POST", {"idempotency-key": "k"}), ("POST", {})):
            with pytest.raises(Unavailable):
                await ask(upstream, method, "/200", headers=headers)

    assert heard == ["PUT"] * 4 + ["POST"] * 2 + ["POST"]  # the HTTP client itself makes a PUT twice


async def test_a_short_answer_that_breaks_off_is_asked_for_again(backend: Backend) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of")
        writer.close()

    async with mute(break_off) as broken, listening(backend) as url, session() as http:
        upstream = Upstream("events", http, Written({"events": [broken, address(url)]}), str)

        got = [await ask(upstream, "GET", "/200") for _ in range(4)]

    assert [(each.status, each.content) for each in got] == [(200, b"/200")] * 4


async def test_a_service_that_does_not_answer_is_left_alone_and_tried_again(nowhere: Address) -> None:
    async with session() as http:
        upstream = Upstream("events", http, Written({"events": [nowhere]}), str)
        refusals = [await refused(upstream) for _ in range(LEAST_CALLS + 1)]

    assert upstream.breaker.state is State.OPEN
    assert {each.code for each in refusals} == {"unavailable"}
    assert refusals[-1].headers["Retry-After"] == "5"


async def test_refusals_of_a_service_are_answers(upstream: Upstream) -> None:
    for status in (404, 409, 503):
        for _ in range(LEAST_CALLS):
            assert (await ask(upstream, "GET", f"/{status}")).status == status

    assert upstream.breaker.state is State.CLOSED


async def test_faults_of_a_service_open_the_breaker(upstream: Upstream) -> None:
    for _ in range(LEAST_CALLS):
        assert (await ask(upstream, "GET", "/500")).status == 500

    assert upstream.breaker.state is State.OPEN


async def test_one_that_says_it_leaves_gets_no_further_call_until_it_is_back() -> None:
    stays, leaves = Backend(), Backend()
    async with listening(stays) as first, listening(leaves) as second, session() as http:
        upstream = Upstream("events", http, Written({"events": [address(first), address(second)]}), str)
        leaves.leaving = True
        for _ in range(6):
            await ask(upstream, "GET", "/200")
        while_leaving = len(leaves.asked)

        leaves.leaving = False

        async def asked_again() -> bool:
            await ask(upstream, "GET", "/200")
            return len(leaves.asked) > while_leaving

        await eventually(asked_again)

    assert while_leaving == 1


async def refused(upstream: Upstream) -> Refusal:
    with pytest.raises(Unavailable) as refusal:
        await ask(upstream, "GET", "/200")
    return refusal.value


def scope(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", HOST.encode())]}


async def nothing_more() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def ignore(message: dict[str, Any]) -> None:
    pass
