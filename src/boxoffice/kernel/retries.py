"""Messages that could not be handled: parked in the order of their subject, tried again, at last buried."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.kernel import inbox
from boxoffice.kernel.bus.port import DEAD_SUFFIX
from boxoffice.kernel.errors import Refusal, Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope, partition_hash

ERROR_CHARACTERS_MAX = 2_000


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and after what pauses, a message is tried again: base × 2ⁿ, at most `longest`, ± 50 %."""

    base_seconds: float = 1.0
    longest_seconds: float = 300.0
    attempts: int = 12

    def pause(self, attempt: int) -> timedelta:
        seconds = min(self.base_seconds * 2.0 ** min(attempt - 1, 30), self.longest_seconds)
        return timedelta(seconds=seconds * random.uniform(0.5, 1.5))  # noqa: S311  (jitter is no secret)


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A parked message that this process has claimed to try again."""

    row: int
    group: str
    attempts: int
    envelope: Envelope


def is_permanent(fault: BaseException) -> bool:
    """Whether trying again cannot help: the message is not what its type says, or the answer to it is a plain no."""
    if isinstance(fault, Refusal):
        return not isinstance(fault, Unavailable)
    return isinstance(fault, msgspec.DecodeError)


PARK = """
    INSERT INTO platform.retries (grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts,
                                  attempts, next_at, dead, error)
    SELECT $1, subject, message_id, tenant_id, topic, key, type, headers::json, value, ts, $10, now() + $11, $12, $13
      FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
                  $14::timestamptz[])
           WITH ORDINALITY AS m (message_id, subject, tenant_id, topic, key, type, headers, value, ts, place)
     ORDER BY place
    ON CONFLICT (grp, message_id) DO NOTHING
