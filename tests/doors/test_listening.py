"""A crowd of connections is let in at once, and one that cannot be let in yet is not forgotten."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import pytest
import uvloop

from boxoffice.doors.listening import AT_ONCE, Listener

CROWD = 10 * AT_ONCE
TURNS = 20  # of the loop: a few more than the crowd needs, and far fewer than it has heads


class Guest(asyncio.Protocol):
    """Stands in a house as soon as it is let in, and says what it is told."""

    def __init__(self, house: "House") -> None:
        self._house = house

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._house.guests.append(self)
        self._house.door.set()

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class House:
    """A socket with a listener in front of it, and everybody who was let in."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=CROWD)
        self.guests: list[Guest] = []
        self.door = asyncio.Event()
        self.listener = Listener(self.listening, lambda: Guest(self))

    def knock(self) -> socket.socket:
        return socket.create_connection(self.listening.getsockname(), timeout=5)

    async def let_in(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.guests) < count:
                self.door.clear()
                await self.door.wait()


async def turns() -> None:
    """Let the loop turn a few times."""
    loop = asyncio.get_running_loop()
    for _ in range(TURNS):
        turned = asyncio.Event()
        loop.call_soon(turned.set)
        await turned.wait()


def in_the_products_loop(scenario: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        house = House()
        try:
            await scenario(house)
        finally:
            house.listener.close()
            for guest in house.guests:
                guest.transport.close()

    uvloop.run(run())


def test_a_crowd_is_let_in_within_a_few_turns_of_the_loop() -> None:
    async def scenario(house: House) -> None:
        crowd = [house.knock() for _ in range(CROWD)]

        await turns()

        assert len(house.guests) == CROWD
        for each in crowd:
            each.close()

    in_the_products_loop(scenario)


def test_who_was_let_in_is_served_after_the_taking_has_ended_and_everybody_else_is_refused() -> None:
    async def scenario(house: House) -> None:
        inside = house.knock()
        await house.let_in(1)
        house.listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(inside.getpeername(), timeout=5)
        inside.sendall(b"hello")

        answer = await asyncio.to_thread(inside.recv, 5)

        assert answer == b"hello"
        assert len(house.guests) == 1
        inside.close()

    in_the_products_loop(scenario)


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Not one more descriptor may be opened meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        first_refused = highest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_refused, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_who_came_when_no_more_files_could_be_opened_is_let_in_a_little_later() -> None:
    async def scenario(house: House) -> None:
        early = house.knock()
        with no_more_files():
            await turns()
            refused = len(house.guests) == 0

        await house.let_in(1)

        assert refused
        early.close()

    in_the_products_loop(scenario)
