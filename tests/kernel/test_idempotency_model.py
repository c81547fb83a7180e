"""Idempotency keys against a model: a few keys, three transactions at once, whatever order they come and end in."""

from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from boxoffice.kernel import idempotency
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.idempotency import Done, InFlight, New, Outcome, Replay, Reused, Wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from tests.support import machines
from tests.support.machines import Machine, awaited

KEYS = ("k1", "k2", "k3")
EXPIRE = "UPDATE platform.idempotency SET expires_at = now() - interval '1 second' WHERE scope = $1"
which = st.integers(0, 2)
batches = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["one body", "another"])), min_size=1, max_size=3)


class Undone(Exception):
    """The work failed."""


@dataclass
class Open:
    """A transaction under way: the keys it keeps to itself, and what it has recorded."""

    door: AbstractAsyncContextManager[Tx]
    tx: Tx
    locks: set[str] = field(default_factory=set)
    new: list[Wanted] = field(default_factory=list)
    recorded: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    asked: bool = False


class Keys(Machine):
    """Three workers on one tenant, and the rows that should be there."""

    def __init__(self, database: Database, tenant: Tenant, *args: Any) -> None:
        super().__init__(*args)
        self.database, self.tenant = database, tenant
        self.scope = f"user:{uuid7()} POST /api/bookings"
        self.kept: dict[str, tuple[bytes, str]] = {}
        self.open: list[Open] = []

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    @awaited
    async def begin(self) -> None:
        door = self.database.transaction(self.tenant)
        self.open.append(Open(door, await door.__aenter__()))

    @precondition(lambda self: any(not run.asked for run in self.open))
    @rule(number=which, batch=batches)
    @awaited
    async def claim(self, number: int, batch: list[tuple[str, str]]) -> None:
        able = [run for run in self.open if not run.asked]
        run = able[number % len(able)]
        wanted = [Wanted(self.scope, key, body.encode()) for key, body in batch]
        expected = self._expected(run, wanted)

        outcomes = await idempotency.claim(run.tx, wanted)

        assert outcomes == expected
        run.asked = True
        run.new = [request for request, outcome in zip(wanted, outcomes, strict=True) if outcome == New()]

    def _expected(self, run: Open, wanted: list[Wanted]) -> list[Outcome]:
        elsewhere = set[str]().union(*(other.locks for other in self.open if other is not run))
        run.locks |= {request.key for request in wanted} - elsewhere
        outcomes: list[Outcome] = []
        running: set[str] = set()
        for request in wanted:
            if request.key in self.kept:
                body, resource = self.kept[request.key]
                outcomes.append(Replay(202, resource) if body == request.fingerprint else Reused())
            elif request.key in elsewhere or request.key in running:
                outcomes.append(InFlight())
            else:
                running.add(request.key)
                outcomes.append(New())
        return outcomes

    @precondition(lambda self: any(run.new for run in self.open))
    @rule(number=which)
    @awaited
    async def record(self, number: int) -> None:
        able = [run for run in self.open if run.new]
        run = able[number % len(able)]
        done = [Done(request, 202, f"booking-{uuid7()}") for request in run.new]
        await idempotency.record(run.tx, done)
        run.recorded = {each.wanted.key: (each.wanted.fingerprint, each.resource) for each in done}
        run.new = []

    @precondition(lambda self: self.open)
    @rule(number=which, commits=st.booleans())
    @awaited
    async def end(self, number: int, commits: bool) -> None:
        run = self.open.pop(number % len(self.open))
        if commits:
            await run.door.__aexit__(None, None, None)
            self.kept |= run.recorded
        else:
            await self._undo(run)

    @precondition(lambda self: not any(run.recorded for run in self.open))
    @rule()
    @awaited
    async def a_day_passes(self) -> None:
        async with self.database.transaction(self.tenant) as tx:
            await tx.db.execute(EXPIRE, self.scope)
        self.kept.clear()

    @precondition(lambda self: not any(run.recorded for run in self.open))
    @rule()
    @awaited
    async def sweep(self) -> None:
        async with self.database.system() as db:
            await idempotency.sweep(db)

    @awaited
    async def _close(self) -> None:
        for run in self.open:
            await self._undo(run)

    async def _undo(self, run: Open) -> None:
        with suppress(Undone):
            await run.door.__aexit__(Undone, Undone(), None)

    def teardown(self) -> None:
        self._close()


@pytest.mark.prove
async def test_keys_do_what_the_model_says(database: Database, tenant: Tenant) -> None:
    await machines.run(partial(Keys, database, tenant), examples=60, steps=40)