"""
CLAIM = """
    UPDATE platform.retries r SET claimed_until = now() + $3::interval
     WHERE r.id = ANY (ARRAY(
        SELECT c.id FROM platform.retries c
         WHERE NOT c.dead AND c.next_at <= now() AND (c.claimed_until IS NULL OR c.claimed_until < now())
           AND c.grp = ANY($1::text[])
           AND NOT EXISTS (SELECT FROM platform.retries e
                            WHERE (e.grp, e.subject) = (c.grp, c.subject) AND e.id < c.id)
         ORDER BY c.next_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING r.id, r.grp, r.message_id, r.tenant_id, r.topic, r.key, r.type, r.headers, r.value, r.ts, r.attempts
"""
UNPARK = "DELETE FROM platform.retries WHERE id = $1 AND NOT dead RETURNING true"
POSTPONE = """
    UPDATE platform.retries SET attempts = $2, next_at = now() + $3, claimed_until = NULL, error = $4 WHERE id = $1
"""
KEEP_DEAD = "UPDATE platform.retries SET dead = true, attempts = $2, claimed_until = NULL, error = $3 WHERE id = $1"
DROP = "DELETE FROM platform.retries WHERE id = $1"
BURY = """
    INSERT INTO platform.dead_letters (id, grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts,
                                       attempts, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::json, $10, $11, $12, $13)
    ON CONFLICT (grp, message_id) DO UPDATE SET attempts = excluded.attempts, error = excluded.error, died_at = now()
"""
ANNOUNCE = """
    INSERT INTO platform.outbox (tenant_id, message_id, topic, key, hash, type, headers, value)
    VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8)
"""


async def park(
    db: Any,
    group: str,
    messages: Sequence[Envelope],
    *,
    attempts: int = 0,
    pause: timedelta = timedelta(),
    dead: bool = False,
    error: str = "",
) -> None:
    """Keep messages for later, in the order given: each waits behind those of its subject that are parked already."""
    await db.execute(
        PARK, group,
        [m.id for m in messages], [m.subject for m in messages], [m.tenant_id for m in messages],
        [m.topic for m in messages], [m.key for m in messages], [m.type for m in messages],
        [msgspec.json.encode(m.headers).decode() for m in messages], [m.value for m in messages],
        attempts, pause, dead, error, [m.time for m in messages],
    )  # fmt: skip


async def claim(db: Any, groups: Sequence[str], limit: int, lease: timedelta) -> list[Parked]:
    """Parked messages that are due, the first of each subject only."""
    return [
        Parked(
            row=row["id"], group=row["grp"], attempts=row["attempts"],
            envelope=Envelope(
                id=row["message_id"], type=row["type"], topic=row["topic"], tenant_id=row["tenant_id"],
                key=row["key"], time=row["ts"], value=row["value"],
                headers=msgspec.json.decode(row["headers"], type=dict[str, str]),
            ),
        )
        for row in await db.fetch(CLAIM, groups, limit, lease)
    ]  # fmt: skip


async def unpark(db: Any, parked: Parked) -> bool:
    """Take the message out, in the transaction that handles it; false when somebody else has."""
    return await db.fetchval(UNPARK, parked.row) is True


async def fail(db: Any, group: str, message: Envelope, fault: BaseException, policy: Policy, hold: bool) -> None:
    """The first attempt failed: park the message, or bury it when no further one can help. Its caller commits."""
    error = describe(fault)
    if not is_permanent(fault) and policy.attempts > 1:
        await park(db, group, [message], attempts=1, pause=policy.pause(1), error=error)
    else:
        if hold:
            await park(db, group, [message], attempts=1, dead=True, error=error)
        await _bury(db, group, message, 1, error, hold)


async def fail_again(db: Any, parked: Parked, fault: BaseException, policy: Policy, hold: bool) -> None:
    """A further attempt failed. A buried message that is held keeps its place before its successors."""
    attempts, error = parked.attempts + 1, describe(fault)
    if not is_permanent(fault) and attempts < policy.attempts:
        await db.execute(POSTPONE, parked.row, attempts, policy.pause(attempts), error)
        return
    if hold:
        await db.execute(KEEP_DEAD, parked.row, attempts, error)
    else:
        await db.execute(DROP, parked.row)
    await _bury(db, parked.group, parked.envelope, attempts, error, hold)


async def _bury(db: Any, group: str, message: Envelope, attempts: int, error: str, hold: bool) -> None:
    """Write the dead letter and announce it on `<topic>.dlq`; one that is not held counts as handled."""
    headers = msgspec.json.encode(message.headers).decode()
    await db.execute(
        BURY, uuid7(), group, message.subject, message.id, message.tenant_id, message.topic, message.key,
        message.type, headers, message.value, message.time, attempts, error,
    )  # fmt: skip
    if not hold:
        await inbox.admit_one(db, group, message.tenant_id, message.id)
    told = message.headers | {
        "dlqtopic": message.topic, "dlqgroup": group, "dlqattempts": str(attempts), "dlqerror": error,
    }  # fmt: skip
    await db.execute(
        ANNOUNCE, message.tenant_id, message.id, message.topic + DEAD_SUFFIX, message.key,
        partition_hash(message.key), message.type, msgspec.json.encode(told).decode(), message.value,
    )  # fmt: skip


def describe(fault: BaseException) -> str:
    return repr(fault)[:ERROR_CHARACTERS_MAX].replace("\0", "")


REDRIVE = """
    WITH letter AS (
        DELETE FROM platform.dead_letters WHERE id = $1
        RETURNING grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts
    ), handled AS (
        DELETE FROM platform.inbox i USING letter l WHERE (i.grp, i.message_id) = (l.grp, l.message_id)
    )
    INSERT INTO platform.retries (grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts)
    SELECT grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts FROM letter
    ON CONFLICT (grp, message_id) DO UPDATE SET dead = false, attempts = 0, next_at = now(), claimed_until = NULL
    RETURNING message_id
"""
DISCARD = """
    WITH letter AS (
        DELETE FROM platform.dead_letters WHERE id = $1 RETURNING grp, message_id, tenant_id
    ), released AS (
        DELETE FROM platform.retries r USING letter l WHERE (r.grp, r.message_id) = (l.grp, l.message_id)
    ), handled AS (
        INSERT INTO platform.inbox (grp, message_id, tenant_id) SELECT grp, message_id, tenant_id FROM letter
        ON CONFLICT DO NOTHING
    )
    SELECT message_id FROM letter
"""


async def redrive(db: Any, letter: UUID) -> bool:
    """Try a dead letter again, at once and before its successors; false when there is no such letter."""
    return await db.fetchval(REDRIVE, letter) is not None


async def discard(db: Any, letter: UUID) -> bool:
    """Give a dead letter up: its successors go on without it; false when there is no such letter."""
    return await db.fetchval(DISCARD, letter) is not None
