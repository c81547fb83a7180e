"""Implements the bus's port on Apache Kafka: topics, the relay, members of groups, positions."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog

from boxoffice.kafka.access import Access
from boxoffice.kafka.member import KafkaMember
from boxoffice.kafka.relay import Relay
from boxoffice.kafka.topics import Shape, Topics
from boxoffice.kernel.bus import seeks
from boxoffice.kernel.bus.port import DEAD_SUFFIX
from boxoffice.kernel.database import Database
from boxoffice.kernel.wake import pause

Protocol = Literal["consumer", "classic"]

SEEK_SECONDS, SEEK_SECONDS_MAX = 0.25, 15.0
log = structlog.get_logger("bus")


class KafkaBus:
    """Implements `bus.port.Bus`. `protocol`: KIP-848's groups, or the classic ones for brokers older than 4.0.

    `writers`: who of this process moves which topics' messages (and their dead letters') from the outbox, each under
    its own name; with none, the process moves all. Where users have names a group signs in under its own, too.
    """

    def __init__(
        self,
        database: Database,
        access: Access,
        *,
        protocol: Protocol = "consumer",
        shape: Shape | None = None,
        lease_seconds: float = 10.0,
        poll_seconds: float = 0.1,
        writers: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._database = database
        self._access = access
        self._protocol = protocol
        self._lease = timedelta(seconds=lease_seconds)
        self._poll_seconds = poll_seconds
        self.topics = Topics(access, shape or Shape())
        self._relays = [
            Relay(database, access.as_user(name), self.declare, lease=self._lease, name=f"relay of {name}",
                  topics=with_dead(topics))
            for name, topics in (writers or {}).items() if topics
        ] or [Relay(database, access, self.declare, lease=self._lease)]  # fmt: skip
        self._members: set[KafkaMember] = set()

    async def declare(self, topics: Sequence[str]) -> None:
        await self.topics.declare(with_dead(topics))

    async def relay(self, limit: int) -> int:
        moved = await asyncio.gather(*(relay.move(limit) for relay in self._relays), return_exceptions=True)
        for fault in moved:
            if isinstance(fault, BaseException):
                raise fault
        return sum(number for number in moved if isinstance(number, int))

    async def join(self, group: str, topics: Sequence[str]) -> "Joined":
        await self.declare(topics)
        member = Joined(self, group, topics, self._options(group))
        self._members.add(member)
        return member

    def left(self, member: KafkaMember) -> None:
        self._members.discard(member)

    async def seek(self, group: str, topic: str, part: int, to: int | datetime) -> None:
        """Raises TimeoutError when neither the brokers nor a member did it in time."""
        offset = await self.topics.offset_of(topic, part, to)
        async with self._database.system() as db:
            asked = await seeks.ask(db, group, topic, part, offset)
        deadline = time.monotonic() + SEEK_SECONDS_MAX
        while time.monotonic() < deadline:
            at_rest = await self.topics.move(group, {(topic, part): offset})  # with members the brokers refuse
            async with self._database.system() as db:
                if at_rest:
                    await seeks.done(db, asked)
                if not await seeks.waits(db, asked):
                    return
            await asyncio.sleep(SEEK_SECONDS)
        raise TimeoutError(f"no member of {group} moved on {topic}/{part} within {SEEK_SECONDS_MAX:g} s")

    async def lag(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        return await self.topics.lag(group, topics)

    async def run(self, stop: asyncio.Event) -> None:
        """Do for this process's members what others ask of them by a row; the brokers do the rest."""
        while not stop.is_set() or self._members:
            try:
                if self._members:
                    await self._do_seeks()
            except Exception as fault:
                log.warning("seeks_not_read", fault=repr(fault))
            await pause(stop, SEEK_SECONDS) if not stop.is_set() else await asyncio.sleep(self._poll_seconds)
        for relay in self._relays:
            await relay.close()

    async def housekeep(self) -> None:
        """Nothing: the brokers drop what is old."""

    async def _do_seeks(self) -> None:
        async with self._database.system() as db:
            waiting = await seeks.of_groups(db, [member.group for member in self._members])
        for seek in waiting:
            for member in [each for each in self._members if each.group == seek.group]:
                if await member.seek(seek.topic, seek.part, seek.offset):
                    async with self._database.system() as db:
                        await seeks.done(db, seek)

    def _options(self, group: str) -> dict[str, Any]:
        """A consumer's: never `latest`, which would pass over messages when a position cannot be read."""
        options = self._access.as_user(group).client() | {
            "group.protocol": self._protocol,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": 8_192,
            "fetch.queue.backoff.ms": 20,
        }
        if self._protocol == "classic":
            session_ms = round(self._lease.total_seconds() * 1000)
            options |= {
                "partition.assignment.strategy": "range",  # cooperative-sticky stands still under explicit commits
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": max(100, session_ms // 6),
            }
        return options


class Joined(KafkaMember):
    """A member that its bus knows until it leaves."""

    def __init__(self, bus: KafkaBus, group: str, topics: Sequence[str], options: dict[str, Any]) -> None:
        super().__init__(group, topics, options, poll_seconds=bus._poll_seconds)
        self._bus = bus

    async def close(self) -> None:
        self._bus.left(self)
        await super().close()


def with_dead(topics: Collection[str]) -> list[str]:
    """A letter may die in a group at any time: the topic for it is there before."""
    living = [topic for topic in topics if not topic.endswith(DEAD_SUFFIX)]
    return [*topics, *(topic + DEAD_SUFFIX for topic in living)]
