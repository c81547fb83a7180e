"""Who is calling: callers, the tokens that say so, who may sign them and how everyone else verifies them."""

import asyncio
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, NoReturn
from uuid import UUID

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from boxoffice.doors.keys import Keyring, public_keys
from boxoffice.kernel.caller import Caller, Kind
from boxoffice.kernel.errors import Forbidden, Refusal, Unauthenticated, Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Status, Tenant

ISSUER = "boxoffice"
PLATFORM = "platform"  # the tenantId of operators' tokens
ACCESS_SECONDS = 15 * 60
SERVICE_SECONDS = 5 * 60
SKEW_SECONDS = 30
LONGEST_TOKEN = 2048
REMEMBERED_TOKENS = 10_000
KEYS_FRESH_SECONDS = 300.0  # older keys are fetched again, though they still serve when that fails
KEYS_AGAIN_SECONDS = 30.0  # how often an unknown key id may make us ask at all
KEYS_RETRY_SECONDS = 1.0
TENANT_KEYS, PLATFORM_KEYS, GUEST_KEYS = "access", "platform-access", "guest"
SERVICE_KEYS = "service-"
TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
JWS = jwt.PyJWS(["EdDSA"])
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
log = structlog.get_logger("identity")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The header of every token of ours; one with any other member (jku, jwk, x5c, crit, b64 …) is not ours."""

    alg: Literal["EdDSA"]
    typ: Literal["at+jwt", "guest+jwt", "svc+jwt"]
    kid: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What every token says; times are whole seconds, as we sign them."""

    iss: Literal["boxoffice"]
    aud: str
    sub: str
    tenantId: str  # noqa: N815  (the spec's name): a schema, or "platform"
    iat: int
    jti: str


class AccessClaims(Claims, frozen=True, kw_only=True):
    role: str
    sid: UUID
    nbf: int
    exp: int


class GuestClaims(Claims, frozen=True, kw_only=True):
    """A guest's token does not expire: it is all that a guest has to find the booking again."""


class ServiceClaims(Claims, frozen=True, kw_only=True):
    nbf: int
    exp: int


CLAIMS: dict[str, type[Claims]] = {"at+jwt": AccessClaims, "guest+jwt": GuestClaims, "svc+jwt": ServiceClaims}


class Issuer:
    """Signs access and guest tokens. Only auth has the keyring that holds these keys.

    `verifier` is the one of the same process: what is signed here need not be verified here as well.
    """

    def __init__(self, keyring: Keyring, verifier: "Verifier | None" = None) -> None:
        self._keyring = keyring
        self._verifier = verifier

    def access(self, *, tenant: Tenant | None, user_id: UUID, role: str, sid: UUID, now: datetime) -> str:
        """A token for fifteen minutes; without a tenant, an operator's."""
        issued = int(now.timestamp())
        claims = _claims(tenant, str(user_id), issued) | {
            "role": role, "sid": str(sid), "nbf": issued, "exp": issued + ACCESS_SECONDS,
        }  # fmt: skip
        return self._signed(TENANT_KEYS if tenant else PLATFORM_KEYS, "at+jwt", claims)

    def guest(self, *, tenant: Tenant, guest_id: UUID, now: datetime) -> str:
        return self._signed(GUEST_KEYS, "guest+jwt", _claims(tenant, str(guest_id), int(now.timestamp())))

    def jwks(self, tenant: Tenant | None) -> dict[str, Any]:
        """The keys that verify this host's tokens, as served under `/.well-known/jwks.json`."""
        return self._keyring.jwks(TENANT_KEYS, GUEST_KEYS) if tenant else self._keyring.jwks(PLATFORM_KEYS)

    def _signed(self, name: str, kind: str, claims: dict[str, Any]) -> str:
        token = _sign(self._keyring, name, kind, claims)
        if self._verifier is not None:
            self._verifier.believe(token)
        return token


def service_token(keyring: Keyring, *, caller: str, callee: str, tenant: Tenant | None, now: datetime) -> str:
    """A token by which one service calls another on one host for five minutes."""
    issued = int(now.timestamp())
    claims = _claims(tenant, f"svc:{caller}", issued) | {"aud": callee, "nbf": issued, "exp": issued + SERVICE_SECONDS}
    return _sign(keyring, SERVICE_KEYS + caller, "svc+jwt", claims)


