"""Corner case 3: a token expires in the middle of a session."""

import base64
import json
import time
from typing import Any

from boxoffice.doors.identity import TENANT_KEYS
from boxoffice.doors.keys import Keyring
from tests.support.platform import Platform

LIFETIME_SECONDS = 15 * 60
DOORS = ("/api/auth/me", "/api/bookings", "/api/events", "/api/notifications/templates")


async def session(platform: Platform, slug: str) -> dict[str, str]:
    registered = await platform.register(slug)
    tokens: dict[str, str] = (await platform.login(slug, registered.json["email"])).json
    return tokens


def aged(platform: Platform, token: str) -> str:
    """The same token, signed by the same key, as if it had been given out an hour ago."""
    header, claims, _ = (decoded(part) for part in token.split("."))
    past = json.loads(claims)
    past |= {name: past[name] - 3600 for name in ("iat", "nbf", "exp")}
    message = b".".join([encoded(header), encoded(json.dumps(past).encode())])
    key = Keyring(platform.data / "secrets" / "keys").signing(TENANT_KEYS).private
    return b".".join([message, encoded(key.sign(message))]).decode()


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


async def test_an_access_token_lives_for_fifteen_minutes(platform: Platform, slug: str) -> None:
    tokens: dict[str, Any] = await session(platform, slug)

    claims = json.loads(decoded(tokens["access_token"].split(".")[1]))

    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == LIFETIME_SECONDS
    assert claims["exp"] <= time.time() + LIFETIME_SECONDS


async def test_an_expired_token_is_refused_at_every_door(platform: Platform, slug: str) -> None:
    old = aged(platform, (await session(platform, slug))["access_token"])

    replies = [await platform.ask("GET", path, slug=slug, token=old) for path in DOORS]

    assert [(reply.status, reply.code) for reply in replies] == [(401, "invalid_token")] * len(DOORS)


async def test_after_a_401_the_refresh_token_brings_a_session_that_goes_on(platform: Platform, slug: str) -> None:
    tokens = await session(platform, slug)
    old = aged(platform, tokens["access_token"])

    refused = await platform.ask("GET", "/api/auth/me", slug=slug, token=old)
    renewed = await platform.ask(
        "POST", "/api/auth/refresh", slug=slug, json={"refresh_token": tokens["refresh_token"]}
    )  # fmt: skip
    me = await platform.ask("GET", "/api/auth/me", slug=slug, token=renewed.json["access_token"])

    assert (refused.status, renewed.status, me.status) == (401, 200, 200)
    assert renewed.json["refresh_token"] != tokens["refresh_token"]


async def test_a_page_renews_an_expired_session_on_the_way(platform: Platform, slug: str) -> None:
    tokens = await session(platform, slug)
    old = aged(platform, tokens["access_token"])
    cookies = {"Cookie": f"__Host-access={old}; __Host-refresh={tokens['refresh_token']}"}

    page = await platform.ask("GET", "/orders", slug=slug, headers=cookies)
    given = [value.partition(";")[0].partition("=") for name, value in page.headers.items() if name == "Set-Cookie"]
    renewed = {name: value for name, _, value in given}
    me = await platform.ask("GET", "/api/auth/me", slug=slug, token=renewed["__Host-access"])

    assert (page.status, me.status) == (200, 200)
    assert b"Sign out" in page.body
