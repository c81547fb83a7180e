"""Sagas across tenants: which are live is read from their timers, which are stuck from each tenant's rows."""

from collections.abc import Sequence
from uuid import UUID

from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.tenancy import Tenant

STUCK = """
    SELECT id FROM saga_state WHERE status = 'REFUND_STUCK' ORDER BY updated_at, id LIMIT $1
"""


async def stuck(tx: Tx, limit: int) -> list[UUID]:
    """The sagas whose refund the provider keeps refusing, the longest first."""
    return [row["id"] for row in await tx.db.fetch(STUCK, limit)]


async def stuck_of_all(database: Database, tenants: Sequence[Tenant], limit: int) -> list[tuple[Tenant, UUID]]:
    found: list[tuple[Tenant, UUID]] = []
    for tenant in tenants:
        async with database.transaction(tenant) as tx:
            found += [(tenant, booking_id) for booking_id in await stuck(tx, limit - len(found))]
        if len(found) >= limit:
            break
    return found
