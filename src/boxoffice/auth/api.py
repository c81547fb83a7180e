"""Auth over HTTP: reads the request, hashes outside of transactions, runs an action, renders what came of it."""

import hashlib
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from boxoffice.auth import actions, domain, store
from boxoffice.auth.domain import ACCESS_SECONDS, Account, Status
from boxoffice.auth.passwords import Passwords
from boxoffice.doors.identity import Issuer, invalid_token
from boxoffice.doors.limits import Limiter, Policy
from boxoffice.kernel import idempotency
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Forbidden, Unauthenticated
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call
from boxoffice.kernel.tenancy import Directory, Tenant

# Counts failures only, so that whoever knows the password is not slowed down by their own sign-ins.
FAILED_SIGN_INS = Policy(name="failed_sign_ins", per_minute=20, exact=True)
JWKS_HEADERS = {"Cache-Control": "public, max-age=300"}

Text = Annotated[str, msgspec.Meta(max_length=1024)]


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who wants to be a customer."""

    email: Text
    password: Text
    first_name: Text
    last_name: Text


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person signs in with."""

    email: Text
    password: Text


class Renewal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last refresh token of a session."""

    refresh_token: Text


class FirstAdmin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first admin of a tenant that is being provisioned; the password was hashed when the tenant was asked for."""

    tenant_id: UUID
    email: Text
    password_hash: Text
    first_name: Text
    last_name: Text


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person as they see themselves."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    role: str


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """An access token and the refresh token for the next one."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105  (RFC 6750's name of the scheme)
    expires_in: int = ACCESS_SECONDS


class GuestsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many guests a peer needs."""

    count: Annotated[int, msgspec.Meta(ge=1, le=100)]


class GuestToken(msgspec.Struct, frozen=True, kw_only=True):
    """A guest's name, signed."""

    guest_id: UUID
    guest_token: str


class HashedPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A person's address in normal form and a password's hash."""

    email: str
    password_hash: str


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class Api:
    """Auth's endpoints. Operators sign in through the same ones, on the platform's host."""

    def __init__(
        self, database: Database, directory: Directory, issuer: Issuer, passwords: Passwords, limiter: Limiter,
        fingerprint: bytes,
    ) -> None:  # fmt: skip
        self._database = database
        self._directory = directory
        self._issuer = issuer
        self._passwords = passwords
        self._limiter = limiter
        self._fingerprint = fingerprint

    async def register(self, call: Call) -> Answer:
        body: Registration = call.body
        person, problems = domain.check_person(body.email, body.first_name, body.last_name)
        domain.refuse(problems + domain.check_password(body.password, person.email))
        password_hash = await self._passwords.hash(body.password)

        async with self._database.transaction(call.tenant) as tx:
            account = await actions.register(tx, person, password_hash)
        return Answer(201, _user(account))

    async def login(self, call: Call) -> Answer:
        """A wrong password, an unknown address and an account that may not sign in look and last the same."""
        body: Credentials = call.body
        email = domain.normal_email(body.email)
        failures = _failures_key(call, email)
        await self._limiter.peek(FAILED_SIGN_INS, failures)

        async with self._transaction(call) as tx:
            account = await store.account_by_email(tx, email)
        right = await self._passwords.verify(body.password, account.password_hash if account else None)
        if account is None or not right or account.status is not Status.ACTIVE:
            await self._limiter.spend(FAILED_SIGN_INS, failures)
            raise _bad_credentials("The e-mail address or the password is wrong.")

        async with self._transaction(call) as tx:
            session = await actions.open_session(tx, account)
        return self._tokens(call, session)

    async def refresh(self, call: Call) -> Answer:
        body: Renewal = call.body
        async with self._transaction(call) as tx:
            session = await actions.renew_session(tx, body.refresh_token)
        return self._tokens(call, session)

    async def logout(self, call: Call) -> Answer:
        if call.caller.sid is None:
            raise invalid_token()
        async with self._transaction(call) as tx:
            await actions.end_session(tx, call.caller.sid)
        return Answer(204)

    async def me(self, call: Call) -> Answer:
        if call.caller.id is None:
            raise invalid_token()
        async with self._transaction(call) as tx:
            account = await store.account_by_id(tx, call.caller.id)
        if account is None or account.status is not Status.ACTIVE:
            raise invalid_token()
        return Answer(200, _user(account))

    async def guest(self, call: Call) -> Answer:
        """Guests are not stored: their token is all there is of them."""
        if call.idempotency_key is None:
            return Answer(201, self._guest_token(call.tenant, uuid7()))

        async def work(tx: Tx) -> tuple[int, UUID]:
            return 201, uuid7()

        async def render(tx: Tx, resource: str) -> GuestToken:
            return self._guest_token(call.tenant, UUID(resource))

        return await idempotency.once(self._database, call, self._fingerprint, work, render)

    async def guests(self, call: Call) -> Answer:
        """As many guests as a peer has met at once."""
        body: GuestsWanted = call.body
        return Answer(201, [self._guest_token(call.tenant, uuid7()) for _ in range(body.count)])

    def _guest_token(self, tenant: Tenant, guest_id: UUID) -> GuestToken:
        token = self._issuer.guest(tenant=tenant, guest_id=guest_id, now=datetime.now(UTC))
        return GuestToken(guest_id=guest_id, guest_token=token)

    async def jwks(self, call: Call) -> Answer:
        keys: dict[str, Any] = self._issuer.jwks(call.tenant)
        return Answer(200, Keys(keys=keys["keys"]), headers=dict(JWKS_HEADERS))

    async def hash_password(self, call: Call) -> Answer:
        """Check a person and hash their password for a peer that has to keep it for a while."""
        _only_tenants(call)
        body: Registration = call.body
        person, problems = domain.check_person(body.email, body.first_name, body.last_name)
        domain.refuse(problems + domain.check_password(body.password, person.email))
        hashed = await self._passwords.hash(body.password)
        return Answer(200, HashedPassword(email=person.email, password_hash=hashed))

    async def create_admin(self, call: Call) -> Answer:
        """Answers on the platform's host: the tenant's own does not serve before its admin exists."""
        _only_tenants(call)
        body: FirstAdmin = call.body
        person, problems = domain.check_person(body.email, body.first_name, body.last_name)
        domain.refuse(problems)
        tenant = await self._directory.by_id(body.tenant_id)
        async with self._database.transaction(tenant) as tx:
            account = await actions.create_admin(tx, person, body.password_hash)
        return Answer(201, _user(account))

    def _transaction(self, call: Call) -> AbstractAsyncContextManager[Tx]:
        return self._database.transaction(call.tenant) if call.tenant is not None else self._database.platform()

    def _tokens(self, call: Call, session: actions.Session | None) -> Answer:
        if session is None:
            raise _bad_credentials("Sign in again.")
        account = session.account
        access = self._issuer.access(
            tenant=call.tenant, user_id=account.id, role=account.role.value, sid=session.id, now=datetime.now(UTC)
        )
        return Answer(200, Tokens(access_token=access, refresh_token=session.refresh_token))


def _only_tenants(call: Call) -> None:
    if call.caller.name != "tenants":
        raise Forbidden("not_allowed", "Only the service that onboards tenants may ask this.")


def _failures_key(call: Call, email: str) -> str:
    host = str(call.tenant.id) if call.tenant is not None else "platform"
    return f"{host}:{hashlib.sha256(email.encode()).hexdigest()[:32]}"


def _bad_credentials(detail: str) -> Unauthenticated:
    return Unauthenticated("bad_credentials", detail, {"WWW-Authenticate": 'Bearer realm="boxoffice"'})


def _user(account: Account) -> User:
    return User(
        id=account.id, email=account.email, first_name=account.first_name, last_name=account.last_name,
        role=account.role.value,
    )  # fmt: skip
