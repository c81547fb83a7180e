"""Measures what waits (outbox, bus, timers, parked messages) every few seconds, for the metrics."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.telemetry import metrics

SAMPLE_SECONDS = 5.0
log = structlog.get_logger("gauges")

OUTBOX = """
    SELECT count(*) AS messages, coalesce(extract(epoch FROM now() - min(ts)), 0)::float8 AS age FROM platform.outbox
"""
TIMERS = """
    SELECT kind, count(*) AS waiting, extract(epoch FROM now() - min(fire_at))::float8 AS late
      FROM platform.timers WHERE fire_at <= now() AND (claimed_until IS NULL OR claimed_until < now()) GROUP BY kind
"""
# Ids are UUIDv7: the smallest is the oldest, and tells when.
AGES = """
    SELECT k.kind, extract(epoch FROM now() - uuid_extract_timestamp(t.id))::float8 AS age
      FROM (SELECT DISTINCT kind FROM platform.timers) AS k
     CROSS JOIN LATERAL (SELECT id FROM platform.timers t WHERE t.kind = k.kind ORDER BY id LIMIT 1) AS t
"""
PARKED = "SELECT grp, count(*) AS messages FROM platform.retries GROUP BY grp"
BURIED = "SELECT grp, count(*) AS messages FROM platform.dead_letters GROUP BY grp"


class Sampler:
    """Knows which series it has set, so that one whose cause is gone falls to zero. `groups`: the topics each reads."""

    def __init__(self, database: Database, bus: Bus, groups: Mapping[str, Sequence[str]]) -> None:
        self._database = database
        self._bus = bus
        self._groups = groups
        self._seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sample until `stop`; a sample that cannot be taken is only logged."""
        while not stop.is_set():
            try:
                await self.sample()
            except Exception as fault:
                log.warning("not_sampled", fault=repr(fault))
            await _pause(stop)

    async def sample(self) -> None:
        async with self._database.system() as db:
            outbox = await db.fetchrow(OUTBOX)
            timers = await db.fetch(TIMERS)
            ages = await db.fetch(AGES)
            parked, buried = await db.fetch(PARKED), await db.fetch(BURIED)
        metrics.gauge("outbox_messages", outbox["messages"])
        metrics.gauge("outbox_age_seconds", outbox["age"])
        found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for row in timers:
            found["timers_waiting", (("kind", row["kind"]),)] = row["waiting"]
            found["timers_late_seconds", (("kind", row["kind"]),)] = row["late"]
        found |= {("timers_age_seconds", (("kind", row["kind"]),)): row["age"] for row in ages}
        for name, rows in (("retries_parked", parked), ("dead_letters", buried)):
            found |= {(name, (("group", row["grp"]),)): row["messages"] for row in rows}
        for group, topics in self._groups.items():
            found |= _lag(group, await self._bus.lag(group, topics))
        for name, labels in self._seen - found.keys():
            metrics.gauge(name, 0, **dict(labels))
        for (name, labels), value in found.items():
            metrics.gauge(name, value, **dict(labels))
        self._seen |= found.keys()


async def watch_pool(database: Database, process: str, stop: asyncio.Event) -> None:
    """Tell how many of this process's connections are in use, until `stop`."""
    while not stop.is_set():
        metrics.gauge("pool_connections_in_use", database.connections_in_use, process=process)
        await _pause(stop)


def _lag(group: str, partitions: dict[tuple[str, int], int]) -> dict[tuple[str, Any], float]:
    topics: dict[str, int] = {}
    for (topic, _), behind in partitions.items():
        topics[topic] = topics.get(topic, 0) + behind
    return {("consumer_lag_messages", (("group", group), ("topic", topic))): lag for topic, lag in topics.items()}


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), SAMPLE_SECONDS)
