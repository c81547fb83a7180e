"""Contended claims over HTTP: a sale at a platform with two web processes, and one process of claimants.

    python -m bench.doors --port … (started by bench.contention)

A claimant holds two to eight seats that others want too, which without Valkey excludes nobody, and books them; a hold
that lost is tried again. Most pay with a card that is declined; the others give back what they have got.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import platform
from bench.buyers import Connection
from bench.claims import PROGRESS_SECONDS, Tally, wish
from tests.support.history import Recorder

PROCESSES = 2
CLAIMANTS = 24  # in each process
SEATS = 100
HOLDS = 8  # of each claimant, all at once
TRIES = 12  # of each hold
POLL_SECONDS = 0.2
SLUG, SCHEMA = "contention", "tenant_contention"
CONTACT = {"email": "buyer@contention.example", "name": "A Buyer"}
ENDS = ("FAILED", "EXPIRED", "CANCELLED")


@dataclass
class Sale:
    """An event on sale at a running platform."""

    database_url: str
    port: int
    tenant_id: uuid.UUID
    event: str


@asynccontextmanager
async def open_sale(folder: Path, port: int) -> AsyncIterator[Sale]:
    """A platform with two web processes and no Valkey."""
    async with platform.running(folder, port, web_processes=2) as box:
        event = await platform.event_on_sale(box, SLUG, SEATS)
        db = await asyncpg.connect(box.database_url)
        tenant_id = await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", SLUG)
        await db.close()
        await asyncio.to_thread(box.servers.valkey.stop)
        yield Sale(box.database_url, port, tenant_id, event)


async def contend(sale: Sale, count: int, files: Sequence[Path]) -> Tally:
    """Let processes of claimants claim `count` times together, each writing a history."""
    began = time.monotonic()
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.doors", "--port", str(sale.port), "--event", sale.event,
            "--claims", str(-(-count // len(files))), "--file", str(file), stdout=asyncio.subprocess.PIPE,
        )
        for file in files
    ]  # fmt: skip
    told = [json.loads((await process.communicate())[0]) for process in processes]
    tally = Tally(seconds=time.monotonic() - began)
    for each in told:
        tally.won, tally.refused = tally.won + each["won"], tally.refused + each["refused"]
        for name, times in each["other"].items():
            tally.other[name] = tally.other.get(name, 0) + times
    return tally


class Claimant:
    """One buyer after the other on one connection."""

    def __init__(self, arguments: argparse.Namespace, tally: Tally, recorder: Recorder) -> None:
        self._connection = Connection(arguments.port, f"{SLUG}.localhost:{arguments.port}")
        self._event = arguments.event
        self._tally = tally
        self._recorder = recorder
        self._guest = ""

    async def claim(self, left: Iterator[int]) -> None:
        """Book one of several holds after the other; each is tried again some times, and replaced when it is used."""
        holds: deque[tuple[str, list[int], int]] = deque()
        for _ in left:
            while len(holds) < HOLDS:
                seats = wish(SEATS)
                if held := await self._hold(seats):
                    holds.append((held, seats, TRIES))
                elif holds:
                    break
            held, seats, tries = holds.popleft()
            booking = await self._book(held, seats)
            if booking:
                await self._end(booking)
            elif tries > 1:
                holds.append((held, seats, tries - 1))
        self._connection.close()

    def _count(self, what: str) -> None:
        self._tally.other[what] = self._tally.other.get(what, 0) + 1

    async def _hold(self, seats: list[int]) -> str:
        status, answer = await self._connection.call(
            "POST", f"/api/events/{self._event}/holds", json.dumps({"seats": seats}).encode(), self._guest
        )
        self._count(f"hold {status}")
        if status != 201:
            return ""
        held = json.loads(answer)
        if not self._guest:
            self._guest = f"Guest-Token: {held['guest_token']}\r\n"
        return str(held["token"])

    async def _book(self, held: str, seats: list[int]) -> str:
        """Claim; the booking's id, or nothing."""
        method = "pm_card_visa" if random.random() < 0.25 else "pm_card_chargeDeclined"
        body = json.dumps({"hold_token": held, "payment_method": method, "contact": CONTACT}).encode()
        op = self._recorder.invoke("claim", self._event, seats=seats)
        status, answer = await self._connection.call(
            "POST", "/api/bookings", body, f"{self._guest}Idempotency-Key: {uuid.uuid4()}\r\n"
        )
        told = json.loads(answer)
        if status == 202:
            self._tally.won += 1
            self._recorder.ok(op, booking=told["id"])
            return str(told["id"])
        if status == 409 and told["code"] == "seat_unavailable":
            self._tally.refused += 1
            self._recorder.fail(op)
        else:
            self._count(f"claim {status} {told['code']}")
            if status < 500:
                self._recorder.fail(op)
            else:
                self._recorder.info(op)
        return ""

    async def _end(self, booking: str) -> None:
        """Look until the booking has ended; give back what was paid for."""
        path = f"/api/bookings/{booking}"
        while True:
            op = self._recorder.invoke("look", self._event, booking=booking)
            status, answer = await self._connection.call("GET", path, headers=self._guest)
            if status != 200:
                self._recorder.info(op)
                self._count(f"look {status}")
            else:
                shown = json.loads(answer)
                lines = {str(line["seat_no"]): line["state"] for line in shown["seats"]}
                self._recorder.ok(op, steps=[step["to"] for step in shown["history"]], lines=lines)
                if shown["status"] in ENDS:
                    return
                if shown["status"] == "CONFIRMED":
                    status, _ = await self._connection.call(
                        "POST", f"{path}/cancellation", b"{}", f"{self._guest}Idempotency-Key: {uuid.uuid4()}\r\n"
                    )
                    self._count(f"cancellation {status}")
            await asyncio.sleep(POLL_SECONDS)


async def _progress(tally: Tally, count: int) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        done = tally.won + tally.refused
        print(f"    {done} of {count} claims, {tally.won} won", file=sys.stderr, flush=True)


async def main(arguments: argparse.Namespace) -> None:
    tally, left = Tally(), iter(range(arguments.claims))
    with Recorder(arguments.file) as recorder:
        progress = asyncio.create_task(_progress(tally, arguments.claims))
        async with asyncio.TaskGroup() as claimants:
            for _ in range(CLAIMANTS):
                claimants.create_task(Claimant(arguments, tally, recorder).claim(left))
        progress.cancel()
    print(json.dumps({"won": tally.won, "refused": tally.refused, "other": tally.other}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (("port", int), ("event", str), ("claims", int), ("file", Path)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    asyncio.run(main(parser.parse_args()))
