"""Who may do what: which credential is needed, which one counts, and what a wrong one is told."""

import pytest

from tests.contract.problems import problem
from tests.contract.world import DRAFT, World, key

NEEDS_A_BUYER = [("GET", "/api/bookings"), ("POST", "/api/bookings"), ("GET", "/api/auth/me"), ("POST", "/api/events")]


@pytest.mark.parametrize(("method", "path"), NEEDS_A_BUYER)
async def test_where_a_credential_is_needed_none_is_401(world: World, method: str, path: str) -> None:
    reply = await world.platform.ask(method, path, slug=world.acme.slug)

    assert problem(reply) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("credential", [
    {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer"}, {"Authorization": "Basic dTpw"},
    {"Authorization": ""}, {"Guest-Token": "nonsense"}, {"Guest-Token": ""},
])  # fmt: skip
async def test_a_bad_credential_is_401_even_where_none_is_needed(world: World, credential: dict[str, str]) -> None:
    reply = await world.platform.ask("GET", "/api/events", slug=world.acme.slug, headers=credential)

    assert problem(reply) == (401, "invalid_token")


async def test_of_two_credentials_authorization_decides(world: World) -> None:
    acme = world.acme
    guest = acme.who["guest"]

    both = await world.platform.ask("GET", "/api/auth/me", slug=acme.slug, headers={**guest, **acme.who["customer"]})
    bad_first = await world.platform.ask(
        "GET", "/api/bookings", slug=acme.slug, headers={**guest, "Authorization": "Bearer nonsense"}
    )
    bad_second = await world.platform.ask(
        "GET", "/api/bookings", slug=acme.slug, headers={**acme.who["customer"], "Guest-Token": "nonsense"}
    )

    assert (both.status, both.json["role"]) == (200, "CUSTOMER")
    assert problem(bad_first) == (401, "invalid_token")
    assert bad_second.status == 200


async def test_a_token_sent_as_the_other_kind_is_none(world: World) -> None:
    acme = world.acme
    access = acme.who["customer"]["Authorization"].removeprefix("Bearer ")
    guest = acme.who["guest"]["Guest-Token"]

    as_guest = await world.platform.ask("GET", "/api/bookings", slug=acme.slug, headers={"Guest-Token": access})
    as_bearer = await world.platform.ask(
        "GET", "/api/bookings", slug=acme.slug, headers={"Authorization": f"Bearer {guest}"}
    )

    assert problem(as_guest) == problem(as_bearer) == (401, "invalid_token")


@pytest.mark.parametrize("role", ["guest", "customer", "scanner", "organizer", "admin"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/events"), *NEEDS_A_BUYER])
async def test_another_tenants_token_is_the_wrong_tenants(world: World, method: str, path: str, role: str) -> None:
    reply = await world.platform.ask(method, path, slug=world.acme.slug, headers=world.globex.who[role])

    assert problem(reply) == (403, "wrong_tenant")


async def test_operators_and_tenants_people_are_nobody_at_each_other(world: World) -> None:
    at_acme = await world.platform.ask("GET", "/api/bookings", slug=world.acme.slug, headers=world.operator)
    at_platform = await world.platform.ask("GET", "/api/tenants", headers=world.acme.who["admin"])

    assert problem(at_acme) == problem(at_platform) == (403, "wrong_tenant")


@pytest.mark.parametrize("role", ["guest", "customer", "scanner"])
async def test_a_role_too_low_is_403(world: World, role: str) -> None:
    reply = await world.platform.ask(
        "POST", "/api/events", slug=world.acme.slug, json=DRAFT, headers={**world.acme.who[role], **key()}
    )

    assert problem(reply) == (403, "forbidden")


async def test_who_i_am(world: World) -> None:
    acme = world.acme
    for role in ("customer", "scanner", "organizer", "admin"):
        me = await world.platform.ask("GET", "/api/auth/me", slug=acme.slug, headers=acme.who[role])

        assert set(me.json) == {"id", "email", "first_name", "last_name", "role"}
        assert me.json["role"] == role.upper()
    operator = await world.platform.ask("GET", "/api/auth/me", headers=world.operator)
    guest = await world.platform.ask("GET", "/api/auth/me", slug=acme.slug, headers=acme.who["guest"])

    assert operator.json["role"] == "OPERATOR"
    assert problem(guest) == (403, "forbidden")


async def test_registering_and_signing_in(world: World) -> None:
    platform, slug = world.platform, world.acme.slug

    registered = await platform.register(slug, "Zoe.Buyer@Buyers.example")
    again = await platform.register(slug, "zoe.buyer@buyers.example")
    signed_in = await platform.login(slug, "ZOE.buyer@buyers.example ")
    wrong = await platform.login(slug, "zoe.buyer@buyers.example", "not it at all")
    nobody = await platform.login(slug, "nobody@buyers.example", "not it at all")
    elsewhere = await platform.login(world.globex.slug, "zoe.buyer@buyers.example")

    assert registered.status == 201
    assert set(registered.json) == {"id", "email", "first_name", "last_name", "role"}
    assert registered.json["role"] == "CUSTOMER"
    assert problem(again) == (409, "email_taken")
    assert signed_in.status == 200
    assert set(signed_in.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (signed_in.json["token_type"], signed_in.json["expires_in"]) == ("Bearer", 900)
    assert problem(wrong) == problem(nobody) == problem(elsewhere) == (401, "bad_credentials")
    assert wrong.json == nobody.json


async def test_signing_out_is_204_and_ends_the_refresh_token(world: World) -> None:
    platform, slug = world.platform, world.acme.slug
    registered = await platform.register(slug)
    session = (await platform.login(slug, registered.json["email"])).json

    out = await platform.ask("POST", "/api/auth/logout", slug=slug, token=session["access_token"])
    refreshed = await platform.ask(
        "POST", "/api/auth/refresh", slug=slug, json={"refresh_token": session["refresh_token"]}
    )

    assert (out.status, out.body) == (204, b"")
    assert problem(refreshed) == (401, "bad_credentials")


async def test_the_keys_of_tokens_and_of_tickets_are_public(world: World) -> None:
    tokens = await world.platform.ask("GET", "/.well-known/jwks.json", slug=world.acme.slug)
    platform = await world.platform.ask("GET", "/.well-known/jwks.json")
    tickets = await world.platform.ask("GET", "/.well-known/ticket-keys.json", slug=world.acme.slug)

    for reply in (tokens, platform, tickets):
        assert reply.status == 200
        assert reply.json["keys"]
        assert all("d" not in each and each["kty"] == "OKP" and each["crv"] == "Ed25519" for each in reply.json["keys"])
    assert all(each["use"] == "sig" for each in tokens.json["keys"])
    assert {each["kid"] for each in tokens.json["keys"]}.isdisjoint(each["kid"] for each in platform.json["keys"])
