"""Notifications at rest, and the mailbox of a platform without a mail server: SQL in typed functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.kernel.database import Tx
from boxoffice.notifications.domain import Notice, Values


@dataclass(frozen=True, slots=True)
class Queued:
    """A notice that is to be sent; `attempts` counts this attempt too."""

    id: UUID
    notice: Notice
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """A notice that was given up."""

    id: UUID
    notice: Notice
    attempts: int
    last_error: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail in the mailbox."""

    id: UUID
    tenant_id: UUID
    notice: Notice
    at: datetime


async def insert(tx: Tx, ids: Sequence[UUID], message_ids: Sequence[UUID], notices: Sequence[Notice]) -> list[UUID]:
    """Write notices to be sent, one per message, channel and recipient; returns the ids of those that are new."""
    rows = await tx.db.fetch(
        """
        INSERT INTO notifications (id, message_id, channel, recipient, template, payload, status, created_at)
        SELECT id, message_id, channel, recipient, template, payload, 'QUEUED', $7
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
               AS new (id, message_id, channel, recipient, template, payload)
         ORDER BY message_id, channel, recipient
            ON CONFLICT (message_id, channel, recipient) DO NOTHING
        RETURNING id
        """,
        ids,
        message_ids,
        [notice.channel for notice in notices],
        [notice.recipient for notice in notices],
        [notice.template for notice in notices],
        [_json(notice.values) for notice in notices],
        tx.now,
    )
    return [row["id"] for row in rows]


async def attempt(tx: Tx, ids: Sequence[UUID]) -> list[Queued]:
    """Count one more attempt for those that still wait, and return them."""
    rows = await tx.db.fetch(
        """
        WITH waiting AS (
            SELECT id FROM notifications WHERE id = ANY($1::uuid[]) AND status = 'QUEUED' ORDER BY id FOR UPDATE)
        UPDATE notifications n SET attempts = attempts + 1
          FROM waiting WHERE n.id = waiting.id
        RETURNING n.id, channel, recipient, template, payload, attempts, created_at
        """,
        ids,
    )
    queued = [Queued(row["id"], _notice(row), row["attempts"], row["created_at"]) for row in rows]
    return sorted(queued, key=lambda each: each.id)


async def sent(tx: Tx, ids: Sequence[UUID]) -> None:
    await tx.db.execute(
        """
        UPDATE notifications SET status = 'SENT', sent_at = $2, last_error = NULL
         WHERE id = ANY($1::uuid[]) AND status = 'QUEUED'
        """,
        ids,
        tx.now,
    )


async def failed(tx: Tx, ids: Sequence[UUID], error: str) -> None:
    """Note why an attempt failed; there will be another."""
    await tx.db.execute(
        "UPDATE notifications SET last_error = $2 WHERE id = ANY($1::uuid[]) AND status = 'QUEUED'", ids, error
    )


async def bury(tx: Tx, ids: Sequence[UUID], error: str) -> None:
    """Give these up, and note why."""
    await tx.db.execute(
        """
        UPDATE notifications SET last_error = $2, status = 'DEAD' WHERE id = ANY($1::uuid[]) AND status = 'QUEUED'
        """,
        ids,
        error,
    )


async def dead(tx: Tx, limit: int) -> list[Dead]:
    """What was given up, oldest first."""
    rows = await tx.db.fetch(
        """
        SELECT id, channel, recipient, template, payload, attempts, last_error, created_at
          FROM notifications WHERE status = 'DEAD' ORDER BY created_at, id LIMIT $1
        """,
        limit,
    )
    return [Dead(row["id"], _notice(row), row["attempts"], row["last_error"] or "", row["created_at"]) for row in rows]


async def revive(tx: Tx, id: UUID) -> bool:
    """Queue a dead notice again; False when there is none of this id."""
    found = await tx.db.fetchval(
        "UPDATE notifications SET status = 'QUEUED', attempts = 0 WHERE id = $1 AND status = 'DEAD' RETURNING id", id
    )
    return found is not None


async def add_organizer(tx: Tx, email: str) -> None:
    await tx.db.execute("INSERT INTO organizer_contacts (email) VALUES ($1) ON CONFLICT (email) DO NOTHING", email)


async def organizers(tx: Tx) -> list[str]:
    return [row["email"] for row in await tx.db.fetch("SELECT email FROM organizer_contacts ORDER BY email")]


async def keep(tx: Tx, mails: Sequence[Queued]) -> None:
    """Put mails into the platform's mailbox instead of sending them."""
    await tx.db.execute(
        """
        INSERT INTO platform.dev_mail (id, tenant_id, channel, recipient, template, payload, at)
        SELECT id, $6, channel, recipient, template, payload, $7
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[])
               AS new (id, channel, recipient, template, payload)
            ON CONFLICT (id) DO NOTHING
        """,
        [mail.id for mail in mails],
        [mail.notice.channel for mail in mails],
        [mail.notice.recipient for mail in mails],
        [mail.notice.template for mail in mails],
        [_json(mail.notice.values) for mail in mails],
        tx.tenant.id,
        tx.now,
    )


async def kept(tx: Tx, recipient: str | None, limit: int) -> list[Kept]:
    """The newest mails of the mailbox, of one recipient if it is named."""
    rows = await tx.db.fetch(
        """
        SELECT id, tenant_id, channel, recipient, template, payload, at FROM platform.dev_mail
         WHERE $1::text IS NULL OR lower(recipient) = lower($1) ORDER BY at DESC, id DESC LIMIT $2
        """,
        recipient,
        limit,
    )
    return [Kept(row["id"], row["tenant_id"], _notice(row), row["at"]) for row in rows]


async def forget_kept(tx: Tx, before: datetime) -> None:
    """Empty the mailbox of what is older."""
    await tx.db.execute("DELETE FROM platform.dev_mail WHERE at < $1", before)


async def kept_mail(tx: Tx, id: UUID) -> Kept | None:
    row = await tx.db.fetchrow(
        "SELECT id, tenant_id, channel, recipient, template, payload, at FROM platform.dev_mail WHERE id = $1", id
    )
    return Kept(row["id"], row["tenant_id"], _notice(row), row["at"]) if row else None


def _json(values: Values) -> str:
    return msgspec.json.encode(values).decode()


def _notice(row: Any) -> Notice:
    values = msgspec.json.decode(row["payload"], type=dict[str, str | list[dict[str, str]]])
    return Notice(row["template"], row["recipient"], values, row["channel"])
