"""Auth's verbs: join, open a session, renew it, end it. Each takes a transaction; hashing happened before."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from boxoffice.auth import store
from boxoffice.auth.domain import (
    ACCESS_SECONDS,
    REFRESH_LIFE,
    SESSION_LIFE,
    Account,
    Person,
    Role,
    Status,
    Verdict,
    judge,
)  # fmt: skip
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import revoke_session
from boxoffice.messages import UserRegistered

SECRET_BYTES = 32
ACCESS_TOKENS_DIE = timedelta(seconds=ACCESS_SECONDS + 60)  # the longest an access token can outlive its session
log = structlog.get_logger("auth")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner holds it: who they are, the session's id, and the refresh token to come back with."""

    account: Account
    id: UUID
    refresh_token: str


async def register(tx: Tx, person: Person, password_hash: str) -> Account:
    """Make a customer of the tenant. Raises Conflict `email_taken`."""
    account = _account(person, password_hash, Role.CUSTOMER)
    if not await store.add_users(tx, [account]):
        raise Conflict("email_taken", "Somebody with this e-mail address is registered already.")
    tx.publish(UserRegistered(user_id=account.id, email=account.email, first_name=account.first_name))
    return account


async def create_admin(tx: Tx, person: Person, password_hash: str) -> Account:
    """Make a tenant's first ADMIN; asked again, find them. Raises Conflict `email_taken` by somebody else."""
    account = _account(person, password_hash, Role.ADMIN)
    if await store.add_users(tx, [account]):
        return account
    known = await store.account_by_email(tx, person.email)
    if known is None or known.role is not Role.ADMIN:
        raise Conflict("email_taken", "Somebody with this e-mail address is registered already.")
    return known


async def enrol(tx: Tx, people: Sequence[tuple[Person, Role]], password_hash: str) -> list[Account]:
    """Enter many people at once, with one password for all, as the demo does; an address that is taken is passed over.

    Answers the accounts that were made. Nobody is told of them.
    """
    wanted = [_account(person, password_hash, role) for person, role in people]
    added = await store.add_users(tx, wanted)
    return [account for account in wanted if account.id in added]


async def create_operator(tx: Tx, person: Person, password_hash: str) -> Account:
    """Make an operator, in a platform transaction. Raises Conflict `email_taken`."""
    account = _account(person, password_hash, Role.OPERATOR)
    if not await store.add_operator(tx, account):
        raise Conflict("email_taken", "An operator with this e-mail address exists already.")
    return account


async def open_session(tx: Tx, verified: Account) -> Session | None:
    """Begin a session for an account whose password was verified just now; None if it changed meanwhile."""
    account = await store.account_by_id(tx, verified.id)
    if account is None or account.status is not Status.ACTIVE or account.password_hash != verified.password_hash:
        return None
    session_id, expires_at = uuid7(), tx.now + SESSION_LIFE
    token = _text(secrets.token_bytes(SECRET_BYTES))
    await store.add_session(tx, session_id, account.id, expires_at)
    await _add_token(tx, token, session_id, expires_at)
    return Session(account=account, id=session_id, refresh_token=token)


async def renew_session(tx: Tx, refresh_token: str) -> Session | None:
    """Take a refresh token for its successor; None: it earns nothing.

    It refuses by its answer, not by raising: the end of a stolen family has to be committed.
    """
    presented = await store.present_token(tx, _hash(refresh_token))
    if presented is None:
        return None
    token, successor = presented.token, _successor(refresh_token, presented.salt)
    match judge(token, tx.now):
        case Verdict.DEAD:
            return None
        case Verdict.REUSED:
            log.warning("refresh_token_reused", session=str(token.session_id), user=str(presented.account.id))
            await end_session(tx, token.session_id)
            return None
        case Verdict.ROTATE:
            await store.use_token(tx, _hash(refresh_token), _hash(successor))
            await _add_token(tx, successor, token.session_id, token.session_expires_at)
    return Session(account=presented.account, id=token.session_id, refresh_token=successor)


async def end_session(tx: Tx, session_id: UUID) -> None:
    """End a session: its refresh tokens at once, its access tokens everywhere within two seconds."""
    await store.revoke_session(tx, session_id)
    await revoke_session(tx, session_id, until=tx.now + ACCESS_TOKENS_DIE)


def _account(person: Person, password_hash: str, role: Role) -> Account:
    return Account(
        id=uuid7(), email=person.email, password_hash=password_hash, first_name=person.first_name,
        last_name=person.last_name, role=role, status=Status.ACTIVE,
    )  # fmt: skip


async def _add_token(tx: Tx, token: str, session_id: UUID, session_expires_at: datetime) -> None:
    expires_at = min(tx.now + REFRESH_LIFE, session_expires_at)
    await store.add_token(tx, _hash(token), session_id, secrets.token_bytes(SECRET_BYTES), expires_at)


def _successor(token: str, salt: bytes) -> str:
    """The next token of the chain: known again from the last one and its row's salt, so that a repeated request gets
    the same one, and from neither alone, so that no stored row can be turned into a token."""
    return _text(hmac.digest(salt, token.encode(), "sha256"))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
