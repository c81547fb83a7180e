"""The audit at rest."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.kernel.database import Tx


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One act of an operator: what was done (`action`) to what (`subject`), and what helps to understand it later."""

    id: UUID
    at: datetime
    operator: UUID
    action: str
    subject: str
    detail: dict[str, Any]


async def add(tx: Tx, tenant_id: UUID, entry: Entry) -> None:
    """Write down an act that concerns a tenant."""
    await tx.db.execute(
        """
        INSERT INTO platform.audit (id, at, operator, action, subject, detail, tenant_id)
        VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)
        """,
        entry.id, entry.at, entry.operator, entry.action, entry.subject, msgspec.json.encode(entry.detail).decode(),
        tenant_id,
    )  # fmt: skip


async def newest(tx: Tx, limit: int, before: tuple[datetime, UUID] | None) -> list[Entry]:
    """The latest entries, older than `before`."""
    at, id = before or (None, None)
    rows = await tx.db.fetch(
        """
        SELECT id, at, operator, action, subject, detail FROM platform.audit
         WHERE $1::timestamptz IS NULL OR (at, id) < ($1, $2::uuid)
         ORDER BY at DESC, id DESC LIMIT $3
        """,
        at, id, limit,
    )  # fmt: skip
    return [
        Entry(
            id=row["id"], at=row["at"], operator=row["operator"], action=row["action"], subject=row["subject"],
            detail=msgspec.json.decode(row["detail"]),
        )
        for row in rows
    ]  # fmt: skip
