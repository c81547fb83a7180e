"""Tokens: what we sign is accepted where it belongs, and nothing else anywhere."""

import base64
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from boxoffice.doors import identity
from boxoffice.doors.identity import Issuer, Verifier, service_token
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.caller import Caller, Kind
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Forbidden, Refusal, Unauthenticated, Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.tenancy import NewTenant
from tests.support.waiting import eventually


@dataclass
class Outage:
    lasts: bool = False


@dataclass
class World:
    """An issuer, a verifier that fetches its keys, and how often it did."""

    keyring: Keyring
    issuer: Issuer
    verifier: Verifier
    tenant: Tenant
    directory: Directory
    fetched: list[Tenant | None]
    outage: Outage

    def access(self, **changes: Any) -> str:
        given: dict[str, Any] = {
            "tenant": self.tenant, "user_id": uuid7(), "role": "CUSTOMER", "sid": uuid7(), "now": datetime.now(UTC),
        }  # fmt: skip
        return self.issuer.access(**(given | changes))

    def guest(self, guest_id: UUID | None = None) -> str:
        return self.issuer.guest(tenant=self.tenant, guest_id=guest_id or uuid7(), now=datetime.now(UTC))

    async def bearer(self, token: str, tenant: Tenant | str | None = "own", service: str = "bookings") -> Caller:
        host = self.tenant if isinstance(tenant, str) else tenant
        return await self.verifier.bearer(token, tenant=host, service=service)

    async def refusal(self, token: str) -> Refusal:
        with pytest.raises(Refusal) as refusal:
            await self.bearer(token)
        return refusal.value


@pytest.fixture
async def world(tmp_path: Path, directory: Directory, tenant: Tenant) -> World:
    await directory.refresh()
    keyring = Keyring(tmp_path)
    issuer = Issuer(keyring)

    fetched: list[Tenant | None] = []
    outage = Outage()

    async def fetch(host: Tenant | None) -> Mapping[str, Any]:
        fetched.append(host)
        if outage.lasts:
            raise Unavailable("unavailable", "auth is down")
        return issuer.jwks(host)

    verifier = Verifier(fetch_jwks=fetch, keyring=keyring, directory=directory)
    return World(keyring, issuer, verifier, tenant, directory, fetched, outage)


async def test_an_access_token_names_its_user(world: World) -> None:
    user_id, sid = uuid7(), uuid7()

    caller = await world.bearer(world.access(user_id=user_id, sid=sid, role="ORGANIZER"))

    assert (caller.kind, caller.id, caller.role, caller.sid) == (Kind.USER, user_id, "ORGANIZER", sid)
    assert caller.key == f"user:{user_id}"


async def test_the_claims_are_those_of_the_specification(world: World) -> None:
    claims = jwt.decode(world.access(), options={"verify_signature": False})

    assert claims["tenantId"] == world.tenant.schema
    assert claims["exp"] - claims["iat"] == 900
    assert set(claims) == {"sub", "tenantId", "role", "iat", "exp", "jti", "iss", "aud", "sid", "nbf"}


async def test_a_guest_token_names_its_guest_and_does_not_expire(world: World) -> None:
    guest_id = uuid7()

    caller = await world.verifier.guest(world.guest(guest_id), tenant=world.tenant, service="bookings")

    assert (caller.kind, caller.id) == (Kind.GUEST, guest_id)


async def test_what_a_process_has_signed_it_believes_without_a_key(world: World, new_tenant: NewTenant) -> None:
    world.outage.lasts = True
    other = await new_tenant()
    guest_id = uuid7()
    issuer = Issuer(world.keyring, world.verifier)

    token = issuer.guest(tenant=world.tenant, guest_id=guest_id, now=datetime.now(UTC))
    caller = await world.verifier.guest(token, tenant=world.tenant, service="bookings")

    assert (caller.kind, caller.id, caller.token) == (Kind.GUEST, guest_id, token)
    with pytest.raises(Forbidden):
        await world.verifier.guest(token, tenant=other, service="bookings")
    with pytest.raises(Unavailable):
        await world.verifier.guest(world.guest(guest_id), tenant=world.tenant, service="bookings")


