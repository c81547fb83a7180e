"""Contended claims through the action: two of what a web process books with, on one hall, and a bank that decides."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from boxoffice.bookings.actions import Bookings, Request, Shown, open_with_inventory
from boxoffice.bookings.executor import Executor
from boxoffice.bookings.giving_back.actions import GivingBack
from boxoffice.bookings.inventory.holding import SeatsTaken
from boxoffice.bookings.inventory.holds import HeldSeat, Hold, Holds
from boxoffice.bookings.saga import State
from boxoffice.bookings.store import load
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate, valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Conflict, Unavailable
from boxoffice.kernel.idempotency import Wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Tenant
from boxoffice.messages import Category, PaymentCompleted, PaymentFailed, PaymentRefunded, Sale, Seat
from boxoffice.seating.parse import parse
from tests.support.history import Recorder
from tests.support.tenancy import tenant_factory
from tests.support.traffic import deliver

SEATS = 300
CLAIMANTS = 192
PRICE_MINOR = 4_500
SOLD_AT_ONCE = 6  # bookings that are kept for a while before they are given back
GRACE = timedelta(seconds=120)
PROGRESS_SECONDS = 5.0
PLAN = {
    "format": "seatplan/1", "name": "Hall", "categories": [{"key": "a", "name": "A"}],
    "zones": [{"kind": "seats", "key": "H", "rows": [{"label": "1", "numbers": f"1..{SEATS}", "category": "a"}]}],
}  # fmt: skip


@dataclass
class Tally:
    """What became of the claims, over so many seconds; `other` is whatever else was asked or went wrong."""

    won: int = 0
    refused: int = 0
    seconds: float = 0.0
    other: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return (self.won + self.refused) / self.seconds


def wish(seats: int) -> list[int]:
    """Two to eight seats side by side."""
    many = random.randint(2, 8)
    first = random.randrange(seats - many + 1)
    return list(range(first, first + many))


@dataclass
class Hall:
    """One event of one tenant; `lanes` are the actions of two web processes, each with batches of its own."""

    database: Database
    database_url: str
    tenant: Tenant
    event_id: UUID
    described: Sequence[Seat]
    lanes: Sequence[Bookings]
    giving_back: GivingBack
    tally: Tally = field(default_factory=Tally)

    async def contend(self, count: int, file: Path) -> Tally:
        """Let claimants claim `count` times, and write down what they were told."""
        began, left = time.monotonic(), iter(range(count))
        won: asyncio.Queue[Shown | None] = asyncio.Queue()
        with Recorder(file) as recorder:
            async with asyncio.TaskGroup() as others:
                progress = others.create_task(self._progress(count, began))
                others.create_task(self._bank(won, recorder))
                async with asyncio.TaskGroup() as claimants:
                    for number in range(CLAIMANTS):
                        claimants.create_task(self._claim(self.lanes[number % len(self.lanes)], left, won, recorder))
                self.tally.seconds = time.monotonic() - began
                progress.cancel()
                won.put_nowait(None)
        return self.tally

    async def _claim(
        self, lane: Bookings, left: Iterator[int], won: asyncio.Queue[Shown | None], recorder: Recorder
    ) -> None:
        for _ in left:
            seats = wish(SEATS)
            op = recorder.invoke("claim", str(self.event_id), seats=seats)
            try:
                shown = await lane.request(self.tenant, self._request(seats))
            except (SeatsTaken, Conflict):
                recorder.fail(op)
                self.tally.refused += 1
            except Unavailable as fault:
                recorder.info(op)
                self._count(fault)
            else:
                recorder.ok(op, booking=str(shown.booking.id))
                self.tally.won += 1
                won.put_nowait(shown)

    def _request(self, seats: list[int]) -> Request:
        """A wish that rests on a hold which excludes nobody, as holds without Valkey do."""
        now = datetime.now(UTC)
        held = Hold(
            id=uuid7(), revision=1, tenant_id=self.tenant.id, owner=f"guest:{uuid7()}", event_id=self.event_id,
            seats=tuple(HeldSeat(seat_no, PRICE_MINOR) for seat_no in seats), currency="EUR", first_at=now,
            expires_at=now + timedelta(seconds=600), exclusive=False,
        )  # fmt: skip
        wanted = Wanted(f"{held.owner} POST /api/bookings", str(held.id), held.id.bytes)
        described = [self.described[seat_no] for seat_no in seats]
        return Request(held, described, "pm_card_visa", "ada@example.org", "Ada", wanted)

    # ── the bank ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def _bank(self, won: asyncio.Queue[Shown | None], recorder: Recorder) -> None:
        """Decline most bookings and confirm some, many at a time; what is confirmed is given back after a while."""
        sold: list[Shown] = []
        open_ = True
        while open_:
            batch = [await won.get()]
            while not won.empty():
                batch.append(won.get_nowait())
            open_ = batch[-1] is not None
            shown = [each for each in batch if each is not None]
            paid = [each for place, each in enumerate(shown) if place % 4 == 0]
            declined = [each for place, each in enumerate(shown) if place % 4]
            await self._insist(self._decline, declined)
            await self._insist(self._confirm, paid)
            sold += paid
            returned, sold = (sold[:-SOLD_AT_ONCE], sold[-SOLD_AT_ONCE:]) if open_ else ([], sold)
            await self._insist(self._return, returned)
            await self._look([*declined, *paid, *returned], recorder)

    async def _insist(self, act: Callable[[Sequence[Shown]], Awaitable[None]], shown: Sequence[Shown]) -> None:
        """Tell until it is heard, as a bus does: a machine that is busy may let a transaction's time run out."""
        unheard = bool(shown)
        while unheard:
            try:
                await act(shown)
                unheard = False
            except Unavailable as fault:
                self._count(fault)

    def _count(self, fault: Unavailable) -> None:
        self.tally.other[fault.code] = self.tally.other.get(fault.code, 0) + 1

    async def _decline(self, shown: Sequence[Shown]) -> None:
        failed = [
            PaymentFailed(booking_id=each.booking.id, attempt=1, retryable=False, reason="declined") for each in shown
        ]
        await deliver(self.database, self.tenant, self.lanes[0].heard, *failed)

    async def _confirm(self, shown: Sequence[Shown]) -> None:
        completed = [
            PaymentCompleted(
                booking_id=each.booking.id, attempt=1, amount_minor=each.booking.total_minor, currency="EUR"
            )
            for each in shown
        ]
        await deliver(self.database, self.tenant, self.lanes[0].captured, *completed)

    async def _return(self, shown: Sequence[Shown]) -> None:
        """Give back what was confirmed; its seats are free when the money is."""
        ids = [each.booking.id for each in shown]
        async with self.database.transaction(self.tenant) as tx:
            for booking in (await load(tx, ids)).values():
                if booking.saga.state is State.CONFIRMED:  # and not given back by a transaction that we took for lost
                    await self.giving_back.cancel(tx, booking.owner, booking.id, None)
            bookings = (await load(tx, ids)).values()
        await deliver(self.database, self.tenant, self.lanes[0].heard, *(
            PaymentRefunded(
                booking_id=booking.id, refund_id=refund.id, attempt=1, amount_minor=refund.amount_minor,
                currency="EUR",
            )
            for booking in bookings for refund in booking.saga.refunds
        ))  # fmt: skip

    async def _look(self, shown: Sequence[Shown], recorder: Recorder) -> None:
        async def look(each: Shown) -> None:
            id = each.booking.id
            op = recorder.invoke("look", str(self.event_id), booking=str(id))
            try:
                now = await self.lanes[0].show(self.tenant, (each.booking.owner, id))
            except Unavailable as fault:
                recorder.info(op)
                self._count(fault)
                return
            lines = {str(line.seat_no): line.state for line in now.booking.lines}
            recorder.ok(op, steps=[step.to_state for _, step in now.history], lines=lines)

        await asyncio.gather(*(look(each) for each in shown))

    async def _progress(self, count: int, began: float) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            done = self.tally.won + self.tally.refused
            rate = done / (time.monotonic() - began)
            print(f"    {done} of {count} claims, {self.tally.won} won, {rate:.0f}/s", file=sys.stderr, flush=True)


