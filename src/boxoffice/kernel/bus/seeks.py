"""Seeks for members at work: a row asks the member that holds a partition to move, and it deletes the row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec


class Seek(msgspec.Struct, frozen=True, kw_only=True):
    """One that waits; a later one for the same partition takes its place."""

    group: str
    topic: str
    part: int
    offset: int
    asked_at: datetime


ASK = """
    INSERT INTO bus.seek (grp, topic, part, off) VALUES ($1, $2, $3, $4)
    ON CONFLICT (grp, topic, part) DO UPDATE SET off = excluded.off, asked_at = clock_timestamp()
    RETURNING asked_at
"""
DONE = "DELETE FROM bus.seek WHERE (grp, topic, part, asked_at) = ($1, $2, $3, $4)"
WAITS = "SELECT EXISTS (SELECT FROM bus.seek WHERE (grp, topic, part, asked_at) = ($1, $2, $3, $4))"
OF_GROUPS = "SELECT grp, topic, part, off, asked_at FROM bus.seek WHERE grp = ANY($1::text[])"


async def ask(db: Any, group: str, topic: str, part: int, offset: int) -> Seek:
    asked_at = await db.fetchval(ASK, group, topic, part, offset)
    return Seek(group=group, topic=topic, part=part, offset=offset, asked_at=asked_at)


async def done(db: Any, seek: Seek) -> None:
    await db.execute(DONE, seek.group, seek.topic, seek.part, seek.asked_at)


async def waits(db: Any, seek: Seek) -> bool:
    return bool(await db.fetchval(WAITS, seek.group, seek.topic, seek.part, seek.asked_at))


async def of_groups(db: Any, groups: Sequence[str]) -> list[Seek]:
    return [
        Seek(group=row["grp"], topic=row["topic"], part=row["part"], offset=row["off"], asked_at=row["asked_at"])
        for row in await db.fetch(OF_GROUPS, groups)
    ]
