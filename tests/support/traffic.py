"""Messages in and out of a service under test, and its due work, without a bus or a timer loop around it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from boxoffice import messages
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope, Message, Received, decode, encode
from boxoffice.kernel.service import MessageHandler, Sender
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due

M = TypeVar("M", bound=Message)
KINDS = {kind.__name__: kind for kind in messages.MESSAGES}
OUTBOX = "SELECT type, value FROM platform.outbox WHERE tenant_id = $1 AND type = ANY($2::text[]) ORDER BY id"
TIMERS = "SELECT id, kind, seq, attempts, tenant_id FROM platform.timers WHERE tenant_id = $1 AND kind = $2 ORDER BY id"


def received(tenant: Tenant, body: M) -> Received[M]:
    """`body` as the bus would hand it to a handler."""
    envelope = Envelope(
        id=uuid7(), type=type(body).__name__, topic=body.topic, tenant_id=tenant.id, key=str(tenant.id),
        time=datetime.now(UTC), headers={}, value=encode(body),
    )  # fmt: skip
    return Received(envelope, body)


async def deliver(database: Database, tenant: Tenant, handler: MessageHandler[M], *bodies: M) -> None:
    """Hand one batch to a handler, in one transaction of the tenant."""
    async with database.transaction(tenant) as tx:
        await handler(tx, [received(tenant, body) for body in bodies])


async def published(database: Database, tenant: Tenant, *kinds: type[Message]) -> list[Message]:
    """The messages of a tenant that wait in the outbox, in order."""
    async with database.platform() as tx:
        rows = await tx.db.fetch(OUTBOX, tenant.id, [kind.__name__ for kind in kinds or messages.MESSAGES])
    return [decode(KINDS[row["type"]], row["value"]) for row in rows]


async def armed(tx: Tx, tenant: Tenant, kind: str) -> list[Due]:
    """The tenant's timers of a kind, as if the time of each had come."""
    rows = await tx.db.fetch(TIMERS, tenant.id, kind)
    return [Due(id=row["id"], kind=row["kind"], seq=row["seq"], attempts=1, tenant_id=tenant.id) for row in rows]


async def run_due(database: Database, tenant: Tenant, kind: str, sender: Sender) -> Sequence[Due]:
    """Run a sender over all the tenant's timers of a kind, as if the time of each had come; returns these."""
    async with database.platform() as tx:
        due = await armed(tx, tenant, kind)
    if due:
        await sender(database, tenant, due)
    return due
