"""A TCP proxy to stand between a process and a server, and to misbehave as it is told while both are running."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

Mode = Literal["pass", "slow", "reset", "blackhole", "half_open", "down"]
CHUNK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: what closes such a socket says RST and not FIN


class Proxy:
    """`async with Proxy(url) as proxy:` passes what is said to `proxy.url` on to the server of `url`.

    `await proxy.turn(mode)` takes effect on the connections there are and on those that come:

    pass        all is well. What a black hole kept is delivered now, late, as TCP would.
    slow        each of the server's answers arrives `seconds` later than it was sent.
    reset       every connection is reset, a new one at once.
    blackhole   connections stand and new ones are taken, but nothing passes, not even their end.
    half_open   the server's ends of the connections are closed and the clients are not told; new ones are well.
    down        every connection is reset, and nobody listens.

    `hits` counts what each mode met: connections that it cut or refused, and pieces that it kept or delayed.
    """

    def __init__(self, url: str) -> None:
        self.hits: Counter[Mode] = Counter()
        self.mode: Mode = "pass"
        self._parts = urlsplit(url)
        self._seconds = 0.0
        self._turned = asyncio.Event()
        self._links: set[Link] = set()
        self._port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The server's address through this proxy; a server behind a Unix socket is reached by TCP."""
        scheme = "redis" if self._parts.scheme == "unix" else self._parts.scheme
        path = "" if self._parts.scheme == "unix" else self._parts.path
        user = self._parts.netloc.rpartition("@")[0]
        return urlunsplit((scheme, f"{user}@{self.address}" if user else self.address, path, "", ""))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        return len(self._links)

    async def turn(self, mode: Mode, *, seconds: float = 2.0) -> None:
        """Behave like this from now on; `seconds` is for slow only."""
        self.mode, self._seconds = mode, seconds
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()
        for link in list(self._links):
            if mode in ("reset", "down"):
                link.reset()
            elif mode == "half_open":
                link.halve()
            elif mode == "pass" and link.halved:
                link.reset()  # as the server would answer whatever is said on a connection that it has forgotten
        if mode == "down":
            await self._close()
        elif self._server is None:
            await self._listen()

    @asynccontextmanager
    async def turned(self, mode: Mode, *, seconds: float = 2.0) -> AsyncIterator[None]:
        """`turn` for the length of a block."""
        await self.turn(mode, seconds=seconds)
        try:
            yield
        finally:
            await self.turn("pass")

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        for link in list(self._links):
            link.task.cancel()
        await asyncio.gather(*(link.task for link in self._links), return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of the proxy's own to the server."""
        if self._parts.scheme == "unix":
            return await asyncio.open_unix_connection(self._parts.path)
        if folder := parse_qs(self._parts.query).get("host"):
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.5432")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def passable(self) -> None:
        """Wait until what has come may go on."""
        if self.mode == "blackhole":
            self.hits["blackhole"] += 1
        while self.mode == "blackhole":
            await self._turned.wait()

    def delay(self) -> float:
        """How many seconds a piece of an answer that comes now has to wait."""
        if self.mode != "slow":
            return 0.0
        self.hits["slow"] += 1
        return self._seconds


class Link:
    """One client's connection and the server's that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.halved = False
        self.task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # one of its own
        self._proxy = proxy
        self._client = (reader, writer)
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

    async def run(self) -> None:
        """Carry both ways until one side ends; its end is passed on like its words."""
        if self._proxy.mode == "reset":
            self.reset()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._proxy.passable()
            self._server = await self._proxy.connect()
            hearing = asyncio.create_task(self._hear(*self._server))
            ways = [asyncio.create_task(self._ask(*self._server)), asyncio.create_task(self._answer())]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (hearing, *ways):
                    task.cancel()
                await asyncio.gather(hearing, *ways, return_exceptions=True)
        self._client[1].close()
        if self._server is not None:
            self._server[1].close()

    def reset(self) -> None:
        """Cut both ends at once, with what was on its way."""
        self._proxy.hits[self._proxy.mode] += 1
        for end in (self._client, self._server):
            if end is not None:
                _reset(end[1])
        self.task.cancel()

    def halve(self) -> None:
        """Cut the server's end; the client goes on talking to nobody."""
        if self._server is not None and not self.halved:
            self.halved = True
            self._proxy.hits["half_open"] += 1
            _reset(self._server[1])

    async def _ask(self, _: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while chunk := await self._client[0].read(CHUNK_BYTES):
            await self._proxy.passable()
            if not self.halved:
                server.write(chunk)
                await server.drain()
        await self._proxy.passable()

    async def _hear(self, server: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Note when each piece is due: pieces keep their distance, so that a long answer is no later than a short."""
        now = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while chunk := await server.read(CHUNK_BYTES):
                await self._late.put((now() + self._proxy.delay(), chunk))
        if not self.halved:
            await self._late.put((now() + self._proxy.delay(), b""))

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at, chunk = await self._late.get()
            if at > loop.time():
                due = asyncio.Event()
                loop.call_at(at, due.set)
                await due.wait()
            await self._proxy.passable()
            if not chunk:
                return
            self._client[1].write(chunk)
            await self._client[1].drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
