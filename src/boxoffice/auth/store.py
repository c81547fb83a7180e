"""Auth's tables: users (operators on the platform), sessions, and the chain of each session's refresh tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.auth.domain import Account, RefreshToken, Role, Status
from boxoffice.kernel.database import Tx

USER_BY_EMAIL = """
    SELECT id, email, password_hash, first_name, last_name, role, status FROM users WHERE email = $1
"""
USER_BY_ID = """
    SELECT id, email, password_hash, first_name, last_name, role, status FROM users WHERE id = $1
"""
OPERATOR_BY_EMAIL = """
    SELECT id, email, password_hash, first_name, last_name, 'OPERATOR' AS role, status
      FROM platform.operators WHERE email = $1
"""
OPERATOR_BY_ID = """
    SELECT id, email, password_hash, first_name, last_name, 'OPERATOR' AS role, status
      FROM platform.operators WHERE id = $1
"""
ADD_USERS = """
    INSERT INTO users (id, email, password_hash, first_name, last_name, role, status)
    SELECT id, email, password_hash, first_name, last_name, role, status
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
           AS wanted (id, email, password_hash, first_name, last_name, role, status)
    ON CONFLICT (email) DO NOTHING
    RETURNING id
"""
ADD_OPERATOR = """
    INSERT INTO platform.operators (id, email, password_hash, first_name, last_name, status)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (email) DO NOTHING
    RETURNING id
"""
FORGET_DEAD_SESSIONS = """
    DELETE FROM sessions WHERE user_id = $1 AND (expires_at <= $2 OR revoked_at IS NOT NULL)
"""
ADD_SESSION = """
    INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
"""
REVOKE_SESSION = """
    UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL
"""
LOCK_SESSION = """
    SELECT id, user_id, expires_at, revoked_at
      FROM sessions
     WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1)
       FOR UPDATE
"""
PRESENTED = """
    SELECT t.salt, t.expires_at, t.used_at, n.used_at IS NOT NULL AS successor_used
      FROM refresh_tokens t LEFT JOIN refresh_tokens n ON n.hash = t.successor
     WHERE t.hash = $1
"""
ADD_REFRESH = """
    INSERT INTO refresh_tokens (hash, session_id, salt, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
"""
USE_REFRESH = """
    UPDATE refresh_tokens SET used_at = $2, successor = $3 WHERE hash = $1 AND used_at IS NULL
"""


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token's row with its account; the session is locked until the transaction ends."""

    token: RefreshToken
    salt: bytes
    account: Account


async def account_by_email(tx: Tx, email: str) -> Account | None:
    sql = USER_BY_EMAIL if tx.tenant is not None else OPERATOR_BY_EMAIL
    return _account(await tx.db.fetchrow(sql, email))


async def account_by_id(tx: Tx, account_id: UUID) -> Account | None:
    sql = USER_BY_ID if tx.tenant is not None else OPERATOR_BY_ID
    return _account(await tx.db.fetchrow(sql, account_id))


async def add_users(tx: Tx, accounts: Sequence[Account]) -> set[UUID]:
    """Insert users; the ids of those whose address was free."""
    rows = await tx.db.fetch(
        ADD_USERS,
        [account.id for account in accounts],
        [account.email for account in accounts],
        [account.password_hash for account in accounts],
        [account.first_name for account in accounts],
        [account.last_name for account in accounts],
        [account.role.value for account in accounts],
        [account.status.value for account in accounts],
    )
    return {row["id"] for row in rows}


async def add_operator(tx: Tx, account: Account) -> bool:
    """Insert an operator; False when the address is taken."""
    added = await tx.db.fetchval(
        ADD_OPERATOR, account.id, account.email, account.password_hash, account.first_name, account.last_name,
        account.status.value,
    )  # fmt: skip
    return added is not None


async def add_session(tx: Tx, session_id: UUID, account_id: UUID, expires_at: datetime) -> None:
    """Open a session; the account's dead ones go."""
    await tx.db.execute(FORGET_DEAD_SESSIONS, account_id, tx.now)
    await tx.db.execute(ADD_SESSION, session_id, account_id, tx.now, expires_at)


async def revoke_session(tx: Tx, session_id: UUID) -> None:
    await tx.db.execute(REVOKE_SESSION, session_id, tx.now)


async def present_token(tx: Tx, token_hash: bytes) -> Presented | None:
    """Lock the session of a refresh token, then read what is known of it; None: there is no such token."""
    session = await tx.db.fetchrow(LOCK_SESSION, token_hash)
    if session is None:
        return None
    row = await tx.db.fetchrow(PRESENTED, token_hash)
    account = await account_by_id(tx, session["user_id"])
    if row is None or account is None:
        return None
    token = RefreshToken(
        session_id=session["id"],
        session_expires_at=session["expires_at"],
        session_revoked=session["revoked_at"] is not None,
        account_active=account.status is Status.ACTIVE,
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        successor_used=row["successor_used"],
    )
    return Presented(token=token, salt=row["salt"], account=account)


async def add_token(tx: Tx, token_hash: bytes, session_id: UUID, salt: bytes, expires_at: datetime) -> None:
    await tx.db.execute(ADD_REFRESH, token_hash, session_id, salt, tx.now, expires_at)


async def use_token(tx: Tx, token_hash: bytes, successor_hash: bytes) -> None:
    """Mark a token used. Raises RuntimeError when it was used already: its session was not locked."""
    if await tx.db.execute(USE_REFRESH, token_hash, tx.now, successor_hash) != "UPDATE 1":
        raise RuntimeError("a refresh token was used twice under its session's lock")


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(
        id=row["id"], email=row["email"], password_hash=row["password_hash"], first_name=row["first_name"],
        last_name=row["last_name"], role=Role(row["role"]), status=Status(row["status"]),
    )  # fmt: skip
