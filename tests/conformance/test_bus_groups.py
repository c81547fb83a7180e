"""A group of readers against a model, over the port alone: whatever members do, nothing is lost or out of order.

The model knows what was published under each key, how far the group has committed, and who read what under which
generation. Who gets which partition, and when, is a matter of time: no step that is drawn may depend on it. An adapter
joins by an entry in ADAPTERS.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus, Fenced, Member, Portion
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from tests.support import machines
from tests.support.machines import Machine, awaited
from tests.support.messaging import fresh_topic, publish, read

ADAPTERS: dict[str, Callable[[Database], Bus]] = {
    "pglog": lambda database: PgLog(database, lease_seconds=0.4, poll_seconds=0.01),
}
KEYS = ("a", "b", "c", "d")
MEMBERS = 3
which = st.integers(0, MEMBERS - 1)


class Place(NamedTuple):
    """A lease on a partition, as one member has it."""

    part: int
    generation: int


class Reader(msgspec.Struct, eq=False):
    """A member in a process of its own, and what it has in its hands."""

    bus: Bus
    member: Member
    stop: asyncio.Event
    running: asyncio.Task[None]
    in_hand: list[Portion] = []
    positions: dict[Place, int] = {}


class Group(Machine):
    """Up to three members of one group."""

    def __init__(self, open_bus: Callable[[], Bus], database: Database, tenant: Tenant, *args: Any) -> None:
        super().__init__(*args)
        self.open_bus, self.database, self.tenant = open_bus, database, tenant
        self.topic, self.name = fresh_topic(), fresh_topic()
        self.bus = open_bus()
        self.wait(self.bus.declare([self.topic]))
        self.readers: list[Reader] = []
        self.published = dict.fromkeys(KEYS, 0)
        self.committed: dict[int, int] = {}
        self.newest: dict[int, int] = {}  # the newest generation seen of a partition
        self.sought: dict[int, int] = {}  # the generation that a seek has ended
        self.joined = 0
        self.log: dict[tuple[int, int], str] = {}  # what was read at each offset

    # ── what happens ───────────────────────────────────────────────────────────────────────────────────────────────
    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 4))
    @awaited
    async def publish(self, key: str, count: int) -> None:
        first = self.published[key]
        self.published[key] += count
        texts = [f"{key}{number}" for number in range(first, first + count)]
        await publish(self.database, self.tenant, self.topic, texts, key=key)
        while await self.bus.relay(100):
            pass

    @precondition(lambda self: len(self.readers) < MEMBERS)
    @rule()
    @awaited
    async def join(self) -> None:
        await self._join()

    @precondition(lambda self: self.readers)
    @rule(number=which, limit=st.sampled_from([1, 3, 100]))
    @awaited
    async def poll(self, number: int, limit: int) -> None:
        reader = self.readers[number % len(self.readers)]
        await self._poll(reader, limit)

    @precondition(lambda self: self.readers)
    @rule(number=which)
    @awaited
    async def commit(self, number: int) -> None:
        reader = self.readers[number % len(self.readers)]
        await self._commit(reader)

    @precondition(lambda self: self.readers)
    @rule(number=which)
    @awaited
    async def leave(self, number: int) -> None:
        reader = self.readers.pop(number % len(self.readers))
        await reader.member.close()
        await self._halt(reader)

    @precondition(lambda self: self.readers)
    @rule(number=which)
    @awaited
    async def be_halted_for_longer_than_the_lease(self, number: int) -> None:
        """A member stops with work in its hands, another takes all of it over, and the first wakes up and commits."""
        zombie = self.readers[number % len(self.readers)]
        others = [reader for reader in self.readers if reader is not zombie] or [await self._join()]
        if not zombie.in_hand:
            return
        await self._halt(zombie)
        mine = {Place(portion.part, portion.generation) for portion in zombie.in_hand}
        async with asyncio.timeout(20):
            while any(self.newest[place.part] == place.generation for place in mine):
                for reader in others:
                    await self._poll(reader, 100)
        zombie.running = asyncio.create_task(zombie.bus.run(zombie.stop))
        with pytest.raises(Fenced) as fenced:
            await zombie.member.commit(zombie.in_hand)
        assert fenced.value.partitions == {(self.topic, place.part) for place in mine}
        zombie.in_hand = []

    @rule(number=st.integers(0, 1_000))
    @awaited
    async def seek(self, number: int) -> None:
        """Read a partition again from an offset; what its reader has in its hands is not its own any more."""
        if not self.log:
            return
        part, offset = sorted(self.log)[number % len(self.log)]
        await self.bus.seek(self.name, self.topic, part, offset)
        self.committed[part], self.sought[part] = offset, self.newest[part]
        for reader in self.readers:
            stale = [portion for portion in reader.in_hand if portion.part == part]
            reader.in_hand = [portion for portion in reader.in_hand if portion.part != part]
            if stale:
                with pytest.raises(Fenced):
                    await reader.member.commit(stale)

    # ── how it happens ─────────────────────────────────────────────────────────────────────────────────────────────
    async def _join(self) -> Reader:
        self.joined += 1
        bus, stop = self.open_bus(), asyncio.Event()
        member = await bus.join(self.name, [self.topic])
        reader = Reader(bus, member, stop, asyncio.create_task(bus.run(stop)))
        self.readers.append(reader)
        return reader

    async def _poll(self, reader: Reader, limit: int) -> None:
        for portion in await reader.member.poll(limit):
            place = Place(portion.part, portion.generation)
            first = portion.next_offset - len(portion.messages)
            expected = reader.positions.get(place, self.committed.get(portion.part, 0))
            assert first == expected, "a new owner begins where the group committed, and goes on without a gap"
            reader.positions[place] = portion.next_offset
            self.newest[portion.part] = max(self.newest.get(portion.part, 0), portion.generation)
            for offset, message in enumerate(portion.messages, first):
                text = message.value.decode()
                assert self.log.setdefault((portion.part, offset), text) == text
            reader.in_hand = [p for p in reader.in_hand if p.part != portion.part or p.generation == portion.generation]
            reader.in_hand.append(portion)

    async def _commit(self, reader: Reader) -> None:
        wanted, reader.in_hand = reader.in_hand, []
        fenced = frozenset[tuple[str, int]]()
        if not wanted:
            return
        try:
            await reader.member.commit(wanted)
        except Fenced as refusal:
            fenced = refusal.partitions
            assert self.joined > 1 or self.sought, "nobody else was there to take it over"
        for portion in wanted:
            if (self.topic, portion.part) not in fenced:
                assert portion.generation == self.newest[portion.part] > self.sought.get(portion.part, 0)
                self.committed[portion.part] = portion.next_offset

    async def _halt(self, reader: Reader) -> None:
        reader.running.cancel()
        await asyncio.gather(reader.running, return_exceptions=True)

    @awaited
    async def _end(self) -> None:
        for reader in self.readers:
            await reader.member.close()
            await self._halt(reader)
        await self._nothing_is_lost()

    def teardown(self) -> None:
        self._end()

    async def _nothing_is_lost(self) -> None:
        """A group that reads all of it finds each key's messages in order, and offsets without a gap."""
        member = await self.bus.join(fresh_topic(), [self.topic])
        portions = await read(member, sum(self.published.values()))
        await member.close()
        everything: dict[int, list[str]] = {}
        for portion in portions:
            there = everything.setdefault(portion.part, [])
            assert portion.next_offset - len(portion.messages) == len(there), "offsets are dense"
            there += [message.value.decode() for message in portion.messages]

        for key, count in self.published.items():
            of_key = [text for texts in everything.values() for text in texts if text.startswith(key)]
            assert of_key == [f"{key}{number}" for number in range(count)]
        assert all(everything[part][offset] == text for (part, offset), text in self.log.items())


@pytest.mark.prove
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
async def test_a_group_does_what_the_model_says(adapter: str, database: Database, tenant: Tenant) -> None:
    await machines.run(partial(Group, partial(ADAPTERS[adapter], database), database, tenant), examples=12, steps=25)
