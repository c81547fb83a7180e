"""Every fault of every part, felt by a buyer who browses, holds, books, is confirmed and cancels."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.resilience.matrix import LIMIT_SECONDS, MATRIX, VERBS, Cell
from tests.resilience.town import HALT_SECONDS, Town, running_town
from tests.support import invariants
from tests.support.platform import Reply
from tests.support.processes import frozen
from tests.support.proxy import Mode
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove
ENDS_WITHIN = 25.0  # during a fault that lets it end
RECOVERS_WITHIN = 60.0
LASTS = 4.0  # a sound platform does everything several times over meanwhile
BOOKS_OF_THE_SIMULATED_BANK = "the_provider_agrees"


@dataclass
class Place:
    """A tenant and its event, with seats for all groups."""

    slug: str
    event: str
    stripe: bool
    seats: "count[int]" = field(default_factory=count)


@dataclass
class Ticket:
    """One buyer's way: a guest, a seat, its hold and its booking."""

    guest: str
    seat: int
    key: str
    hold_token: str = ""
    booking: str = ""


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    async with running_town() as running:
        yield running


@pytest.fixture(scope="module")
async def places(town: Town) -> dict[bool, Place]:
    made = {}
    for by_stripe in (False, True):
        slug = await (town.stripe_tenant() if by_stripe else town.tenant())
        made[by_stripe] = Place(slug, await town.event(slug, rows=12, seats=10), by_stripe)
    return made


class Visit:
    """One fault, felt by five buyers."""

    def __init__(self, town: Town, place: Place) -> None:
        self._town = town
        self._place = place

    async def prepare(self) -> None:
        self.to_hold, self.to_book, self.to_confirm, self.to_cancel = [await self._ticket() for _ in range(4)]
        for ticket in (self.to_book, self.to_confirm, self.to_cancel):
            held = await self._hold(ticket)
            assert ticket.hold_token, held
        await self._booked(self.to_cancel)
        await self._ended(self.to_cancel, "CONFIRMED")

    async def _ticket(self) -> Ticket:
        seat = next(self._place.seats)
        return Ticket(await self._town.guest(self._place.slug), seat, f"resilience-{seat}")

    async def _hold(self, ticket: Ticket) -> Reply:
        reply = await self._town.hold(self._place.slug, self._place.event, [ticket.seat], guest=ticket.guest)
        if reply.status == 201 and reply.json["exclusive"]:
            ticket.hold_token = reply.json["token"]
        return reply

    async def _book(self, ticket: Ticket) -> Reply:
        reply = await self._town.book(self._place.slug, ticket.hold_token, key=ticket.key, guest=ticket.guest)
        if reply.status == 202:
            ticket.booking = reply.json["id"]
        return reply

    async def _booked(self, ticket: Ticket) -> None:
        booked = await self._book(ticket)
        assert booked.status == 202, booked

    async def _cancel(self) -> Reply:
        path = f"/api/bookings/{self.to_cancel.booking}/cancellation"
        return await self._town.ask(
            "POST", path, slug=self._place.slug, guest=self.to_cancel.guest, key=f"cancel-{self.to_cancel.key}"
        )

    async def _browse(self) -> Reply:
        """The worst of three answers."""
        paths = ("/api/events", f"/api/events/{self._place.event}", f"/api/events/{self._place.event}/availability")
        replies = [await self._town.ask("GET", path, slug=self._place.slug) for path in paths]
        return max(replies, key=lambda reply: reply.status)

    async def _is(self, ticket: Ticket, status: str) -> bool:
        return await self._town.status(self._place.slug, ticket.booking) == status

    async def _ended(self, ticket: Ticket, status: str, within: float = ENDS_WITHIN) -> None:
        await eventually(lambda: self._is(ticket, status), within)

    async def meet(self, part: str, fault: Mode, expected: dict[str, Cell]) -> list[str]:
        """Let the buyers act while the fault lasts, and tell what was not as expected."""
        self.wrong: list[str] = []
        if part == "worker":
            async with self._town.failing(part, fault):
                await self._booked(self.to_confirm)
                await self._act(expected)
        else:
            async with AsyncExitStack() as lasting:
                with frozen(self._town.worker):  # or it would have confirmed the booking before the fault begins
                    await self._booked(self.to_confirm)
                    await lasting.enter_async_context(self._town.failing(part, fault))
                await self._act(expected)
        return self.wrong

    async def _act(self, expected: dict[str, Cell]) -> None:
        began = time.monotonic()
        refusable = ("browse", self._browse()), ("hold", self._hold(self.to_hold)), ("book", self._book(self.to_book))
        for verb, asking in (*refusable, ("cancel", self._cancel())):
            await self._answered(verb, expected[verb], asking)
        ends = (("confirm", self.to_confirm, "CONFIRMED"), ("cancel", self.to_cancel, "CANCELLED"))
        for verb, ticket, status in ends:
            if expected[verb] in (Cell.WORKS, Cell.SLOWER):
                await self._ended(ticket, status)
            if expected[verb] is Cell.SLOWER and time.monotonic() < began + HALT_SECONDS:
                self.wrong.append(f"{verb}: it is {status} too soon")
        await eventually(lambda: time.monotonic() > began + LASTS)
        for verb, ticket, status in ends:
            if expected[verb] is Cell.WAITS and await self._is(ticket, status):
                self.wrong.append(f"{verb}: it is {status} already")

    async def _answered(self, verb: str, expected: Cell, asking: Awaitable[Reply]) -> None:
        began = time.monotonic()
        reply = await asyncio.wait_for(asking, 2 * LIMIT_SECONDS)
        seconds = time.monotonic() - began
        if not _as_expected(verb, expected, reply, seconds):
            self.wrong.append(f"{verb}: not {expected.name} but {reply} after {seconds:.1f} s")

    async def recover(self) -> None:
        """What was refused is asked for again, and everything comes to its end with nobody's help."""
        await eventually(self._everything_works, RECOVERS_WITHIN)
        for ticket in (self.to_confirm, self.to_book, self.to_hold):
            await self._ended(ticket, "CONFIRMED", RECOVERS_WITHIN)
        await self._ended(self.to_cancel, "CANCELLED", RECOVERS_WITHIN)

    async def _everything_works(self) -> bool:
        if (await self._browse()).status != 200:
            return False
        if not self.to_hold.hold_token and (await self._hold(self.to_hold)).status != 201:
            return False
        for ticket in (self.to_book, self.to_hold):
            if not ticket.hold_token or (not ticket.booking and (await self._book(ticket)).status != 202):
                return False
        return (await self._cancel()).status in (202, 409)


