"""Leases: one process at a time does a named piece of work; the epoch tells its holder from an earlier one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

TAKE = """
    INSERT INTO platform.leases AS l (name, owner, epoch, until) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
    ON CONFLICT (name) DO UPDATE
       SET owner = excluded.owner, until = excluded.until,
           epoch = l.epoch + CASE WHEN l.owner = excluded.owner THEN 0 ELSE 1 END
     WHERE l.until < clock_timestamp() OR l.owner = excluded.owner
    RETURNING epoch
"""
GIVE_UP = "UPDATE platform.leases SET owner = NULL, until = '-infinity' WHERE name = $1 AND owner = $2"


async def take(db: Any, name: str, owner: UUID, time: timedelta) -> int | None:
    """Take or renew the lease; its epoch, or None while another owner holds it."""
    epoch: int | None = await db.fetchval(TAKE, name, owner, time)
    return epoch


async def give_up(db: Any, name: str, owner: UUID) -> None:
    await db.execute(GIVE_UP, name, owner)
