"""The inbox: a group handles each message once, however often it is delivered, and none before its predecessors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from boxoffice.kernel import ids
from boxoffice.kernel.message import Envelope

# A subject with a parked message lets none of its later ones pass. Ids are taken in order, so that two deliveries of
# the same messages at once wait for each other and cannot deadlock.
ADMIT = """
    WITH given AS (
        SELECT message_id, subject FROM unnest($3::uuid[], $4::text[]) AS g (message_id, subject)
    ), blocked AS (
        SELECT DISTINCT subject FROM platform.retries WHERE grp = $1 AND subject = ANY($4::text[])
    ), admitted AS (
        INSERT INTO platform.inbox (grp, message_id, tenant_id)
        SELECT $1, message_id, $2 FROM given WHERE subject NOT IN (SELECT subject FROM blocked)
         ORDER BY message_id
        ON CONFLICT (grp, message_id) DO NOTHING
        RETURNING message_id
    )
    SELECT ARRAY(SELECT message_id FROM admitted) AS admitted, ARRAY(SELECT subject FROM blocked) AS blocked
"""
ADMIT_ONE = """
    INSERT INTO platform.inbox (grp, message_id, tenant_id) VALUES ($1, $2, $3)
    ON CONFLICT (grp, message_id) DO NOTHING RETURNING true
"""
SWEEP = """
    DELETE FROM platform.inbox WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM platform.inbox WHERE received_at < now() - make_interval(days => $1) LIMIT $2))
"""
FORGET = "DELETE FROM platform.inbox WHERE grp = $1 AND message_id >= $2"
RETENTION_DAYS = 15  # longer than the bus keeps a message, so that a full replay does nothing twice
SWEEP_ROWS = 5_000


async def admit(
    db: Any, group: str, tenant_id: UUID, messages: Sequence[Envelope]
) -> tuple[list[Envelope], list[Envelope]]:
    """The messages to handle now, and those that must wait behind a parked one; those handled before are in neither."""
    row = await db.fetchrow(ADMIT, group, tenant_id, [m.id for m in messages], [m.subject for m in messages])
    admitted, blocked = set(row["admitted"]), set(row["blocked"])
    fresh: dict[UUID, Envelope] = {}  # a bus may deliver one message twice in one batch
    for message in messages:
        if message.id in admitted:
            fresh.setdefault(message.id, message)
    return list(fresh.values()), [message for message in messages if message.subject in blocked]


async def admit_one(db: Any, group: str, tenant_id: UUID, message_id: UUID) -> bool:
    """Whether this group has not handled the message yet; from now on it has."""
    return await db.fetchval(ADMIT_ONE, group, message_id, tenant_id) is True


async def forget(db: Any, group: str, since: datetime) -> None:
    """Let the group handle anew what was published since then, when the bus delivers it again."""
    await db.execute(FORGET, group, ids.first_of(since))


async def sweep(db: Any) -> None:
    while await db.execute(SWEEP, RETENTION_DAYS, SWEEP_ROWS) == f"DELETE {SWEEP_ROWS}":
        pass
