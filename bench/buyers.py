"""One process of lean buyers: each holds two seats, books, and waits until the booking is CONFIRMED, as a page does.

A buyer speaks HTTP/1.1 over one connection with as little work as will do, so that the cores are left to the servers.
Prints one JSON line: the times from the hold's request to CONFIRMED, how often a seat was lost to another, what failed,
and the CPU seconds that the buyers themselves took.
"""

import argparse
import asyncio
import json
import random
import re
import ssl
import time
import uuid
from functools import cache
from typing import cast

import msgspec
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
PATIENCE = "Prefer: wait=10\r\n"


class Held(msgspec.Struct):
    token: str
    guest_token: str


class Booked(msgspec.Struct):
    id: str
    status: str


class Connection(asyncio.Protocol):
    """One keep-alive connection to one host name, for one request at a time; over TLS with a context for it."""

    def __init__(self, port: int, host: str, trust: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._host = host
        self._trust = trust
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and self._answer is not None and len(body) == (int(length[1]) if length else 0):
            self._received = b""
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, fault: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    async def call(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            name = self._host.partition(":")[0] if self._trust is not None else None
            await loop.create_connection(lambda: self, "127.0.0.1", self._port, ssl=self._trust, server_hostname=name)
        assert self._transport is not None
        self._answer = loop.create_future()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self._transport.write(f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{kind}{headers}\r\n".encode() + body)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@cache
def trusting() -> ssl.SSLContext:
    """Encrypts and asks for nobody's certificate: the server is our own, on this machine."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Tally:
    """What one process of buyers has seen."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.lost = 0
        self.failed: dict[str, int] = {}

    def fail(self, what: str) -> None:
        self.failed[what] = self.failed.get(what, 0) + 1


async def buy(connection: Connection, event: str, seats: int, tally: Tally) -> bool:
    """One purchase; false when nothing came of it."""
    began = time.perf_counter()
    while True:
        first = random.randrange(seats // 2) * 2
        wish = b'{"seats":[%d,%d]}' % (first, first + 1)
        status, answer = await connection.call("POST", f"/api/events/{event}/holds", wish)
        if status == 201:
            break
        if status != 409:
            tally.fail(f"hold {status}")
            return False
        tally.lost += 1
    held = msgspec.json.decode(answer, type=Held)
    guest = f"Guest-Token: {held.guest_token}\r\n"
    wish = msgspec.json.encode({
        "hold_token": held.token, "payment_method": "pm_card_visa",
        "contact": {"email": "buyer@rush.example", "name": "A Buyer"},
    })  # fmt: skip
    key = f"Idempotency-Key: {uuid.uuid4()}\r\n"
    status, answer = await connection.call("POST", "/api/bookings", wish, guest + key + PATIENCE)
    if status != 202:
        tally.fail(f"book {status}")
        return False
    booking = msgspec.json.decode(answer, type=Booked)
    while booking.status == "PENDING_PAYMENT":
        status, answer = await connection.call("GET", f"/api/bookings/{booking.id}", headers=guest + PATIENCE)
        if status != 200:
            tally.fail(f"show {status}")
            return False
        booking = msgspec.json.decode(answer, type=Booked)
    if booking.status != "CONFIRMED":
        tally.fail(booking.status)
        return False
    tally.times.append(time.perf_counter() - began)
    return True


async def buyer(arguments: argparse.Namespace, until: float, tally: Tally) -> None:
    connection = Connection(arguments.port, arguments.host, trusting() if arguments.tls else None)
    while time.perf_counter() < until and await buy(connection, arguments.event, arguments.seats, tally):
        pass
    connection.close()


async def main(arguments: argparse.Namespace) -> None:
    tally = Tally()
    until = time.perf_counter() + arguments.seconds
    spent = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.buyers):
            group.create_task(buyer(arguments, until, tally))
    spent = time.process_time() - spent
    print(json.dumps({"times": tally.times, "lost": tally.lost, "failed": tally.failed, "cpu_seconds": spent}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("host", str), ("event", str), ("seats", int), ("buyers", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--tls", action="store_true")
    uvloop.run(main(parser.parse_args()))
