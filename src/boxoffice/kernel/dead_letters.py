"""Dead letters as an operator reads them; what becomes of one is decided in `retries`."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a group could not handle, its last error and when it was given up."""

    id: UUID
    tenant_id: UUID
    group: str
    topic: str
    type: str
    subject: str
    attempts: int
    error: str
    died_at: datetime
    headers: dict[str, str]
    value: bytes


FIND = """
    SELECT id, tenant_id, grp, topic, type, subject, attempts, error, died_at, headers, value
      FROM platform.dead_letters WHERE id = $1
"""
NEWEST = """
    SELECT id, tenant_id, grp, topic, type, subject, attempts, error, died_at, headers, value
      FROM platform.dead_letters
     WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR grp = $2)
       AND ($3::timestamptz IS NULL OR (died_at, id) < ($3, $4::uuid))
     ORDER BY died_at DESC, id DESC LIMIT $5
"""


async def find(db: Any, letter: UUID) -> Letter | None:
    row = await db.fetchrow(FIND, letter)
    return _letter(row) if row is not None else None


async def newest(
    db: Any, limit: int, *, tenant_id: UUID | None, group: str | None, before: tuple[datetime, UUID] | None
) -> list[Letter]:
    """The latest dead letters, of one tenant and one group if these are named, older than `before`."""
    died_at, id = before or (None, None)
    return [_letter(row) for row in await db.fetch(NEWEST, tenant_id, group, died_at, id, limit)]


def _letter(row: Any) -> Letter:
    return Letter(
        id=row["id"], tenant_id=row["tenant_id"], group=row["grp"], topic=row["topic"], type=row["type"],
        subject=row["subject"], attempts=row["attempts"], error=row["error"], died_at=row["died_at"],
        headers=msgspec.json.decode(row["headers"], type=dict[str, str]), value=row["value"],
    )  # fmt: skip
