"""A standing area against a model that is one number: never more places than there are, never fewer than are free."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from redis.asyncio import Redis

from boxoffice.bookings.inventory.holding import Area
from boxoffice.bookings.inventory.holds import Hold, Holds
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.tenancy import Tenant
from tests.bookings.conftest import BUYER, open_office
from tests.support import machines
from tests.support.machines import Machine, awaited, outcome

PIT = range(20, 40)
PRICE = 2_500
CLAIMED = "SELECT seat_no FROM seat_inventory WHERE event_id = $1 AND status <> 'AVAILABLE' ORDER BY seat_no"
quantities = st.integers(1, 8)
which = st.integers(0, 20)


class Pit(Machine):
    """Buyers of places in a pit for twenty."""

    def __init__(self, database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring, *args: Any) -> None:
        super().__init__(*args)
        self.in_valkey = Holds(valkey)
        self.office = self.wait(open_office(database, tenant, valkey, keyring))
        self.held: list[Hold] = []
        self.booked: list[tuple[UUID, list[int]]] = []

    @property
    def free(self) -> int:
        return len(PIT) - sum(len(hold.seats) for hold in self.held) - sum(len(seats) for _, seats in self.booked)

    def _want(self, quantity: int) -> Awaitable[Hold | Conflict]:
        wish = [Area(zone="Pit", quantity=quantity)]
        return outcome(self.office.holding.take(self.office.tenant, BUYER, self.office.event_id, wish), Conflict)

    @rule(wanted=st.lists(quantities, min_size=1, max_size=4))
    @awaited
    async def want(self, wanted: list[int]) -> None:
        """One buyer, or some in the same moment: whoever could still be served is."""
        free = self.free

        answers = await asyncio.gather(*(self._want(quantity) for quantity in wanted))

        self.held += [answer for answer in answers if isinstance(answer, Hold)]
        refused = [quantity for quantity, answer in zip(wanted, answers, strict=True) if isinstance(answer, Conflict)]
        assert {answer.code for answer in answers if isinstance(answer, Conflict)} <= {"sold_out"}
        assert self.free >= 0
        assert all(quantity > self.free for quantity in refused)
        assert not refused or sum(wanted) > free

    @rule(number=which)
    @awaited
    async def let_go(self, number: int) -> None:
        if self.held:
            await self.office.holding.release(self.office.tenant, self.held.pop(number % len(self.held)))

    @rule(number=which, paid=st.booleans())
    @awaited
    async def book(self, number: int, paid: bool) -> None:
        if self.held:
            hold = self.held.pop(number % len(self.held))
            booking_id = (await self.office.book(hold)).booking.id
            if paid:
                await self.office.paid(booking_id, amount_minor=PRICE * len(hold.seats))
            self.booked.append((booking_id, hold.seat_nos))

    @rule(number=which)
    @awaited
    async def give_up(self, number: int) -> None:
        """What is paid is given back and refunded, what is not is declined."""
        if self.booked:
            booking_id, _ = self.booked.pop(number % len(self.booked))
            if await self.office.status(booking_id) == "CONFIRMED":
                await self.office.give_back(booking_id)
                await self.office.refunded(booking_id)
            else:
                await self.office.declined(booking_id)

    @invariant()
    @awaited
    async def no_place_is_two_peoples(self) -> None:
        async with self.office.database.transaction(self.office.tenant) as tx:
            claimed = [row["seat_no"] for row in await tx.db.fetch(CLAIMED, self.office.event_id)]
        held = await self.in_valkey.held(self.office.tenant.id, self.office.event_id)

        assert claimed == sorted(seat_no for _, seats in self.booked for seat_no in seats)
        assert sorted(held) == sorted(seat_no for hold in self.held for seat_no in hold.seat_nos)
        assert len({*claimed, *held}) == len(claimed) + len(held) == len(PIT) - self.free


@pytest.mark.prove
async def test_an_area_has_the_places_the_model_says(
    database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring
) -> None:
    await machines.run(partial(Pit, database, tenant, valkey, keyring), examples=30, steps=25)
