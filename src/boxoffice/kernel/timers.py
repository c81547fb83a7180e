"""Timers: durable due work, one row each; the loop over them is what recovers every crash."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from boxoffice.kernel.tenancy import Tenant


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


ARM = """
    INSERT INTO platform.timers AS t (id, kind, tenant_id, fire_at)
    SELECT id, kind, tenant_id, fire_at
      FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[]) AS wanted (id, kind, tenant_id, fire_at)
    ORDER BY id, kind
    ON CONFLICT (id, kind) DO UPDATE
       SET fire_at = excluded.fire_at, seq = t.seq + 1, claimed_until = NULL, attempts = 0
"""
FORGET = """
    DELETE FROM platform.timers t USING unnest($1::uuid[], $2::text[]) AS gone (id, kind)
    WHERE (t.id, t.kind) = (gone.id, gone.kind)
"""


async def arm(db: Any, tenant: "Tenant | None", wanted: Sequence[Timer]) -> None:
    """Upsert timers; the last one given of an id and kind wins."""
    last = {(timer.id, timer.kind): timer for timer in wanted}.values()
    await db.execute(
        ARM,
        [timer.id for timer in last],
        [timer.kind for timer in last],
        [timer.tenant_id or (tenant.id if tenant else None) for timer in last],
        [timer.at for timer in last],
    )


async def forget(db: Any, gone: Sequence[tuple[UUID, str]]) -> None:
    await db.execute(FORGET, [id for id, _ in gone], [kind for _, kind in gone])
