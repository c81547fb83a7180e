"""Attacks on credentials: forged, twisted, stale and stolen ones; the twin is always a token that is honoured."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from boxoffice.doors.identity import TENANT_KEYS, service_token
from boxoffice.doors.keys import jwk
from tests.contract.problems import problem, say
from tests.contract.world import World
from tests.support.platform import Platform, Reply
from tests.support.waiting import eventually

Claims = dict[str, Any]


@pytest.fixture
def good(world: World) -> tuple[Claims, Claims]:
    """Header and claims of a customer's token that is honoured."""
    token = world.acme.who["customer"]["Authorization"].removeprefix("Bearer ")
    header, claims, _ = token.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(world: World, header: Claims, claims: Claims | bytes) -> str:
    """Signed with the very key that auth signs with."""
    message = f"{encoded(header)}.{encoded(claims)}"
    signature = world.parts.keyring.signing(TENANT_KEYS).private.sign(message.encode())
    return f"{message}.{encoded(signature)}"


async def me(world: World, token: str) -> Reply:
    return await world.platform.ask("GET", "/api/auth/me", slug=world.acme.slug, token=token)


async def test_a_token_made_as_ours_are_is_honoured(world: World, good: tuple[Claims, Claims]) -> None:
    """The twin of all that follow: nothing but the twist is why they are refused."""
    reply = await me(world, signed(world, *good))

    assert reply.status == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "EdDSA"])
@pytest.mark.parametrize("signature", ["", "AA", "0" * 86])
async def test_a_token_without_a_signature_is_none(
    world: World, good: tuple[Claims, Claims], algorithm: str, signature: str
) -> None:
    """B1."""
    header, claims = good

    reply = await me(world, f"{encoded({**header, 'alg': algorithm})}.{encoded(claims)}.{signature}")

    assert problem(reply) == (401, "invalid_token")


@pytest.mark.parametrize("form", ["raw", "pem", "der", "jwk", "x"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "EdDSA"])
async def test_the_public_key_is_no_secret_to_sign_with(
    world: World, good: tuple[Claims, Claims], form: str, algorithm: str
) -> None:
    """B1."""
    public = world.parts.keyring.signing(TENANT_KEYS).private.public_key()
    secrets = {
        "raw": public.public_bytes_raw(), "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(jwk(public)).encode(), "x": jwk(public)["x"].encode(),
    }  # fmt: skip
    message = f"{encoded({**good[0], 'alg': algorithm})}.{encoded(good[1])}"
    digest = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256

    reply = await me(world, f"{message}.{encoded(hmac.digest(secrets[form], message.encode(), digest))}")

    assert problem(reply) == (401, "invalid_token")


async def test_keys_of_our_own_making_open_nothing(world: World, good: tuple[Claims, Claims]) -> None:
    """B1: another Ed25519 key, an RSA key, and the platform's, all under the name of the right one."""
    header, claims = good
    strangers = [
        jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", header),
        jwt.encode(claims, generate_private_key(65_537, 2_048), "RS256", {**header, "alg": "RS256"}),
        jwt.encode(claims, world.parts.keyring.signing("platform-access").private, "EdDSA", header),
        jwt.encode(claims, world.parts.keyring.signing("guest").private, "EdDSA", header),
        jwt.encode(claims, world.parts.keyring.signing("service-auth").private, "EdDSA", header),
    ]

    replies = [await me(world, token) for token in strangers]

    assert [problem(reply) for reply in replies] == [(401, "invalid_token")] * 5


@pytest.mark.parametrize("kid", [
    "../../dev/null", "/dev/null", "' OR 1=1 --", "https://evil.example/jwks.json", "a" * 10_000, "", ["a"], None, 7,
    "nobody", {"x": 1},
])  # fmt: skip
async def test_a_key_that_is_not_ours_is_not_looked_for(world: World, good: tuple[Claims, Claims], kid: Any) -> None:
    """B2."""
    reply = await me(world, signed(world, {**good[0], "kid": kid}, good[1]))

    assert problem(reply) == (401, "invalid_token")


