"""The embedded bus: a partitioned log in PostgreSQL, read by groups whose members lease partitions and are fenced."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from typing import Any

import msgspec
import structlog

from boxoffice.kernel.bus import pglog_sql as sql
from boxoffice.kernel.bus.port import Fenced, Portion
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope
from boxoffice.kernel.wake import LOG, rest

Partition = tuple[int, int]

PORTION_BYTES_MAX = 8_000_000
LATE_IDS = 5_000  # how far below the newest moved row a transaction that committed late is still found at once
FULL_SCAN_SECONDS = 5.0
log = structlog.get_logger("bus")
_headers = msgspec.json.Decoder(dict[str, str])


class PgLog:
    """Implements `bus.port.Bus`. The retention drops whole days, and none that a group has still to read."""

    def __init__(
        self,
        database: Database,
        *,
        partitions: int = 4,
        lease_seconds: float = 10.0,
        poll_seconds: float = 0.1,
        retention_days: int = 7,
    ) -> None:
        self.database = database
        self.lease = timedelta(seconds=lease_seconds)
        self.poll_seconds = poll_seconds
        self.names: dict[int, str] = {}
        self.heads: dict[Partition, int] = {}
        self._partitions = partitions
        self._retention_days = retention_days
        self._members: set[PgLogMember] = set()
        self._low = 0
        self._full_scan_at = 0.0

    async def declare(self, topics: Sequence[str]) -> None:
        async with self.database.system() as db, db.transaction():
            await db.execute("LOCK TABLE bus.topic IN SHARE ROW EXCLUSIVE MODE")
            await db.execute(sql.MISSING_TOPICS, list(dict.fromkeys(topics)), self._partitions)
            await db.execute(sql.MISSING_PARTITIONS)
            await db.execute(sql.PREPARE_SEGMENTS)
        await self._learn_topics()

    async def relay(self, limit: int) -> int:
        now = time.monotonic()
        if now - self._full_scan_at > FULL_SCAN_SECONDS:
            self._low, self._full_scan_at = 0, now
        async with self.database.system() as db:
            row = await db.fetchrow(sql.RELAY, limit, self._low)
        if row["unknown"]:
            await self.declare(row["unknown"])
        if row["messages"]:
            self._low = max(self._low, row["last"] - LATE_IDS)
            self._note(zip(row["topics"], row["parts"], row["heads"], strict=True))
            self.database.wake.ring_others(LOG)
        return int(row["messages"]) + len(row["unknown"] or ())

    async def join(self, group: str, topics: Sequence[str]) -> "PgLogMember":
        await self.declare(topics)
        ids = {name: id for id, name in self.names.items()}
        member = PgLogMember(self, group, [ids[topic] for topic in topics])
        await self.refresh_heads()
        await member.rebalance()
        self._members.add(member)
        return member

    def left(self, member: "PgLogMember") -> None:
        self._members.discard(member)

    async def seek(self, group: str, topic: str, part: int, to: int | datetime) -> None:
        async with self.database.system() as db:
            offset = to if isinstance(to, int) else await db.fetchval(sql.OFFSET_OF_TIME, topic, part, to)
            await db.execute(sql.SEEK, group, topic, part, offset)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        async with self.database.system() as db:
            return {(row["name"], row["part"]): row["lag"] for row in await db.fetch(sql.LAG, group, list(topics))}

    async def run(self, stop: asyncio.Event) -> None:
        """Notice what other processes' relays appended, and renew the leases of all members of this process."""
        bell = self.database.wake.bell(LOG)
        renewed_at = 0.0
        while not stop.is_set() or self._members:
            try:
                if time.monotonic() - renewed_at > self.lease.total_seconds() / 3:
                    renewed_at = time.monotonic()
                    await self._renew()
                await self.refresh_heads()
            except Exception as fault:
                log.warning("bus_not_read", fault=repr(fault))
            await rest(bell, self.poll_seconds)

    async def housekeep(self) -> None:
        async with self.database.system() as db:
            await db.execute(sql.PREPARE_SEGMENTS)
            await db.execute(sql.FORGOTTEN)
            for row in await db.fetch(sql.OLD_SEGMENTS, self._retention_days):
                if await db.fetchval(sql.STILL_WANTED, row["seg"]):
                    log.warning("segment_kept_for_a_lagging_group", segment=row["seg"])
                    break
                await db.execute(sql.DROP_SEGMENT, row["seg"])

    async def refresh_heads(self) -> None:
        async with self.database.system() as db:
            rows = await db.fetch(sql.HEADS)
        self._note((row["topic"], row["part"], row["next_off"]) for row in rows)

    def _note(self, heads: Iterable[tuple[int, int, int]]) -> None:
        moved = set()
        for topic, part, head in heads:
            if head > self.heads.get((topic, part), 0):
                self.heads[topic, part] = head
                moved.add(topic)
        for member in self._members:
            if not moved.isdisjoint(member.topics):
                member.news.set()

    async def _renew(self) -> None:
        members = list(self._members)
        if members:
            ids = [member.id for member in members]
            async with self.database.system() as db:
                await db.execute(sql.SEEN, [member.group for member in members], ids)
                await db.execute(sql.RENEW, ids, self.lease)

    async def _learn_topics(self) -> None:
        async with self.database.system() as db:
            self.names = {row["id"]: row["name"] for row in await db.fetch(sql.TOPICS)}


