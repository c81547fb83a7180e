"""Seats against a model: soft holds in Valkey, claims in PostgreSQL, and Valkey forgetting everything in between."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from redis.asyncio import Redis

from boxoffice.bookings.actions import Shown
from boxoffice.bookings.decide import TimerDue
from boxoffice.bookings.executor import Executor
from boxoffice.bookings.inventory.holding import SeatsTaken
from boxoffice.bookings.inventory.holds import Hold, Holds
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.tenancy import Tenant
from tests.bookings.conftest import BUYER, GRACE, OTHER, open_office
from tests.support import machines
from tests.support.machines import Machine, awaited, outcome

PRICE = 4_500
ROWS = "SELECT seat_no, status, booking_id FROM seat_inventory WHERE event_id = $1 AND status <> 'AVAILABLE'"
owners = st.sampled_from([BUYER, OTHER])
some_seats = st.lists(st.integers(0, 4), min_size=1, max_size=2, unique=True).map(sorted)
which = st.integers(0, 20)


class Held(msgspec.Struct):
    """A hold: what its owner was given at each revision, and what Valkey knows of it."""

    owner: str
    tokens: list[Hold]
    state: str = "live"  # or lapsed, released, consumed, forgotten


class Booked(msgspec.Struct):
    """A booking, as far as its seats are concerned: PENDING, SOLD, REFUNDING, ENDED (may be paid late) or OVER."""

    id: UUID
    seats: list[int]
    state: str = "PENDING"


class Seats(Machine):
    """Two buyers after the same five seats, and who should have which."""

    def __init__(self, database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring, *args: Any) -> None:
        super().__init__(*args)
        self.valkey, self.in_valkey = valkey, Holds(valkey)
        self.office = self.wait(open_office(database, tenant, valkey, keyring))
        self.holds: list[Held] = []
        self.bookings: dict[UUID, Booked] = {}  # by the hold they were made from
        self.claims: dict[int, Booked] = {}

    def taken(self, seats: list[int], by_others_than: Held | None = None) -> list[int]:
        """Which of these seats a buyer is told to be taken: claims are looked at first, then holds."""
        others = [held for held in self.holds if held is not by_others_than and held.state == "live"]
        held_by_others = {seat_no for held in others for seat_no in held.tokens[-1].seat_nos}
        return sorted(self.claims.keys() & set(seats)) or sorted(held_by_others & set(seats))

    def free(self, booked: Booked, state: str) -> None:
        booked.state = state
        self.claims = {seat_no: by for seat_no, by in self.claims.items() if by is not booked}

    # ── holding ────────────────────────────────────────────────────────────────────────────────────────────────────
    @rule(owner=owners, seats=some_seats)
    @awaited
    async def take(self, owner: str, seats: list[int]) -> None:
        taken = self.taken(seats)
        made = await outcome(self.office.hold(*seats, owner=owner), Refusal)
        if isinstance(made, Hold):
            assert not taken
            self.holds.append(Held(owner, [made]))
        else:
            assert taken
            assert (made.code, made.members["seats"]) == ("seat_unavailable", taken)

    @precondition(lambda self: self.holds)
    @rule(number=which, others=st.none() | some_seats)
    @awaited
    async def change(self, number: int, others: list[int] | None) -> None:
        """A hold gets other seats, or more time for those it has."""
        held = self.holds[number % len(self.holds)]
        holding, tenant, last = self.office.holding, self.office.tenant, held.tokens[-1]
        seats = last.seat_nos if others is None else others
        change = (
            holding.extend(tenant, held.owner, last.id)
            if others is None
            else holding.replace(tenant, held.owner, last.id, others)
        )
        taken = self.taken(seats, held)
        made = await outcome(change, Refusal)
        if isinstance(made, Hold):
            assert (held.state, taken, made.seat_nos) == ("live", [], seats)
            held.tokens.append(made)
        elif held.state == "live":
            assert taken
            assert (made.code, made.members["seats"]) == ("seat_unavailable", taken)
        else:
            assert made.code == ("hold_consumed" if held.tokens[-1].id in self.bookings else "hold_gone")

    @precondition(lambda self: any(held.state == "live" for held in self.holds))
    @rule(number=which, lapses=st.booleans())
    @awaited
    async def let_go(self, number: int, lapses: bool) -> None:
        """A hold is released, or its time is over."""
        live = [held for held in self.holds if held.state == "live"]
        held = live[number % len(live)]
        if not lapses:
            await self.office.holding.release(self.office.tenant, held.tokens[-1])
            held.state = "released"
            return
        last = held.tokens[-1]
        over = datetime.now(UTC) - timedelta(milliseconds=5)
        ended = msgspec.structs.replace(last, revision=last.revision + 1, expires_at=over)
        assert await self.in_valkey.put([(ended, last.revision, [])]) == [[]]
        held.tokens.append(ended)
        held.state = "lapsed"

    @precondition(lambda self: any(held.state == "live" for held in self.holds))
    @rule()
    @awaited
    async def valkey_forgets(self) -> None:
        async for key in self.valkey.scan_iter(f"{{{self.office.tenant.id}}}:*", count=1_000):
            await self.valkey.delete(key)
        for held in self.holds:
            held.state = "forgotten"

    # ── booking ────────────────────────────────────────────────────────────────────────────────────────────────────
    @precondition(lambda self: self.holds)
    @rule(number=which, revision=which)
    @awaited
    async def book(self, number: int, revision: int) -> None:
        """With the newest token, more often than not."""
        held = self.holds[number % len(self.holds)]
        token = held.tokens[-1 - (revision % len(held.tokens) if revision > 15 else 0)]
        refused, taken = self._refused(held, token), sorted(self.claims.keys() & set(token.seat_nos))
        made = await outcome(self.office.book(token), Refusal, SeatsTaken)
        if isinstance(made, Refusal):
            assert made.code == refused
        elif isinstance(made, SeatsTaken):
            assert (refused, made.seat_nos) == (None, taken)
        else:
            assert isinstance(made, Shown)
            assert (refused, taken) == (None, [])
            held.state = "consumed"
            booked = self.bookings[token.id] = Booked(made.booking.id, token.seat_nos)
            self.claims |= dict.fromkeys(token.seat_nos, booked)

    def _refused(self, held: Held, token: Hold) -> str | None:
        if token.expires_at <= datetime.now(UTC) or held.state == "released":
            return "hold_expired"
        if held.state == "consumed":
            return "hold_consumed"
        if held.state in ("live", "lapsed") and token is not held.tokens[-1]:
            return "hold_changed"
        return "hold_consumed" if token.id in self.bookings else None

    @precondition(lambda self: any(booked.state != "OVER" for booked in self.bookings.values()))
    @rule(number=which, how=st.sampled_from(["paid", "declined", "too late"]))
    @awaited
    async def move_on(self, number: int, how: str) -> None:
        """A booking goes the next step of its way: what is awaited is paid or not, what is sold is given back."""
        able = [booked for booked in self.bookings.values() if booked.state != "OVER"]
        booked = able[number % len(able)]
        if booked.state == "PENDING":
            await self._resolve(booked, how)
        elif booked.state == "ENDED":
            await self._pay_late(booked)
        elif booked.state == "SOLD":
            await self.office.give_back(booked.id, owner=(await self.office.booking(booked.id)).owner)
            booked.state = "REFUNDING"
        else:
            await self.office.refunded(booked.id)
            self.free(booked, "OVER")

    async def _resolve(self, booked: Booked, how: str) -> None:
        if how == "paid":
            await self.office.paid(booked.id, amount_minor=PRICE * len(booked.seats))
            booked.state = "SOLD"
            return
        if how == "declined":
            await self.office.declined(booked.id)
        else:
            async with self.office.database.transaction(self.office.tenant) as tx:
                await Executor(GRACE).advance(tx, [(booked.id, TimerDue()), (booked.id, TimerDue())])
        self.free(booked, "ENDED")

    async def _pay_late(self, booked: Booked) -> None:
        """The seats are claimed again, if nobody has claimed one of them."""
        await self.office.paid(booked.id, amount_minor=PRICE * len(booked.seats))
        if self.claims.keys().isdisjoint(booked.seats):
            booked.state = "SOLD"
            self.claims |= dict.fromkeys(booked.seats, booked)
        else:
            booked.state = "REFUNDING"

    # ── what must be so ────────────────────────────────────────────────────────────────────────────────────────────
    @invariant()
    @awaited
    async def every_seat_is_whose_it_should_be(self) -> None:
        async with self.office.database.transaction(self.office.tenant) as tx:
            rows = await tx.db.fetch(ROWS, self.office.event_id)
        held = {seat_no for each in self.holds if each.state == "live" for seat_no in each.tokens[-1].seat_nos}

        assert {row["seat_no"]: (row["status"], row["booking_id"]) for row in rows} == {
            seat_no: ("HELD" if booked.state == "PENDING" else "SOLD", booked.id)
            for seat_no, booked in self.claims.items()
        }
        assert set(await self.in_valkey.held(self.office.tenant.id, self.office.event_id)) == held


@pytest.mark.prove
async def test_seats_are_whose_the_model_says(
    database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring
) -> None:
    await machines.run(partial(Seats, database, tenant, valkey, keyring), examples=60, steps=30)
