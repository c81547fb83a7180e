"""The proxy of the fault tests does to a connection what it says, and no more."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from redis.asyncio import Redis

from boxoffice.embedded.servers import EmbeddedServers
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

PIECES = 20
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """The address of a server that answers every line with the line."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def proxy(echo: str) -> AsyncIterator[Proxy]:
    async with Proxy(echo) as opened:
        yield opened


async def connected(proxy: Proxy) -> Stream:
    host, port = proxy.address.split(":")
    return await asyncio.open_connection(host, int(port))


async def said(stream: Stream, line: bytes, within: float = 5.0) -> bytes | str:
    """What comes back: the line, nothing when the server hung up, "reset" or "silence"."""
    try:
        stream[1].write(line)
        return await asyncio.wait_for(stream[0].readline(), within)
    except TimeoutError:
        return "silence"
    except ConnectionError:
        return "reset"


def delayed(proxy: Proxy, pieces: int) -> bool:
    return proxy.hits["slow"] >= pieces


async def test_it_passes_what_is_said_and_that_a_side_has_ended(proxy: Proxy) -> None:
    stream = await connected(proxy)
    echoed = await said(stream, b"hello\n")

    stream[1].write_eof()

    assert echoed == b"hello\n"
    assert await stream[0].read() == b""


async def test_slow_answers_come_late_but_not_one_after_the_other(proxy: Proxy) -> None:
    stream = await connected(proxy)
    async with proxy.turned("slow", seconds=0.3):
        began = time.monotonic()
        first = await said(stream, b"one\n")
        between = time.monotonic() - began
        for piece in range(PIECES):
            stream[1].write(b"more\n")
            await eventually(partial(delayed, proxy, piece + 2))
        await stream[0].readexactly(5 * PIECES)
        whole = time.monotonic() - began

    assert first == b"one\n"
    assert between >= 0.3
    assert 0.6 <= whole < 0.3 * PIECES


async def test_reset_cuts_what_is_there_and_what_comes(proxy: Proxy) -> None:
    stream = await connected(proxy)
    await said(stream, b"hello\n")
    async with proxy.turned("reset"):
        before = await said(stream, b"hello\n")
        new = await said(await connected(proxy), b"hello\n")

    assert (before, new) == ("reset", "reset")
    assert await said(await connected(proxy), b"again\n") == b"again\n"
    assert proxy.hits["reset"] == 2


async def test_a_black_hole_keeps_what_it_takes_and_gives_it_back_late(proxy: Proxy) -> None:
    old = await connected(proxy)
    await said(old, b"hello\n")
    async with proxy.turned("blackhole"):
        new = await connected(proxy)
        within = [await said(stream, b"late\n", within=0.2) for stream in (old, new)]

    assert within == ["silence", "silence"]
    assert [await stream[0].readline() for stream in (old, new)] == [b"late\n", b"late\n"]


async def test_half_open_leaves_the_client_with_nobody_until_it_is_over(proxy: Proxy) -> None:
    old = await connected(proxy)
    await said(old, b"hello\n")
    async with proxy.turned("half_open"):
        unheard = await said(old, b"anybody?\n", within=0.2)
        new = await said(await connected(proxy), b"hello\n")

    assert (unheard, new) == ("silence", b"hello\n")
    assert await said(old, b"anybody?\n") == "reset"


async def test_down_refuses_and_comes_back_at_the_same_address(proxy: Proxy) -> None:
    stream = await connected(proxy)
    await said(stream, b"hello\n")
    async with proxy.turned("down"):
        cut = await said(stream, b"hello\n")
        with pytest.raises(ConnectionRefusedError):
            await connected(proxy)

    assert cut == "reset"
    assert await said(await connected(proxy), b"again\n") == b"again\n"


async def test_it_stands_before_the_embedded_servers(servers: EmbeddedServers) -> None:
    async with Proxy(servers.database_url) as database, Proxy(servers.valkey_url) as valkey:
        connection = await asyncpg.connect(database.url)
        one = await connection.fetchval("SELECT 1")
        await connection.close()
        async with Redis.from_url(valkey.url) as client:
            pong = await client.ping()

    assert (one, pong) == (1, True)