class Held(msgspec.Struct):
    """A partition this member leases: under which generation, and how far it has read."""

    generation: int
    position: int


class PgLogMember:
    """A member of a group: reads the partitions it leases, gives up what is more than its fair share."""

    def __init__(self, bus: PgLog, group: str, topics: Sequence[int]) -> None:
        self.id = uuid7()
        self.group = group
        self.news = asyncio.Event()
        self._bus = bus
        self.topics = list(topics)
        self._held: dict[Partition, Held] = {}
        self._balanced_at = 0.0

    async def poll(self, limit: int) -> list[Portion]:
        if time.monotonic() - self._balanced_at > self._bus.lease.total_seconds() / 3:
            await self.rebalance()
        self.news.clear()
        wanted = [(p, held) for p, held in self._held.items() if self._bus.heads.get(p, 0) > held.position]
        if not wanted:
            await rest(self.news, self._bus.poll_seconds)
            return []
        async with self._bus.database.system() as db:
            rows = await db.fetch(
                sql.FETCH,
                [partition[0] for partition, _ in wanted],
                [partition[1] for partition, _ in wanted],
                [held.position for _, held in wanted],
                max(1, limit // len(wanted)),
                PORTION_BYTES_MAX // len(wanted),
            )
        return [self._portion(key, list(group)) for key, group in groupby(rows, lambda r: (r["topic"], r["part"]))]

    async def commit(self, portions: Sequence[Portion]) -> None:
        ids = {name: id for id, name in self._bus.names.items()}
        wanted = {(ids[portion.topic], portion.part): portion for portion in portions}
        async with self._bus.database.system() as db:
            rows = await db.fetch(
                sql.COMMIT, self.group, self.id,
                [topic for topic, _ in wanted], [part for _, part in wanted],
                [portion.generation for portion in wanted.values()],
                [portion.next_offset for portion in wanted.values()],
            )  # fmt: skip
        lost = wanted.keys() - {(row["topic"], row["part"]) for row in rows}
        for partition in lost:
            self._drop(partition, wanted[partition].generation)
        if lost:
            raise Fenced([(self._bus.names[topic], part) for topic, part in lost])

    async def close(self) -> None:
        self._bus.left(self)
        async with self._bus.database.system() as db:
            await self._release(db, list(self._held))
            await db.execute(sql.LEAVE, self.group, self.id)

    async def rebalance(self) -> None:
        """Renew what is held, give up a surplus, take what is free, up to a fair share of the group's partitions."""
        lease = self._bus.lease
        async with self._bus.database.system() as db:
            await db.execute(sql.SEEN, [self.group], [self.id])
            await db.execute(sql.NEW_ASSIGNMENTS, self.group, self.topics)
            await db.execute(sql.RENEW, [self.id], lease)
            owned = {(row["topic"], row["part"]): row["gen"] for row in await db.fetch(sql.OWNED, self.group, self.id)}
            self._held = {p: held for p, held in self._held.items() if owned.get(p) == held.generation}
            share = await db.fetchrow(sql.SHARE, self.group, self.topics, lease)
            fair = ceil(share["partitions"] / max(1, share["members"]))
            await self._release(db, [*(owned.keys() - self._held.keys()), *sorted(self._held)[fair:]])
            if len(self._held) < fair:
                free = fair - len(self._held)
                for row in await db.fetch(sql.CLAIM, self.group, self.id, self.topics, free, lease):
                    self._held[row["topic"], row["part"]] = Held(row["gen"], row["committed"])
        self._balanced_at = time.monotonic()

    async def _release(self, db: Any, partitions: Sequence[Partition]) -> None:
        if partitions:
            topics, parts = [p[0] for p in partitions], [p[1] for p in partitions]
            await db.execute(sql.RELEASE, self.group, self.id, topics, parts)
            for partition in partitions:
                self._held.pop(partition, None)

    def _drop(self, partition: Partition, generation: int) -> None:
        held = self._held.get(partition)
        if held is not None and held.generation == generation:
            del self._held[partition]

    def _portion(self, partition: Partition, rows: list[Any]) -> Portion:
        held = self._held[partition]
        topic = self._bus.names[partition[0]]
        held.position = rows[-1]["off"] + 1
        return Portion(
            topic=topic, part=partition[1], generation=held.generation, next_offset=held.position,
            messages=[
                Envelope(
                    id=row["message_id"], type=row["type"], topic=topic, tenant_id=row["tenant_id"], key=row["key"],
                    time=row["ts"], headers=_headers.decode(row["headers"]), value=row["value"],
                )
                for row in rows
            ],
        )  # fmt: skip