async def test_an_operators_token_serves_on_the_platform_host_only(world: World) -> None:
    token = world.access(tenant=None, role="OPERATOR")

    caller = await world.bearer(token, tenant=None)
    refusal = await world.refusal(token)

    assert caller.role == "OPERATOR"
    assert isinstance(refusal, Forbidden)
    assert refusal.code == "wrong_tenant"


async def test_another_tenants_token_is_refused_everywhere_but_at_home(world: World, new_tenant: NewTenant) -> None:
    other = await new_tenant()
    token = world.access()

    for host in (other, None):
        with pytest.raises(Forbidden) as refusal:
            await world.bearer(token, tenant=host)
        assert refusal.value.code == "wrong_tenant"
    assert (await world.bearer(token)).kind is Kind.USER


async def test_a_service_token_serves_its_callee_only(world: World) -> None:
    token = service_token(
        world.keyring, caller="bookings", callee="events", tenant=world.tenant, now=datetime.now(UTC)
    )  # fmt: skip

    caller = await world.bearer(token, service="events")

    assert (caller.kind, caller.name, caller.key) == (Kind.PEER, "bookings", "peer:bookings")
    with pytest.raises(Unauthenticated):
        await world.bearer(token, service="payments")


async def test_a_service_cannot_sign_in_anothers_name(world: World) -> None:
    key = world.keyring.signing("service-payments", share=True)
    now = int(time.time())
    claims = {"iss": "boxoffice", "aud": "events", "sub": "svc:bookings", "tenantId": world.tenant.schema, "iat": now,
              "nbf": now, "exp": now + 300, "jti": "1"}  # fmt: skip

    token = jwt.encode(claims, key.private, algorithm="EdDSA", headers={"typ": "svc+jwt", "kid": key.kid})

    with pytest.raises(Unauthenticated):
        await world.bearer(token, service="events")


async def test_each_kind_of_token_goes_in_its_own_header_only(world: World) -> None:
    with pytest.raises(Unauthenticated):
        await world.bearer(world.guest())
    with pytest.raises(Unauthenticated):
        await world.verifier.guest(world.access(), tenant=world.tenant, service="bookings")


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


def resigned(world: World, name: str = "access", **changes: Any) -> str:
    """A token signed with our own key that says something we never would; None takes a claim away."""
    claims = jwt.decode(world.access(), options={"verify_signature": False}) | changes
    key = world.keyring.signing(name)
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key.private, algorithm="EdDSA",
        headers={"typ": "at+jwt", "kid": key.kid},
    )  # fmt: skip


def with_header(world: World, **changes: Any) -> str:
    """A token signed with our own key under another header."""
    key = world.keyring.signing("access")
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid} | changes
    payload = world.access().split(".")[1]
    signed = f"{encoded({name: value for name, value in header.items() if value is not None})}.{payload}"
    return f"{signed}.{base64.urlsafe_b64encode(key.private.sign(signed.encode())).rstrip(b'=').decode()}"


def with_algorithm(world: World, algorithm: str, secret: Any) -> str:
    """A token whose header names our key and another algorithm: the classic confusions."""
    token = world.access()
    kid = jwt.get_unverified_header(token)["kid"]
    payload = token.split(".")[1]
    signing_input = f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': kid})}.{payload}"
    signer = jwt.get_algorithm_by_name(algorithm)
    signature = signer.sign(signing_input.encode(), secret)
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def unsigned(world: World, algorithm: str) -> str:
    token = world.access()
    kid = jwt.get_unverified_header(token)["kid"]
    return f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': kid})}.{token.split('.')[1]}."


def public_half(world: World, encoding: Encoding, form: PublicFormat) -> bytes:
    return world.keyring.signing("access").private.public_key().public_bytes(encoding, form)


def later(seconds: int) -> int:
    return int(time.time()) + seconds