async def test_a_thousand_unknown_keys_do_not_lock_out_a_known_one(world: World, good: tuple[Claims, Claims]) -> None:
    """B2: each might make us fetch the keys again; a good token of the same moment is not kept waiting."""
    unknown = [signed(world, {**good[0], "kid": uuid4().hex}, good[1]) for _ in range(1_000)]

    replies = await asyncio.gather(*(me(world, token) for token in unknown))
    began = time.monotonic()
    honest = await me(world, signed(world, good[0], {**good[1], "jti": uuid4().hex}))

    assert {problem(reply) for reply in replies} == {(401, "invalid_token")}
    assert honest.status == 200
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("member", [
    {"jku": "https://evil.example"}, {"jwk": {}}, {"x5u": "https://evil.example"}, {"x5c": ["MII"]}, {"crit": ["b64"]},
    {"zip": "DEF"}, {"b64": False}, {"enc": "A256GCM"}, {"typ": "JWT"}, {"typ": "svc+jwt"}, {"typ": "guest+jwt"},
    {"typ": None}, {"alg": "EdDSA", "cty": "JWT"},
])  # fmt: skip
async def test_a_header_with_anything_else_is_not_ours(
    world: World, good: tuple[Claims, Claims], member: Claims
) -> None:
    """B2."""
    reply = await me(world, signed(world, {**good[0], **member}, good[1]))

    assert problem(reply) == (401, "invalid_token")


NOW = int(time.time())
TWISTED: list[Claims] = [
    {"exp": NOW - 3_600}, {"exp": str(NOW + 600)}, {"exp": NOW + 600.5}, {"exp": -1}, {"exp": 1e20}, {"exp": None},
    {"exp": NOW + 10**9}, {"nbf": NOW + 3_600}, {"nbf": "now"}, {"nbf": None}, {"iat": NOW + 3_600}, {"iat": -5},
    {"iat": 10**30}, {"iat": None}, {"aud": "other"}, {"aud": ["boxoffice"]}, {"aud": "svc:auth"}, {"aud": None},
    {"iss": "evil"}, {"iss": ["boxoffice"]}, {"iss": None}, {"sub": "me"}, {"sub": None}, {"sub": 1}, {"sid": "x"},
    {"sid": None}, {"jti": None}, {"role": None}, {"tenantId": None}, {"tenantId": ["a"]},
]  # fmt: skip


@pytest.mark.parametrize("twist", TWISTED, ids=[str(twist) for twist in TWISTED])
async def test_a_token_that_says_what_we_never_say_is_refused(
    world: World, good: tuple[Claims, Claims], twist: Claims
) -> None:
    """B3: signed with our own key; None takes the claim away."""
    claims = {name: value for name, value in {**good[1], **twist}.items() if value is not None}

    reply = await me(world, signed(world, good[0], claims))

    assert problem(reply) == (401, "invalid_token")


async def test_a_role_is_only_believed_within_its_tenant(world: World, good: tuple[Claims, Claims]) -> None:
    """B3: signed with our own key, for another schema or for none."""
    globex = await world.parts.directory.by_slug(world.globex.slug)
    for tenant, expected in ((globex.schema, (403, "wrong_tenant")), ("public", (403, "wrong_tenant")),
                             ("platform", (401, "invalid_token"))):  # fmt: skip
        reply = await me(world, signed(world, good[0], {**good[1], "tenantId": tenant}))

        assert problem(reply) == expected