def _as_expected(verb: str, expected: Cell, reply: Reply, seconds: float) -> bool:
    succeeded = reply.status in (200, 201, 202) and seconds < LIMIT_SECONDS
    refused = reply.status == 503 and int(reply.headers.get("Retry-After", 0)) > 0 and seconds < LIMIT_SECONDS
    exclusive = verb != "hold" or not succeeded or bool(reply.json["exclusive"])
    match expected:
        case Cell.SHARED:
            return succeeded and not exclusive
        case Cell.REFUSED:
            return refused
        case Cell.EITHER:
            return refused or (succeeded and seconds >= HALT_SECONDS)
        case _:
            return succeeded and exclusive


async def at_rest(town: Town, place: Place) -> None:
    """Nothing is left to happen, and every invariant holds; Stripe's books are not the simulated bank's."""
    url = town.servers.database_url

    left: list[str] = []

    async def nothing_left() -> bool:
        left[:] = await invariants.unfinished(url, place.slug)
        return not left

    try:
        await eventually(nothing_left, RECOVERS_WITHIN)
    except AssertionError:
        raise AssertionError(f"there is still to do: {left}") from None
    found = await invariants.violations(url, place.slug)
    assert [each for each in found if not (place.stripe and each.startswith(BOOKS_OF_THE_SIMULATED_BANK))] == []


@pytest.mark.parametrize(("part", "fault"), MATRIX)
async def test_a_buyer_sees_of_a_fault_what_the_table_says(
    town: Town, places: dict[bool, Place], part: str, fault: Mode
) -> None:
    place = places[part == "provider"]
    visit = Visit(town, place)
    await visit.prepare()

    wrong = await visit.meet(part, fault, dict(zip(VERBS, MATRIX[part, fault], strict=True)))
    await visit.recover()
    await at_rest(town, place)

    assert wrong == []
