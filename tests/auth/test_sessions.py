"""Signing in, coming back and leaving, for tenants' users and for operators, over HTTP and real PostgreSQL."""

import asyncio
from datetime import timedelta
from uuid import UUID

import jwt
import pytest

from boxoffice.auth import actions
from boxoffice.auth.api import FAILED_SIGN_INS
from boxoffice.auth.domain import Person, Role
from boxoffice.auth.passwords import Passwords
from boxoffice.kernel.tenancy import Status, Tenant
from tests.support.people import PASSWORD, House

AGE_TOKENS = "UPDATE refresh_tokens SET used_at = used_at - $1::interval"
GRACE_OVER = timedelta(seconds=11)


async def test_a_customer_registers_and_signs_in(house: House, tenant: Tenant) -> None:
    user = await house.register(tenant, " Ada@Example.org")

    tokens = await house.login(tenant, "ADA@example.ORG ")
    me = await house.auth("GET", "/api/auth/me", tenant, token=tokens["access_token"])

    assert me.status == 200
    assert me.json == user == {
        "id": user["id"], "email": "ada@example.org", "first_name": "Ada", "last_name": "Byron", "role": "CUSTOMER",
    }  # fmt: skip
    assert {name: tokens[name] for name in ("token_type", "expires_in")} == {"token_type": "Bearer", "expires_in": 900}


async def test_an_access_token_says_what_the_specification_promises(house: House, tenant: Tenant) -> None:
    user = await house.register(tenant)

    claims = jwt.decode((await house.login(tenant))["access_token"], options={"verify_signature": False})

    assert claims["sub"] == user["id"]
    assert claims["tenantId"] == tenant.schema
    assert claims["role"] == "CUSTOMER"
    assert claims["exp"] - claims["iat"] == 900
    assert {"jti", "sid", "iss", "aud", "nbf"} <= claims.keys()


async def test_one_address_registers_once_even_when_two_try_at_once(house: House, tenant: Tenant) -> None:
    body = {"email": "ada@example.org", "password": PASSWORD, "first_name": "Ada", "last_name": "Byron"}

    answers = await asyncio.gather(*(house.auth("POST", "/api/auth/register", tenant, body) for _ in range(5)))

    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.code for answer in answers if answer.status == 409} == {"email_taken"}


async def test_a_registration_is_announced_without_its_password(house: House, tenant: Tenant) -> None:
    user = await house.register(tenant)

    async with house.database.platform() as tx:
        rows = await tx.db.fetch("SELECT type, value FROM platform.outbox WHERE tenant_id = $1", tenant.id)

    assert [row["type"] for row in rows] == ["UserRegistered"]
    assert user["id"].encode() in rows[0]["value"]
    assert PASSWORD.encode() not in rows[0]["value"]


async def test_a_refused_registration_names_every_field(house: House, tenant: Tenant) -> None:
    body = {"email": "nobody", "password": "12345678", "first_name": " ", "last_name": "Byron"}

    answer = await house.auth("POST", "/api/auth/register", tenant, body)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert {error["path"] for error in answer.json["errors"]} == {"email", "password", "first_name"}


async def test_a_registration_cannot_choose_its_role(house: House, tenant: Tenant) -> None:
    body = {"email": "ada@example.org", "password": PASSWORD, "first_name": "A", "last_name": "B", "role": "ADMIN"}

    answer = await house.auth("POST", "/api/auth/register", tenant, body)

    assert (answer.status, answer.code) == (422, "invalid_body")


async def test_the_same_address_is_another_person_at_another_tenant(
    house: House, tenant: Tenant, another: Tenant
) -> None:
    await house.register(tenant)

    elsewhere = await house.auth("POST", "/api/auth/login", another, {"email": "ada@example.org", "password": PASSWORD})
    token = (await house.login(tenant))["access_token"]
    me = await house.auth("GET", "/api/auth/me", another, token=token)

    assert (elsewhere.status, elsewhere.code) == (401, "bad_credentials")
    assert (me.status, me.code) == (403, "wrong_tenant")


@pytest.mark.parametrize("status", ["INVITED", "DISABLED"])
async def test_only_an_active_account_signs_in_or_comes_back(house: House, tenant: Tenant, status: str) -> None:
    await house.register(tenant)
    tokens = await house.login(tenant)
    async with house.database.transaction(tenant) as tx:
        await tx.db.execute("UPDATE users SET status = $1", status)

    login = await house.auth("POST", "/api/auth/login", tenant, {"email": "ada@example.org", "password": PASSWORD})
    refresh = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": tokens["refresh_token"]})
    me = await house.auth("GET", "/api/auth/me", tenant, token=tokens["access_token"])

    assert (login.status, login.code) == (401, "bad_credentials")
    assert (refresh.status, refresh.code) == (401, "bad_credentials")
    assert me.status == 401


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(house: House, tenant: Tenant) -> None:
    await house.register(tenant)

    wrong = await house.auth("POST", "/api/auth/login", tenant, {"email": "ada@example.org", "password": "another"})
    unknown = await house.auth("POST", "/api/auth/login", tenant, {"email": "eve@example.org", "password": "another"})

    assert wrong.status == unknown.status == 401
    assert wrong.content == unknown.content