@asynccontextmanager
async def hall(folder: Path) -> AsyncIterator[Hall]:
    """A hall on sale, on fresh servers."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(EmbeddedServers(folder / "data"))
        logins = await asyncio.to_thread(migrate.bootstrap, servers.database_url, folder / "secrets")
        await asyncio.to_thread(migrate.upgrade, logins.migrator)
        database = await Database.connect(logins.worker, platform_role=Roles("boxoffice").platform)
        stack.push_async_callback(database.close)
        client = valkey.connect(servers.valkey_url)
        stack.push_async_callback(client.aclose)
        tenant = await tenant_factory(database, logins)()
        event_id, plan = uuid7(), parse(PLAN)
        async with database.transaction(tenant) as tx:
            await open_with_inventory(tx, sale(event_id, plan.hash), plan.document, plan.seats)
        keyring = Keyring(folder / "keys")
        peers = Peers("bookings", apps={}, keyring=keyring, domain="localhost")
        lanes = [Bookings(database, peers, Holds(client), Executor(GRACE), 180) for _ in range(2)]
        described = [
            Seat(seat_no=place.seat_no, label=place.label, category=place.category, price_minor=PRICE_MINOR)
            for place in (plan.describe(seat_no) for seat_no in range(SEATS))
        ]
        yield Hall(database, servers.database_url, tenant, event_id, described, lanes, GivingBack(Executor(GRACE)))


def sale(event_id: UUID, plan_hash: str) -> Sale:
    now = datetime.now(UTC)
    return Sale(
        event_id=event_id, name="Rush", venue="Hall", time_zone="Europe/Berlin", starts_at=now + timedelta(days=30),
        currency="EUR", categories=[Category(key="a", name="A", color="#0072B2", price_minor=PRICE_MINOR)],
        opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=29), max_seats_per_booking=10,
        plan_hash=plan_hash,
    )  # fmt: skip