Forge = Callable[[World], str]
ATTACKS: dict[str, Forge] = {
    # Algorithms.
    "alg none": lambda w: unsigned(w, "none"),
    "alg None": lambda w: unsigned(w, "None"),
    "alg NONE": lambda w: unsigned(w, "NONE"),
    "no signature": lambda w: w.access().rpartition(".")[0] + ".",
    "two parts": lambda w: w.access().rpartition(".")[0],
    "HS256 with the raw public key": lambda w: with_algorithm(
        w, "HS256", public_half(w, Encoding.Raw, PublicFormat.Raw)),
    "HS256 with the public key's DER": lambda w: with_algorithm(
        w, "HS256", public_half(w, Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    "HS256 with the public key's PEM": lambda w: with_algorithm(
        w, "HS256", public_half(w, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    "HS256 with the JWK": lambda w: with_algorithm(w, "HS256", msgspec.json.encode(w.issuer.jwks(w.tenant)["keys"][0])),
    "RS256 with a key of one's own": lambda w: with_algorithm(w, "RS256", rsa.generate_private_key(65537, 2048)),
    "another payload under a good signature": lambda w: ".".join(
        [w.access().split(".")[0], resigned(w, role="ADMIN").split(".")[1], w.access().split(".")[2]]),
    # Key ids and headers.
    "kid is a path": lambda w: with_header(w, kid="../../dev/null"),
    "kid is SQL": lambda w: with_header(w, kid="' OR 1=1 --"),
    "kid is a URL": lambda w: with_header(w, kid="https://evil.example/key"),
    "kid is long": lambda w: with_header(w, kid="k" * 1_000),
    "kid is unknown": lambda w: with_header(w, kid="unknown"),
    "kid is a list": lambda w: with_header(w, kid=["a"]),
    "kid is missing": lambda w: with_header(w, kid=None),
    "jku": lambda w: with_header(w, jku="https://evil.example/jwks.json"),
    "jwk": lambda w: with_header(w, jwk=w.issuer.jwks(w.tenant)["keys"][0]),
    "x5u": lambda w: with_header(w, x5u="https://evil.example/cert"),
    "x5c": lambda w: with_header(w, x5c=["MII"]),
    "crit": lambda w: with_header(w, crit=["exp"]),
    "b64": lambda w: with_header(w, b64=False),
    "zip": lambda w: with_header(w, zip="DEF"),
    "typ JWT": lambda w: with_header(w, typ="JWT"),
    "typ missing": lambda w: with_header(w, typ=None),
    "typ of a service": lambda w: with_header(w, typ="svc+jwt"),
    "the platform's key for a tenant": lambda w: resigned(w, name="platform-access"),
    "a tenant's key for the platform": lambda w: resigned(w, tenantId="platform"),
    "a key nobody publishes": lambda w: resigned(w, name="private"),
    # Claims.
    "expired": lambda w: resigned(w, iat=later(-1_000), nbf=later(-1_000), exp=later(-100)),
    "exp far away": lambda w: resigned(w, exp=later(10_000)),
    "exp 1e20": lambda w: resigned(w, exp=10**20),
    "exp a string": lambda w: resigned(w, exp=str(later(100))),
    "exp a float": lambda w: resigned(w, exp=later(100) + 0.5),
    "exp negative": lambda w: resigned(w, exp=-1),
    "exp missing": lambda w: resigned(w, exp=None),
    "nbf in the future": lambda w: resigned(w, nbf=later(100)),
    "nbf a string": lambda w: resigned(w, nbf="0"),
    "nbf missing": lambda w: resigned(w, nbf=None),
    "iat in the future": lambda w: resigned(w, iat=later(100), exp=later(900)),
    "iat negative": lambda w: resigned(w, iat=-5),
    "iat missing": lambda w: resigned(w, iat=None),
    "aud of another": lambda w: resigned(w, aud="bookings"),
    "aud a list": lambda w: resigned(w, aud=["boxoffice"]),
    "aud missing": lambda w: resigned(w, aud=None),
    "iss of another": lambda w: resigned(w, iss="evil"),
    "iss missing": lambda w: resigned(w, iss=None),
    "sub no id": lambda w: resigned(w, sub="admin"),
    "sid missing": lambda w: resigned(w, sid=None),
    "jti missing": lambda w: resigned(w, jti=None),
    "tenantId missing": lambda w: resigned(w, tenantId=None),
    "role missing": lambda w: resigned(w, role=None),
    # Shapes.
    "empty": lambda w: "",
    "nonsense": lambda w: "nonsense",
    "spaces around": lambda w: f" {w.access()} ",
    "a line break inside": lambda w: w.access()[:20] + "\n" + w.access()[20:],
    "Bearer twice": lambda w: f"Bearer {w.access()}",
    "a token in a token": lambda w: resigned(w, sub=w.access()),
    "64 kB": lambda w: "a" * 65_536,
    "64 kB of header": lambda w: with_header(w, kid="k" * 65_536),
    "deep JSON": lambda w: f"{base64.urlsafe_b64encode(b'[' * 900).decode().rstrip('=')}.e30.e30",
    "an opaque refresh token": lambda w: base64.urlsafe_b64encode(b"x" * 32).decode(),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_is_refused(world: World, attack: str) -> None:
    refusal = await world.refusal(ATTACKS[attack](world))

    assert isinstance(refusal, Unauthenticated)
    assert refusal.code == "invalid_token"
    assert "WWW-Authenticate" in refusal.headers
    assert (await world.bearer(resigned(world))).kind is Kind.USER  # the same, without the forgery


async def test_a_remembered_token_still_expires(world: World) -> None:
    issued = datetime.now(UTC) - timedelta(seconds=identity.ACCESS_SECONDS + identity.SKEW_SECONDS - 1)
    token = world.access(now=issued)
    await world.bearer(token)

    async def refused() -> bool:
        try:
            await world.bearer(token)
        except Unauthenticated:
            return True
        return False

    assert await eventually(refused, within=5)


async def test_a_revoked_session_ends_a_remembered_token(world: World, database: Database) -> None:
    sid = uuid7()
    token, other = world.access(sid=sid), world.access()
    await world.bearer(token)

    async with database.platform() as tx:
        await tx.db.execute(
            "INSERT INTO platform.revoked_sessions (sid, tenant_id, revoked_until) VALUES ($1, $2, $3)",
            sid, world.tenant.id, tx.now + timedelta(hours=1),
        )  # fmt: skip
    await world.directory.refresh()

    assert isinstance(await world.refusal(token), Unauthenticated)
    assert (await world.bearer(other)).kind is Kind.USER


async def test_a_thousand_unknown_keys_cost_one_fetch(world: World) -> None:
    for number in range(1_000):
        await world.refusal(with_header(world, kid=f"unknown-{number}"))

    assert len(world.fetched) == 1


async def test_known_keys_serve_while_auth_is_down(world: World) -> None:
    await world.bearer(world.access())
    world.outage.lasts = True

    caller = await world.bearer(world.access())

    assert caller.kind is Kind.USER


async def test_without_any_keys_the_answer_is_not_now_rather_than_no(world: World) -> None:
    world.outage.lasts = True

    assert isinstance(await world.refusal(world.access()), Unavailable)


async def test_a_successor_key_is_known_before_it_first_signs(world: World, tmp_path: Path) -> None:
    old = world.access()
    successor = world.keyring.rotate("access")
    await world.bearer(old)
    for path, age in ((tmp_path / "access.1.pem", 2_000), (successor, 1_000)):
        os.utime(path, (time.time() - age, time.time() - age))

    new = Issuer(Keyring(tmp_path)).access(
        tenant=world.tenant, user_id=uuid7(), role="ADMIN", sid=uuid7(), now=datetime.now(UTC)
    )

    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert (await world.bearer(new)).role == "ADMIN"
    assert (await world.bearer(old)).role == "CUSTOMER"
    assert len(world.fetched) == 1
