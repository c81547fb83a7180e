"""Timers: durable due work, one row each; the loop over them is what recovers every crash."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from boxoffice.telemetry.traces import recorded

if TYPE_CHECKING:
    from boxoffice.kernel.database import Tx


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Work of one `kind` that falls due `at` a time for the thing called `id` (a saga, a payment, a mail).

    `tenant_id` is the transaction's tenant unless a platform transaction names another.
    """

    id: UUID
    kind: str
    at: datetime
    tenant_id: UUID | None = None


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A timer that fell due and is claimed by this process until its claim lapses.

    `seq` tells this arming from a later one: work recorded for a stale `seq` is dropped. `attempts` counts claims.
    """

    id: UUID
    kind: str
    seq: int
    attempts: int
    tenant_id: UUID
    trace: str | None = None  # the traceparent of what armed it


ARM = """
    INSERT INTO platform.timers AS t (id, kind, tenant_id, fire_at, trace)
    SELECT id, kind, tenant_id, fire_at, trace
      FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[])
           AS wanted (id, kind, tenant_id, fire_at, trace)
    ORDER BY id, kind
    ON CONFLICT (id, kind) DO UPDATE
       SET fire_at = excluded.fire_at, seq = excluded.seq, trace = excluded.trace, claimed_until = NULL, attempts = 0
"""
# Which of these kinds have work that nobody has claimed: one index probe each.
WAITING = """
    SELECT kind FROM unnest($1::text[]) AS k (kind)
     WHERE EXISTS (SELECT FROM platform.timers t WHERE t.kind = k.kind AND t.fire_at <= now()
                      AND (t.claimed_until IS NULL OR t.claimed_until < now()))
"""
CLAIM = """
    UPDATE platform.timers t SET claimed_until = now() + $3::interval, attempts = t.attempts + 1
      FROM (SELECT id, kind FROM platform.timers
             WHERE kind = $1 AND fire_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
             ORDER BY fire_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
     WHERE (t.id, t.kind) = (due.id, due.kind)
       AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    RETURNING t.id, t.kind, t.seq, t.attempts, t.tenant_id, t.trace
"""
RENEW = """
    UPDATE platform.timers t SET claimed_until = now() + $4::interval
      FROM unnest($1::uuid[], $2::text[], $3::int8[]) AS d (id, kind, seq)
     WHERE (t.id, t.kind, t.seq) = (d.id, d.kind, d.seq)
"""
CURRENT = """
    SELECT t.id, t.kind FROM platform.timers t JOIN unnest($1::uuid[], $2::text[], $3::int8[]) AS d (id, kind, seq)
        ON (t.id, t.kind, t.seq) = (d.id, d.kind, d.seq)
"""
DONE = """
    DELETE FROM platform.timers t USING unnest($1::uuid[], $2::text[], $3::int8[]) AS d (id, kind, seq)
     WHERE (t.id, t.kind, t.seq) = (d.id, d.kind, d.seq)
    RETURNING t.id, t.kind
"""
LISTED = """
    SELECT id, tenant_id, fire_at FROM platform.timers
     WHERE kind = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::timestamptz IS NULL OR fire_at <= $3)
       AND ($4::timestamptz IS NULL OR (fire_at, id) > ($4, $5))
     ORDER BY fire_at, id LIMIT $6
"""
FORGET = """
    DELETE FROM platform.timers t USING unnest($1::uuid[], $2::text[]) AS gone (id, kind)
    WHERE (t.id, t.kind) = (gone.id, gone.kind)
"""


async def arm(tx: "Tx", wanted: Sequence[Timer]) -> None:
    """Upsert timers; the last one given of an id and kind wins."""
    last = {(timer.id, timer.kind): timer for timer in wanted}.values()
    await tx.db.execute(
        ARM,
        [timer.id for timer in last],
        [timer.kind for timer in last],
        [timer.tenant_id or (tx.tenant.id if tx.tenant else None) for timer in last],
        [timer.at for timer in last],
        [recorded(tx.trace_of(timer.id)) for timer in last],
    )


async def forget(db: Any, gone: Sequence[tuple[UUID, str]]) -> None:
    await db.execute(FORGET, [id for id, _ in gone], [kind for _, kind in gone])


async def done(tx: "Tx", due: Due) -> bool:
    """Finish a due timer in the transaction that records its work; false when it was re-armed or taken over.

    Then the work is stale: record nothing. Call it after locking the rows the work is about.
    """
    return bool(await done_all(tx, [due]))


async def done_all(tx: "Tx", dues: Sequence[Due]) -> list[Due]:
    """Finish due timers; those not in the answer were re-armed or taken over, and their work is stale.

    What their work leads to continues their traces.
    """
    tx.traces |= {str(due.id): due.trace for due in dues if due.trace}
    return _among(dues, await tx.db.fetch(DONE, *_columns(dues)))


async def current(db: Any, dues: Sequence[Due]) -> list[Due]:
    """Those of `dues` that nobody has re-armed, taken over or forgotten since they were claimed."""
    return _among(dues, await db.fetch(CURRENT, *_columns(dues)))


class Waiting(NamedTuple):
    """A timer that is armed."""

    id: UUID
    tenant_id: UUID
    fire_at: datetime


async def listed(
    db: Any, kind: str, tenant_id: UUID | None, until: datetime | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Waiting]:
    """Timers of a kind in the order they fall due: of one tenant or all, due by `until`, after a place in the list."""
    at, id = after or (None, None)
    return [Waiting(*row) for row in await db.fetch(LISTED, kind, tenant_id, until, at, id, limit)]


async def tenant_of(db: Any, id: UUID, kind: str) -> UUID | None:
    """Whose timer this is."""
    found: UUID | None = await db.fetchval(
        "SELECT tenant_id FROM platform.timers WHERE id = $1 AND kind = $2", id, kind
    )
    return found


async def waiting(db: Any, kinds: Sequence[str]) -> list[str]:
    return [row["kind"] for row in await db.fetch(WAITING, kinds)]


async def claim(db: Any, kind: str, limit: int, lease: timedelta) -> list[Due]:
    """Up to `limit` due timers of a kind, for this process alone until the lease ends."""
    return [
        Due(
            id=row["id"], kind=row["kind"], seq=row["seq"], attempts=row["attempts"], tenant_id=row["tenant_id"],
            trace=row["trace"],
        )
        for row in await db.fetch(CLAIM, kind, limit, lease)
    ]  # fmt: skip


async def keep(db: Any, dues: Sequence[Due], time: timedelta) -> None:
    """Let the claims on `dues` lapse after `time` from now: to go on working, or to try again then."""
    await db.execute(RENEW, *_columns(dues), time)


def _columns(dues: Sequence[Due]) -> tuple[list[UUID], list[str], list[int]]:
    return [due.id for due in dues], [due.kind for due in dues], [due.seq for due in dues]


def _among(dues: Sequence[Due], rows: Sequence[Any]) -> list[Due]:
    found = {(row["id"], row["kind"]) for row in rows}
    return [due for due in dues if (due.id, due.kind) in found]
