"""The outbox: messages written in the transaction that made them true, moved to the bus by the relay."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zlib import crc32

import msgspec
from opentelemetry.trace import SpanKind

from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Message, encode, partition_hash
from boxoffice.telemetry import traces

if TYPE_CHECKING:
    from boxoffice.kernel.database import Tx
    from boxoffice.kernel.tenancy import Tenant


class Outgoing(msgspec.Struct, frozen=True):
    """One row to be: see `outgoing`."""

    id: UUID
    tenant_id: UUID
    topic: str
    key: str
    type: str
    headers: str
    value: bytes


def outgoing(tenant: "Tenant", message: Message, id: UUID | None, causation: UUID | None, tx: "Tx") -> Outgoing:
    """The row of a message: keyed by tenant, or by tenant and lane when the tenant is spread over several."""
    subject = message.subject
    key = str(tenant.id) if tenant.spread == 1 else f"{tenant.id}#{crc32(subject.bytes) % tenant.spread}"
    headers = {
        "source": "boxoffice",
        "subject": str(subject),
        "tenantid": str(tenant.id),
        "partitionkey": key,
        "schemaversion": str(message.schema_version),
        "correlationid": tx.correlation_id or str(subject),
    }
    cause = tx.causes.get(str(subject))
    if cause is not None:
        headers["correlationid"] = cause.headers.get("correlationid", str(subject))
        headers["causationid"] = str(cause.id)
    if causation is not None:
        headers["causationid"] = str(causation)
    if trace := traces.mark(f"publish {message.topic}", SpanKind.PRODUCER, tx.trace_of(subject)):
        headers["traceparent"] = trace
    return Outgoing(
        id or uuid7(), tenant.id, message.topic, key, type(message).__name__,
        msgspec.json.encode(headers).decode(), encode(message),
    )  # fmt: skip


INSERT = """
    INSERT INTO platform.outbox (tenant_id, message_id, topic, key, hash, type, headers, value)
    SELECT tenant_id, message_id, topic, key, hash, type, headers::json, value
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int4[], $6::text[], $7::text[], $8::bytea[])
           WITH ORDINALITY AS m (tenant_id, message_id, topic, key, hash, type, headers, value, place)
     ORDER BY place
"""


async def write(db: Any, messages: Sequence[Outgoing]) -> None:
    """Insert the rows in the order given: ids, and so the order per key, follow it."""
    await db.execute(
        INSERT,
        [m.tenant_id for m in messages],
        [m.id for m in messages],
        [m.topic for m in messages],
        [m.key for m in messages],
        [partition_hash(m.key) for m in messages],
        [m.type for m in messages],
        [m.headers for m in messages],
        [m.value for m in messages],
    )


READ = """
    SELECT id, message_id, tenant_id, topic, key, type, headers, value, ts
      FROM (SELECT id, message_id, tenant_id, topic, key, type, headers, value, ts,
                   sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) AS before
              FROM (SELECT id, message_id, tenant_id, topic, key, type, headers, value, ts FROM platform.outbox
                     WHERE id > $3 AND ($4::text[] IS NULL OR topic = ANY($4)) ORDER BY id LIMIT $1) head) sized
     WHERE before < $2 AND EXISTS (SELECT FROM bus.carrier WHERE current = $5 AND next IS NULL) ORDER BY id
"""
DELETE = """
    WITH mine AS (
        SELECT FROM platform.leases, bus.carrier
         WHERE name = $2 AND owner = $3 AND epoch = $4 AND current = $5 AND next IS NULL FOR SHARE
    )
    DELETE FROM platform.outbox WHERE id = ANY($1::int8[]) AND EXISTS (SELECT FROM mine)
"""


async def read(
    db: Any, limit: int, bytes_max: int, after: int, topics: Sequence[str] | None, bus: str
) -> Sequence[Any]:
    """The next messages, of some topics or of all, for a relay to a bus outside PostgreSQL; they stay."""
    rows: Sequence[Any] = await db.fetch(READ, limit, bytes_max, after, topics, bus)
    return rows


async def delete(db: Any, ids: Sequence[int], lease: str, owner: UUID, epoch: int | None, bus: str) -> None:
    """Delete what the bus has; nothing under a lease that was lost, or while messages leave it: they are sent again."""
    await db.execute(DELETE, ids, lease, owner, epoch, bus)
