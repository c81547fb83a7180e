"""The bus of a process whose messages may move: whichever carries now, opened when it does, closed when they left."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from boxoffice.crossing.carrier import carrier_of
from boxoffice.kernel.bus.port import Bus, Member, Portion
from boxoffice.kernel.database import Database
from boxoffice.kernel.wake import pause
from boxoffice.startup import StartupProblem

FOLLOW_SECONDS = 0.25
log = structlog.get_logger("bus")


@dataclass
class Opened:
    """A bus in use by this process: which of its topics are made, and its loop, once that runs."""

    bus: Bus
    topics: set[str] = field(default_factory=set)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] | None = None


class CarriedBus:
    """Implements `bus.port.Bus`. `builders` make each bus there can be; one may raise when the settings lack it."""

    def __init__(self, database: Database, builders: Mapping[str, Callable[[], Bus]]) -> None:
        self._database = database
        self._builders = builders
        self._opened: dict[str, Opened] = {}
        self._topics: set[str] = set()
        self._members: set[Passenger] = set()
        self._one_relay = asyncio.Lock()
        self.name: str | None = None

    async def declare(self, topics: Sequence[str]) -> None:
        self._topics |= set(topics)
        await self.now()

    async def relay(self, limit: int) -> int:
        async with self._one_relay:
            return await (await self.now()).relay(limit)

    async def join(self, group: str, topics: Sequence[str]) -> "Passenger":
        await self.declare(topics)
        member = Passenger(self, group, topics)
        self._members.add(member)
        return member

    def left(self, member: "Passenger") -> None:
        self._members.discard(member)

    async def seek(self, group: str, topic: str, part: int, to: int | datetime) -> None:
        await (await self.now()).seek(group, topic, part, to)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        return await (await self.now()).lag(group, topics)

    async def housekeep(self) -> None:
        """For every bus, also one that the messages have left: what it keeps grows old."""
        for name, build in self._builders.items():
            with contextlib.suppress(StartupProblem):
                opened = self._opened.get(name)
                await (build() if opened is None else opened.bus).housekeep()

    async def now(self) -> Bus:
        """The bus that carries now, with all topics that were asked for."""
        if self.name is None:
            self.name = (await carrier_of(self._database)).current
        opened = self._open(self.name)
        missing = self._topics - opened.topics
        if missing:
            await opened.bus.declare(sorted(missing))
            opened.topics |= missing
        return opened.bus

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the carrier, and keep each bus running from the first until the last member is on it."""
        while not stop.is_set() or self._members:
            try:
                await self._follow()
            except Exception as fault:
                log.warning("carrier_not_read", fault=repr(fault))
            await pause(stop, FOLLOW_SECONDS) if not stop.is_set() else await asyncio.sleep(FOLLOW_SECONDS / 5)
        for name in list(self._opened):
            await self._leave(name)

    async def _follow(self) -> None:
        found = await carrier_of(self._database)
        if self.name not in (None, found.current):
            log.info("messages_moved", bus=found.current, before=self.name)
        self.name = found.current
        for name in [name for name in self._opened if name != found.current]:
            if not any(member.on == name for member in self._members):
                await self._leave(name)
        opened = self._open(found.current)
        if opened.running is None or opened.running.done():
            opened.running = asyncio.create_task(opened.bus.run(opened.left))

    def _open(self, name: str) -> Opened:
        if name not in self._opened:
            self._opened[name] = Opened(self._builders[name]())
        return self._opened[name]

    async def _leave(self, name: str) -> None:
        async with self._one_relay:
            opened = self._opened.pop(name)
        opened.left.set()
        if opened.running is not None:
            await opened.running


class Passenger:
    """Implements `bus.port.Member`: a member of the group on the bus that carries; it changes between two polls."""

    def __init__(self, bus: CarriedBus, group: str, topics: Sequence[str]) -> None:
        self.on: str | None = None
        self._bus = bus
        self._group = group
        self._topics = topics
        self._member: Member | None = None

    async def poll(self, limit: int) -> list[Portion]:
        if self._member is None or self.on != self._bus.name:
            await self._change()
        assert self._member is not None
        return await self._member.poll(limit)

    async def commit(self, portions: Sequence[Portion]) -> None:
        assert self._member is not None
        await self._member.commit(portions)

    async def close(self) -> None:
        await self._leave()
        self._bus.left(self)

    async def _change(self) -> None:
        await self._leave()
        bus, self.on = await self._bus.now(), self._bus.name
        self._member = await bus.join(self._group, self._topics)

    async def _leave(self) -> None:
        member, self._member, self.on = self._member, None, None
        if member is not None:
            await member.close()
