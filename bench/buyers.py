"""One process of lean buyers: each holds two seats, books, and asks until the booking is CONFIRMED.

A buyer speaks HTTP/1.1 over one connection with as little work as will do, so that the cores are left to the servers.
Prints one JSON line: how many were confirmed, how often a seat was lost to another, and the times from the hold's
request to CONFIRMED.
"""

import argparse
import asyncio
import json
import random
import time
import uuid

POLL_SECONDS = 0.1  # doubling, at most MOST_SECONDS: as a page would
MOST_SECONDS = 0.4


class Connection:
    """One keep-alive connection to one host name."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{kind}Content-Length: {len(body)}\r\n{headers}\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        length = 0
        for line in answer.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


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
        wish = json.dumps({"seats": [first, first + 1]}).encode()
        status, answer = await connection.call("POST", f"/api/events/{event}/holds", wish)
        if status == 201:
            break
        if status != 409:
            tally.fail(f"hold {status}")
            return False
        tally.lost += 1
    held = json.loads(answer)
    guest = f"Guest-Token: {held['guest_token']}\r\n"
    wish = json.dumps({
        "hold_token": held["token"], "payment_method": "pm_card_visa",
        "contact": {"email": "buyer@rush.example", "name": "A Buyer"},
    }).encode()  # fmt: skip
    key = f"Idempotency-Key: {uuid.uuid4()}\r\n"
    status, answer = await connection.call("POST", "/api/bookings", wish, guest + key)
    if status != 202:
        tally.fail(f"book {status}")
        return False
    booking = json.loads(answer)
    pause = POLL_SECONDS
    while booking["status"] == "PENDING_PAYMENT":
        await asyncio.sleep(pause)
        pause = min(2 * pause, MOST_SECONDS)
        status, answer = await connection.call("GET", f"/api/bookings/{booking['id']}", headers=guest)
        if status != 200:
            tally.fail(f"show {status}")
            return False
        booking = json.loads(answer)
    if booking["status"] != "CONFIRMED":
        tally.fail(booking["status"])
        return False
    tally.times.append(time.perf_counter() - began)
    return True


async def buyer(arguments: argparse.Namespace, until: float, tally: Tally) -> None:
    connection = Connection(arguments.port, arguments.host)
    while time.perf_counter() < until and await buy(connection, arguments.event, arguments.seats, tally):
        pass
    connection.close()


async def main(arguments: argparse.Namespace) -> None:
    tally = Tally()
    until = time.perf_counter() + arguments.seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.buyers):
            group.create_task(buyer(arguments, until, tally))
    print(json.dumps({"times": tally.times, "lost": tally.lost, "failed": tally.failed}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("host", str), ("event", str), ("seats", int), ("buyers", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asyncio.run(main(parser.parse_args()))