async def test_no_kind_of_token_stands_for_another(world: World) -> None:
    """B3: a refresh token as access token, an access token as refresh token, a service's at the edge."""
    platform, slug = world.platform, world.acme.slug
    session = (await platform.login(slug, f"organizer@{slug}.example")).json
    tenant = await world.parts.directory.by_slug(slug)
    callees = ("auth", "bookings", "gateway", "boxoffice")
    services = [
        service_token(world.parts.keyring, caller="tenants", callee=callee, tenant=tenant, now=datetime.now(UTC))
        for callee in callees
    ]

    as_access = await me(world, session["refresh_token"])
    as_refresh = await platform.ask(
        "POST", "/api/auth/refresh", slug=slug, json={"refresh_token": session["access_token"]}
    )
    at_the_edge = [
        await platform.ask("GET", path, slug=slug, token=token)
        for token in services
        for path in ("/api/auth/me", "/api/bookings", "/internal/payments/methods")
    ]
    honest = await platform.ask(
        "POST", "/api/auth/refresh", slug=slug, json={"refresh_token": session["refresh_token"]}
    )

    assert problem(as_access) == (401, "invalid_token")
    assert problem(as_refresh) == (401, "bad_credentials")
    assert {reply.status for reply in at_the_edge} <= {401, 403, 404}
    assert honest.status == 200


async def test_a_claim_said_twice_and_a_token_within_a_token_are_refused_or_read_as_one(
    world: World, good: tuple[Claims, Claims]
) -> None:
    """B4: only auth can sign; even so two readings of one token must not be possible to use."""
    header, claims = good
    role_twice = json.dumps(claims)[:-1].encode() + b', "role": "ADMIN", "role": "CUSTOMER"}'
    nested = encoded(signed(world, header, claims).encode())

    replies = [
        await me(world, signed(world, header, nested.encode())),
        await me(world, signed(world, {**header, "cty": "JWT"}, signed(world, header, claims).encode())),
    ]
    twice = await world.platform.ask(
        "GET", "/api/notifications/templates", slug=world.acme.slug, token=signed(world, header, role_twice)
    )

    assert [problem(reply) for reply in replies] == [(401, "invalid_token")] * 2
    assert twice.status in (401, 403)


@pytest.mark.parametrize("shape", [
    lambda token: f" {token}", lambda token: f"{token} ", lambda token: f"Bearer {token}", lambda token: token + ".",
    lambda token: token.replace(".", " "), lambda token: token + "=", lambda token: token + "\t",
    lambda token: f'"{token}"', lambda token: f"{token},{token}", lambda token: token + "A" * 65_536,
    lambda token: token.rpartition(".")[0],
], ids=[str(number) for number in range(11)])  # fmt: skip
async def test_a_token_has_one_spelling(world: World, shape: Callable[[str], str]) -> None:
    """B4: white space around a field's value is no part of it (RFC 9110), everything else is."""
    token = world.acme.who["customer"]["Authorization"].removeprefix("Bearer ")
    field = f"Authorization: Bearer {shape(token)}"

    status, _ = await say(
        world.platform,
        f"GET /api/auth/me HTTP/1.1\r\nHost: {world.acme.slug}.localhost\r\n{field}\r\nConnection: close\r\n\r\n",
    )

    trimmed = shape(token).strip() == token and not shape(token).startswith(" ")
    assert status == 200 if trimmed else status in (400, 401, 431)


async def test_a_credential_comes_once_and_not_in_the_address(world: World) -> None:
    """B4."""
    who = world.acme.who["customer"]["Authorization"]
    host = f"Host: {world.acme.slug}.localhost"

    lines = ["GET /api/auth/me HTTP/1.1", host, *[f"Authorization: {who}"] * 2, "Connection: close", "", ""]

    twice, _ = await say(world.platform, "\r\n".join(lines))
    in_the_address = [
        await world.platform.ask("GET", f"/api/auth/me?{name}={who.removeprefix('Bearer ')}", slug=world.acme.slug)
        for name in ("access_token", "token", "jwt")
    ]

    assert twice == 400
    assert [problem(reply) for reply in in_the_address] == [(401, "unauthenticated")] * 3


