"""The bus as the kernel sees it: topics in partitions, ordered per key, read by groups, delivered at least once."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from boxoffice.kernel.message import Envelope

DEAD_SUFFIX = ".dlq"


class Fenced(Exception):
    """These partitions belong to another member by now: what was read of them is its to handle."""

    def __init__(self, partitions: Collection[tuple[str, int]]) -> None:
        super().__init__(", ".join(f"{topic}/{part}" for topic, part in sorted(partitions)))
        self.partitions = frozenset(partitions)


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive messages of one partition; `generation` is the lease under which they were read."""

    topic: str
    part: int
    generation: int
    next_offset: int
    messages: Sequence[Envelope]


class Member(Protocol):
    """One process's place in a consumer group."""

    async def poll(self, limit: int) -> list[Portion]:
        """Up to about `limit` messages of the partitions held; waits a little, then answers with none."""
        ...

    async def commit(self, portions: Sequence[Portion]) -> None:
        """Never deliver these to the group again. Raises Fenced for partitions lost; the others are committed."""
        ...

    async def close(self) -> None:
        """Leave the group, so that others take over at once."""
        ...


class Bus(Protocol):
    """A broker. Every method may raise when it does not answer; callers back off and call again."""

    async def declare(self, topics: Sequence[str]) -> None:
        """Make the topics that do not exist yet."""
        ...

    async def relay(self, limit: int) -> int:
        """Move up to `limit` messages from the outbox to their topics, in order; 0 when there is none to move."""
        ...

    async def join(self, group: str, topics: Sequence[str]) -> Member:
        """Become a member of `group`. A group that never was starts at each partition's first message."""
        ...

    async def seek(self, group: str, topic: str, part: int, to: int | datetime) -> None:
        """Let the group read this partition from an offset, or from the first message of a time."""
        ...

    async def lag(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """How many messages of each partition of these topics the group has not committed yet."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Keep this process's leases and notice news, until `stop` is set and every member has left."""
        ...

    async def housekeep(self) -> None:
        """Make room: called now and then."""
        ...