async def test_guessing_one_account_is_slowed_down_and_others_are_not(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    await house.register(tenant, "bob@example.org")
    guess = {"email": "ada@example.org", "password": "another"}

    answers = [
        await house.auth("POST", "/api/auth/login", tenant, guess) for _ in range(FAILED_SIGN_INS.per_minute + 1)
    ]

    assert [answer.status for answer in answers] == [401] * FAILED_SIGN_INS.per_minute + [429]
    assert answers[-1].code == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert await house.login(tenant, "bob@example.org")


async def test_refreshing_gives_a_new_pair_and_uses_up_the_old_token(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    first = await house.login(tenant)

    second = await _refresh(house, tenant, first)
    third = await _refresh(house, tenant, second)

    assert len({first["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3
    assert (await house.auth("GET", "/api/auth/me", tenant, token=third["access_token"])).status == 200


async def test_two_refreshes_at_once_get_the_same_successor(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    first = await house.login(tenant)

    pairs = await asyncio.gather(*(_refresh(house, tenant, first) for _ in range(8)))
    successors = {pair["refresh_token"] for pair in pairs}

    assert len(successors) == 1
    assert await _refresh(house, tenant, pairs[0])


async def test_a_token_used_again_after_the_grace_ends_its_family(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    stolen = await house.login(tenant)
    mine = await _refresh(house, tenant, stolen)
    async with house.database.transaction(tenant) as tx:
        await tx.db.execute(AGE_TOKENS, GRACE_OVER)

    theirs = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": stolen["refresh_token"]})
    after = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": mine["refresh_token"]})
    await house.directory.refresh()
    me = await house.auth("GET", "/api/auth/me", tenant, token=mine["access_token"])

    assert (theirs.status, theirs.code) == (401, "bad_credentials")
    assert after.status == 401
    assert me.status == 401


async def test_an_older_token_than_the_last_one_ends_the_family_within_the_grace_too(
    house: House, tenant: Tenant
) -> None:
    await house.register(tenant)
    first = await house.login(tenant)
    third = await _refresh(house, tenant, await _refresh(house, tenant, first))

    again = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": first["refresh_token"]})
    after = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": third["refresh_token"]})

    assert again.status == after.status == 401


async def test_a_stolen_session_does_not_end_the_others_of_its_owner(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    phone, laptop = await house.login(tenant), await house.login(tenant)
    await _refresh(house, tenant, await _refresh(house, tenant, phone))

    reused = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": phone["refresh_token"]})

    assert reused.status == 401
    assert await _refresh(house, tenant, laptop)


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(
    house: House, tenant: Tenant
) -> None:
    await house.register(tenant)
    tokens = await house.login(tenant)

    refresh = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": tokens["access_token"]})
    me = await house.auth("GET", "/api/auth/me", tenant, token=tokens["refresh_token"])

    assert refresh.status == me.status == 401


async def test_a_refresh_token_is_not_kept_as_it_is(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    tokens = await house.login(tenant)

    async with house.database.transaction(tenant) as tx:
        rows = await tx.db.fetch("SELECT hash, salt FROM refresh_tokens")

    assert len(rows) == 1
    assert tokens["refresh_token"].encode() not in bytes(rows[0]["hash"]) + bytes(rows[0]["salt"])


async def test_leaving_ends_both_tokens(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    tokens = await house.login(tenant)

    left = await house.auth("POST", "/api/auth/logout", tenant, token=tokens["access_token"])
    await house.directory.refresh()
    me = await house.auth("GET", "/api/auth/me", tenant, token=tokens["access_token"])
    refresh = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": tokens["refresh_token"]})

    assert left.status == 204
    assert me.status == refresh.status == 401


async def test_signing_in_again_forgets_the_sessions_that_ended(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    ended = await house.login(tenant)
    await house.auth("POST", "/api/auth/logout", tenant, token=ended["access_token"])

    await house.login(tenant)

    async with house.database.transaction(tenant) as tx:
        assert await tx.db.fetchval("SELECT count(*) FROM sessions") == 1
        assert await tx.db.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_a_suspended_host_still_lets_people_come_back_but_not_in(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    tokens = await house.login(tenant)
    await _set_status(house, tenant, Status.SUSPENDED)

    refresh = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": tokens["refresh_token"]})
    me = await house.auth("GET", "/api/auth/me", tenant, token=tokens["access_token"])
    login = await house.auth("POST", "/api/auth/login", tenant, {"email": "ada@example.org", "password": PASSWORD})

    assert refresh.status == me.status == 200
    assert (login.status, login.code) == (403, "tenant_suspended")


async def test_an_operator_signs_in_on_the_platform_and_nowhere_else(house: House, tenant: Tenant) -> None:
    token = await house.operator()

    here = await house.auth("GET", "/api/auth/me", None, token=token)
    there = await house.auth("GET", "/api/auth/me", tenant, token=token)

    assert here.status == 200
    assert here.json["role"] == "OPERATOR"
    assert (there.status, there.code) == (403, "wrong_tenant")


async def test_an_operator_comes_back_and_leaves(house: House) -> None:
    token = await house.operator()
    email = (await house.auth("GET", "/api/auth/me", None, token=token)).json["email"]
    tokens = await _refresh(house, None, await house.login(None, email))

    left = await house.auth("POST", "/api/auth/logout", None, token=tokens["access_token"])
    refresh = await house.auth("POST", "/api/auth/refresh", None, {"refresh_token": tokens["refresh_token"]})
    await house.directory.refresh()
    me = await house.auth("GET", "/api/auth/me", None, token=tokens["access_token"])

    assert left.status == 204
    assert refresh.status == me.status == 401


async def test_nobody_registers_on_the_platform(house: House) -> None:
    body = {"email": "ada@example.org", "password": PASSWORD, "first_name": "Ada", "last_name": "Byron"}

    answer = await house.auth("POST", "/api/auth/register", None, body)

    assert answer.status == 404


async def test_many_people_are_enrolled_at_once_and_nobody_twice(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    password_hash = await Passwords(house.keyring.secret("pepper"), cost=4).hash("boxoffice-demo")
    wanted = [
        (Person(email=email, first_name="A", last_name="B"), role)
        for email, role in (
            ("ada@example.org", Role.ADMIN),
            ("staff@example.org", Role.ORGANIZER),
            ("buyer@example.org", Role.CUSTOMER),
        )
    ]  # fmt: skip

    async with house.database.transaction(tenant) as tx:
        made = await actions.enrol(tx, wanted, password_hash)
    me = await house.auth(
        "GET", "/api/auth/me", tenant,
        token=(await house.login(tenant, "staff@example.org", "boxoffice-demo"))["access_token"],
    )  # fmt: skip

    assert [account.email for account in made] == ["staff@example.org", "buyer@example.org"]
    assert me.json["role"] == "ORGANIZER"
    assert await house.login(tenant)


async def test_a_guest_gets_a_signed_name(house: House, tenant: Tenant) -> None:
    answer = await house.auth("POST", "/api/guests", tenant)

    claims = jwt.decode(answer.json["guest_token"], options={"verify_signature": False})
    assert answer.status == 201
    assert claims["tenantId"] == tenant.schema
    assert UUID(claims["sub"]) == UUID(answer.json["guest_id"])
    assert "exp" not in claims


async def test_keys_are_public_and_the_platform_has_its_own(house: House, tenant: Tenant) -> None:
    await house.register(tenant)
    access = (await house.login(tenant))["access_token"]

    ours = (await house.auth("GET", "/.well-known/jwks.json", tenant)).json["keys"]
    platform = (await house.auth("GET", "/.well-known/jwks.json", None)).json["keys"]

    assert jwt.get_unverified_header(access)["kid"] in {key["kid"] for key in ours}
    assert all(key["use"] == "sig" and "d" not in key for key in ours + platform)
    assert {key["kid"] for key in ours}.isdisjoint(key["kid"] for key in platform)


async def test_the_inner_doors_open_for_peers_only(house: House, tenant: Tenant) -> None:
    operator = await house.operator()
    body = {"email": "ada@example.org", "password": PASSWORD, "first_name": "Ada", "last_name": "Byron"}

    stranger = await house.auth("POST", "/internal/password-hashes", None, body)
    signed_in = await house.auth("POST", "/internal/password-hashes", None, body, token=operator)

    assert stranger.status == 401
    assert signed_in.status == 403


async def _refresh(house: House, tenant: Tenant | None, tokens: dict[str, str]) -> dict[str, str]:
    answer = await house.auth("POST", "/api/auth/refresh", tenant, {"refresh_token": tokens["refresh_token"]})
    assert answer.status == 200, answer.content
    pair: dict[str, str] = answer.json
    return pair


async def _set_status(house: House, tenant: Tenant, status: Status) -> None:
    async with house.database.platform() as tx:
        await tx.db.execute("UPDATE platform.tenants SET status = $2 WHERE id = $1", tenant.id, status.value)
        await tx.db.execute("UPDATE platform.directory_version SET version = version + 1")
    await house.directory.refresh()
