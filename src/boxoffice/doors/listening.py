"""Takes the connections that come to a socket, many at each turn of the loop: a sale begins with all at once."""

import asyncio
import socket
from collections.abc import Callable

import structlog

AT_ONCE = 32  # of the processes that share a socket, none is to take what another could serve at once
PAUSE_SECONDS = 0.5  # when no more files may be opened
log = structlog.get_logger("listening")


class Listener:
    """Begins to take connections at once, and speaks `protocol` with each; `close` refuses further ones.

    In the place of uvloop's server: libuv takes one connection a turn, so that in a crowd, whose turns are long, the
    last of a thousand waits for seconds in the kernel (github.com/libuv/libuv/pull/3696).
    """

    def __init__(self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listening = listening
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._resuming: asyncio.TimerHandle | None = None
        self._greeting: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        self._loop.add_reader(listening, self._take)

    def close(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        if self._listening.fileno() >= 0:  # uvicorn closes what has been closed
            self._loop.remove_reader(self._listening)
            self._listening.close()  # now: whom the kernel let in after this would be cut off, who is refused may go on

    async def wait_closed(self) -> None:
        """There is nothing to wait for; a server of asyncio has such a method."""

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as fault:
                log.error("connections_not_taken", fault=repr(fault))
                self._loop.remove_reader(self._listening)
                self._resuming = self._loop.call_later(
                    PAUSE_SECONDS, self._loop.add_reader, self._listening, self._take
                )
                return
            greeting = self._loop.create_task(self._greet(connection))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError as fault:  # it has gone already
            log.debug("connection_lost_at_once", fault=repr(fault))
            connection.close()