def _claims(tenant: Tenant | None, subject: str, issued: int) -> dict[str, Any]:
    return {
        "iss": ISSUER, "aud": ISSUER, "sub": subject, "tenantId": tenant.schema if tenant else PLATFORM,
        "iat": issued, "jti": str(uuid7()),
    }  # fmt: skip


def _sign(keyring: Keyring, name: str, kind: str, claims: dict[str, Any]) -> str:
    """A signed token (RFC 7515, section 3.1)."""
    key = keyring.signing(name, share=name.startswith(SERVICE_KEYS))
    head = msgspec.json.encode({"alg": "EdDSA", "typ": kind, "kid": key.kid})
    signed = b".".join((_base64(head), _base64(msgspec.json.encode(claims))))
    return b".".join((signed, _base64(key.private.sign(signed)))).decode()


def _base64(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


class Verified(NamedTuple):
    """A token whose signature was good: whom it names, on which host, for which service, until when."""

    caller: Caller
    tenant_id: str
    audience: str
    not_before: float
    expires_at: float


class KeySet:
    """The public keys of one issuer by id, fetched when they are old or when an unknown id turns up."""

    def __init__(self) -> None:
        self.keys: Mapping[str, Ed25519PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str, ask: Callable[[], Awaitable[Mapping[str, Any]]]) -> Ed25519PublicKey | None:
        """The key called `kid`; while its issuer does not answer, the keys we have go on serving."""
        known = kid in self.keys
        if self._wanted(kid) and not (known and self._fetching.locked()):
            async with self._fetching:
                if self._wanted(kid):
                    await self._fetch(ask)
        if not self.keys:
            raise Unavailable("unavailable", "Credentials cannot be checked right now; try again in a moment.")
        return self.keys.get(kid)

    def _wanted(self, kid: str) -> bool:
        now = time.monotonic()
        if now - self._tried_at < KEYS_RETRY_SECONDS:
            return False
        return now - self._fetched_at > (KEYS_FRESH_SECONDS if kid in self.keys else KEYS_AGAIN_SECONDS)

    async def _fetch(self, ask: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        try:
            self.keys = public_keys(await ask())
            self._fetched_at = time.monotonic()
        except Exception as fault:
            log.warning("keys_not_fetched", fault=repr(fault))
        self._tried_at = time.monotonic()


class Verifier:
    """Verifies every token by itself: signature, times, audience, and that it belongs to the host it came to."""

    def __init__(
        self,
        *,
        fetch_jwks: Callable[[Tenant | None], Awaitable[Mapping[str, Any]]],
        keyring: Keyring,
        directory: Directory,
    ) -> None:
        self._fetch_jwks = fetch_jwks
        self._keyring = keyring
        self._directory = directory
        self._tenants, self._platform = KeySet(), KeySet()  # all tenants' hosts serve the same keys
        self._services: Mapping[str, tuple[str, Ed25519PublicKey]] = {}
        self._services_read_at = float("-inf")
        self._verified: dict[str, Verified] = {}
        directory.on_revocation(self._verified.clear)

    async def bearer(self, token: str, *, tenant: Tenant | None, service: str) -> Caller:
        """The user or the peer behind `Authorization: Bearer`. Raises Unauthenticated or Forbidden `wrong_tenant`."""
        caller = await self._caller(token, tenant, service)
        return caller if caller.kind is not Kind.GUEST else _refuse()

    async def guest(self, token: str, *, tenant: Tenant | None, service: str) -> Caller:
        """The guest behind `Guest-Token`. Raises Unauthenticated or Forbidden `wrong_tenant`."""
        caller = await self._caller(token, tenant, service)
        return caller if caller.kind is Kind.GUEST else _refuse()

    def believe(self, token: str) -> None:
        """Take a token for verified that this very process has signed."""
        kind = msgspec.json.decode(_part(token, 0), type=Header).typ
        self._remember(token, _judge(token, msgspec.json.decode(_part(token, 1), type=CLAIMS[kind]), ""))

    def _remember(self, token: str, verified: Verified) -> None:
        if len(self._verified) >= REMEMBERED_TOKENS:
            self._verified.pop(next(iter(self._verified)), None)
        self._verified[token] = verified

    async def _caller(self, token: str, tenant: Tenant | None, service: str) -> Caller:
        verified = self._verified.get(token)
        if verified is None:
            verified = await self._verify(token, tenant)
            self._remember(token, verified)
        now = time.time()
        caller = verified.caller
        if not verified.not_before - SKEW_SECONDS <= now < verified.expires_at + SKEW_SECONDS:
            self._verified.pop(token, None)
            _refuse()
        if verified.audience != (service if caller.kind is Kind.PEER else ISSUER):
            _refuse()
        if caller.sid is not None and self._directory.is_revoked(caller.sid):
            _refuse()
        if verified.tenant_id != (tenant.schema if tenant is not None else PLATFORM):
            raise Forbidden("wrong_tenant", "This credential belongs to another host.")
        return caller

    async def _verify(self, token: str, tenant: Tenant | None) -> Verified:
        if len(token) > LONGEST_TOKEN or TOKEN.fullmatch(token) is None:
            _refuse()
        try:
            header = msgspec.json.decode(_part(token, 0), type=Header)
            claims = msgspec.json.decode(_part(token, 1), type=CLAIMS[header.typ])
        except (ValueError, msgspec.DecodeError, RecursionError):
            _refuse()
        if KEY_ID.fullmatch(header.kid) is None:
            _refuse()
        key, signer = await self._key(header, claims, tenant)
        try:
            JWS.decode(token, key, algorithms=["EdDSA"])  # the signature only: what it says is judged below
        except jwt.PyJWTError:
            _refuse()
        return _judge(token, claims, signer)

    async def _key(self, header: Header, claims: Claims, tenant: Tenant | None) -> tuple[Ed25519PublicKey, str]:
        if header.typ == "svc+jwt":
            name, key = self._service_key(header.kid)
            return key, name
        if claims.tenantId == PLATFORM:
            found = await self._platform.find(header.kid, lambda: self._fetch_jwks(None))
        else:
            host = tenant or next((each for each in self._directory.all() if each.status is Status.ACTIVE), None)
            found = await self._tenants.find(header.kid, lambda: self._fetch_jwks(host)) if host else None
        return (found, "") if found is not None else _refuse()

    def _service_key(self, kid: str) -> tuple[str, Ed25519PublicKey]:
        if kid not in self._services and time.monotonic() - self._services_read_at > KEYS_RETRY_SECONDS:
            self._services_read_at = time.monotonic()
            self._services = self._keyring.shared(SERVICE_KEYS)
        found = self._services.get(kid)
        return found if found is not None else _refuse()


def _part(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _judge(token: str, claims: Claims, signer: str) -> Verified:
    """What a signed token amounts to. Raises Unauthenticated when it says what we would never sign."""
    now, lifetime = time.time(), 0
    match claims:
        case AccessClaims():
            caller = Caller(kind=Kind.USER, id=_id(claims.sub), role=claims.role, sid=claims.sid, token=token)
            not_before, expires_at, lifetime = claims.nbf, claims.exp, ACCESS_SECONDS
        case ServiceClaims():
            caller = Caller(kind=Kind.PEER, name=signer, token=token)
            not_before, expires_at, lifetime = claims.nbf, claims.exp, SERVICE_SECONDS
            if claims.sub != f"svc:{signer}":
                _refuse()
        case _:
            caller = Caller(kind=Kind.GUEST, id=_id(claims.sub), token=token)
            not_before, expires_at = claims.iat, 2**53
    if not 0 < claims.iat <= now + SKEW_SECONDS:
        _refuse()
    if lifetime and not claims.iat < expires_at <= claims.iat + lifetime:
        _refuse()
    return Verified(caller, claims.tenantId, claims.aud, not_before, expires_at)


def _id(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError:
        _refuse()


def invalid_token() -> Refusal:
    return Unauthenticated(
        "invalid_token", "The credential is not valid, or no longer.",
        {"WWW-Authenticate": 'Bearer realm="boxoffice", error="invalid_token"'},
    )  # fmt: skip


def _refuse() -> NoReturn:
    raise invalid_token()
