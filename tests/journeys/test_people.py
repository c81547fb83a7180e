"""Who gets in, for how long, and where."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.platform import PASSWORD, Platform
from tests.support.waiting import eventually


async def me(platform: Platform, slug: str, token: str) -> int:
    return (await platform.ask("GET", "/api/auth/me", slug=slug, token=token)).status


async def refresh(platform: Platform, slug: str, token: str) -> tuple[int, str | None]:
    reply = await platform.ask("POST", "/api/auth/refresh", slug=slug, json={"refresh_token": token})
    return reply.status, reply.json.get("refresh_token")


async def test_a_registered_buyer_signs_in_and_buys(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    token = await platform.buyer(slug)

    held = await platform.hold(slug, event, [0], token=token)
    booked = await platform.book(slug, held.json["token"], token=token)

    await platform.until(slug, booked.json["id"], "CONFIRMED", token=token)


async def test_a_refresh_token_brings_new_tokens_and_its_later_reuse_ends_the_session(
    platform: Platform, slug: str
) -> None:
    await platform.register(slug, "rita@buyers.example")
    first = (await platform.login(slug, "rita@buyers.example")).json

    status, second = await refresh(platform, slug, first["refresh_token"])
    assert second is not None
    _, third = await refresh(platform, slug, second)
    assert third is not None
    reused, _ = await refresh(platform, slug, first["refresh_token"])
    after, _ = await refresh(platform, slug, third)

    assert status == 200
    assert (reused, after) == (401, 401)

    async def dead() -> bool:
        return await me(platform, slug, first["access_token"]) == 401

    await eventually(dead, within=3)


async def test_two_refreshes_at_once_find_the_same_successor(platform: Platform, slug: str) -> None:
    await platform.register(slug, "two@buyers.example")
    token = (await platform.login(slug, "two@buyers.example")).json["refresh_token"]

    first, second = await asyncio.gather(*(refresh(platform, slug, token) for _ in range(2)))

    assert first == second
    assert first[0] == 200


async def test_signing_out_ends_the_session_in_every_process(platform: Platform, slug: str) -> None:
    token = await platform.buyer(slug)
    assert await me(platform, slug, token) == 200

    left = await platform.ask("POST", "/api/auth/logout", slug=slug, token=token)

    async def dead_everywhere() -> bool:
        return {await me(platform, slug, token) for _ in range(6)} == {401}

    assert left.status == 204
    await eventually(dead_everywhere, within=3)


async def test_a_token_of_one_organizer_opens_nothing_at_another(platform: Platform, slug: str) -> None:
    other = await platform.tenant()
    token, guest = await platform.buyer(slug), await platform.guest(slug)

    by_user = await platform.ask("GET", "/api/bookings", slug=other, token=token)
    by_guest = await platform.ask("GET", "/api/bookings", slug=other, guest=guest)
    at_home = await platform.ask("GET", "/api/bookings", slug=slug, token=token)

    assert (by_user.status, by_user.code) == (403, "wrong_tenant")
    assert (by_guest.status, by_guest.code) == (403, "wrong_tenant")
    assert at_home.status == 200


async def test_an_operator_is_nobody_on_a_tenants_host_and_an_admin_nobody_on_the_operators(
    platform: Platform, slug: str
) -> None:
    operator = await platform.operator()
    admin = await platform.token_of(slug, f"admin@{slug}.example")

    at_tenant = await platform.ask("GET", "/api/bookings", slug=slug, token=operator)
    at_platform = await platform.ask("GET", "/api/tenants", token=admin)

    assert (at_tenant.status, at_tenant.code) == (403, "wrong_tenant")
    assert (at_platform.status, at_platform.code) == (403, "wrong_tenant")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 5000])
async def test_a_token_that_is_none_is_refused_even_where_none_is_needed(
    platform: Platform, slug: str, token: str
) -> None:
    reply = await platform.ask("GET", "/api/events", slug=slug, token=token)

    assert (reply.status, reply.code) == (401, "invalid_token")


async def test_guessing_one_accounts_password_is_slowed_down_and_its_neighbour_is_not(
    platform: Platform, slug: str
) -> None:
    await platform.register(slug, "victim@buyers.example")
    await platform.register(slug, "neighbour@buyers.example")

    guesses = [await platform.login(slug, "victim@buyers.example", f"wrong-{n}-password") for n in range(25)]
    neighbour = await platform.login(slug, "neighbour@buyers.example", PASSWORD)

    assert guesses[0].status == 401
    assert (guesses[-1].status, guesses[-1].code) == (429, "rate_limited")
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert neighbour.status == 200


async def test_cookies_count_only_with_the_hosts_own_origin(platform: Platform, slug: str) -> None:
    guest = await platform.guest(slug)
    event = await platform.event(slug)
    own = platform.origin(slug)
    path = f"/api/events/{event}/holds"

    async def hold(seat: int, origin: str | None) -> int:
        headers = {"Cookie": f"__Host-guest={guest}", **({"Origin": origin} if origin else {})}
        return (await platform.ask("POST", path, slug=slug, json={"seats": [seat]}, headers=headers)).status

    assert await hold(0, own) == 201
    assert await hold(1, None) == 403
    assert await hold(2, "http://evil.example") == 403


async def test_a_browser_that_holds_without_a_credential_is_a_guest_from_then_on(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": platform.origin(slug)}

    held = await platform.ask("POST", f"/api/events/{event}/holds", slug=slug, json={"seats": [0]}, headers=headers)
    cookie = held.headers["Set-Cookie"].partition(";")[0]
    shown = await platform.ask("GET", f"/api/holds/{held.json['id']}", slug=slug, headers={"Cookie": cookie})

    assert cookie == f"__Host-guest={held.json['guest_token']}"
    assert shown.status == 200


async def test_of_two_registrations_of_one_address_at_once_one_wins(platform: Platform, slug: str) -> None:
    email = f"{uuid4().hex}@buyers.example"

    replies = await asyncio.gather(platform.register(slug, email), platform.register(slug, email.upper()))

    assert sorted(reply.status for reply in replies) == [201, 409]