async def test_no_token_is_written_to_the_log(world: World) -> None:
    """B4: neither a good one nor a bad one, nor a password."""
    secret = f"canary-{uuid4().hex}"
    await me(world, secret)
    await world.platform.login(world.acme.slug, "nobody@buyers.example", secret)
    await world.platform.ask("GET", f"/api/auth/me?access_token={secret}", slug=world.acme.slug)
    await world.platform.ask("GET", "/api/events", slug=world.acme.slug, guest=secret)

    written = world.platform.output.read_bytes()
    written += b"".join(path.read_bytes() for path in (world.platform.data / "log").glob("*") if path.is_file())

    assert secret.encode() not in written
    assert world.acme.who["customer"]["Authorization"].removeprefix("Bearer ").encode() not in written


async def test_signing_out_ends_every_token_of_the_session_and_of_no_other(platform: Platform, world: World) -> None:
    """B5."""
    slug = world.acme.slug
    email = (await platform.register(slug)).json["email"]
    gone, kept = [(await platform.login(slug, email)).json for _ in range(2)]
    renewed = (
        await platform.ask("POST", "/api/auth/refresh", slug=slug, json={"refresh_token": gone["refresh_token"]})
    ).json
    tokens = [gone["access_token"], renewed["access_token"]]
    assert [(await me(world, token)).status for token in tokens] == [200, 200]

    await platform.ask("POST", "/api/auth/logout", slug=slug, token=tokens[1])

    async def dead_everywhere() -> bool:
        replies = [await me(world, token) for token in tokens for _ in range(6)]
        return {reply.status for reply in replies} == {401}

    await eventually(dead_everywhere, within=2)
    refreshed = await platform.ask(
        "POST", "/api/auth/refresh", slug=slug, json={"refresh_token": renewed["refresh_token"]}
    )
    assert problem(refreshed) == (401, "bad_credentials")
    assert (await me(world, kept["access_token"])).status == 200


async def refresh(platform: Platform, slug: str, token: str) -> tuple[int, str | None]:
    reply = await platform.ask("POST", "/api/auth/refresh", slug=slug, json={"refresh_token": token})
    return reply.status, reply.json.get("refresh_token")


async def session_of(platform: Platform, slug: str) -> str:
    email = (await platform.register(slug)).json["email"]
    token: str = (await platform.login(slug, email)).json["refresh_token"]
    return token


async def test_fifty_refreshes_at_once_find_one_successor(platform: Platform, world: World) -> None:
    """B6."""
    slug = world.acme.slug
    token = await session_of(platform, slug)

    answers = set(await asyncio.gather(*(refresh(platform, slug, token) for _ in range(50))))

    [(status, successor)] = answers
    assert status == 200
    assert successor is not None
    assert (await refresh(platform, slug, successor))[0] == 200


async def test_a_lost_answer_is_repeated_until_its_token_is_used(platform: Platform, world: World) -> None:
    """B6: the immediate predecessor within its grace earns the same successor; the one before that is theft."""
    slug = world.acme.slug
    first = await session_of(platform, slug)
    _, second = await refresh(platform, slug, first)
    assert second is not None

    repeated = await refresh(platform, slug, first)
    _, third = await refresh(platform, slug, second)
    assert third is not None
    grandparent = await refresh(platform, slug, first)
    family = [await refresh(platform, slug, token) for token in (third, second)]

    assert repeated == (200, second)
    assert grandparent[0] == 401
    assert [status for status, _ in family] == [401, 401]


async def test_a_refresh_token_is_worth_nothing_elsewhere(platform: Platform, world: World) -> None:
    """B6: at another tenant, at the operators' host; and trying it there does not end it at home."""
    slug = world.acme.slug
    token = await session_of(platform, slug)

    elsewhere = [await refresh(platform, other, token) for other in (world.globex.slug, "platform")]
    nonsense = [await refresh(platform, slug, text) for text in ("", "x", token[:-1], token + "A", token.swapcase())]
    at_home = await refresh(platform, slug, token)

    assert [status for status, _ in elsewhere] == [401, 401]
    assert {status for status, _ in nonsense} <= {401, 422}
    assert at_home[0] == 200
