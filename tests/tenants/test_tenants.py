"""Onboarding, changing and suspending tenants over HTTP, with the worker's part and its crashes."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from boxoffice.doors.peers import Peers
from boxoffice.kernel import migrate
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.lanes import Lanes
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Directory, Status, Tenant
from boxoffice.messages import TenantChanged, TenantResumed, TenantSuspended
from boxoffice.tenants import store
from boxoffice.tenants.onboarding import Applicant, Onboarding
from tests.support.asgi import Response
from tests.support.people import DOMAIN, PASSWORD, House, build_house
from tests.support.tenancy import NewTenant
from tests.support.traffic import published
from tests.tenants.conftest import Worker


def _slug() -> str:
    return f"t{uuid7().hex[-12:]}"


def _body(slug: str, **changes: Any) -> dict[str, Any]:
    admin = {"email": "Admin@Acme.example", "password": PASSWORD, "first_name": "Ann", "last_name": "Admin"}
    return {"slug": slug, "name": "Acme", "admin": admin} | changes


async def _create(house: House, operator: str, body: dict[str, Any], key: str | None = None) -> Response:
    headers = {"idempotency-key": key or str(uuid7())}
    return await house.ask("tenants", "POST", "/api/tenants", None, body, token=operator, headers=headers)


async def test_the_worker_makes_a_tenant_active_while_its_request_waits(
    web_database: Database, worker: Worker, tmp_path: Path
) -> None:
    patient = build_house(web_database, Directory(web_database), tmp_path, "suite", settle_seconds=30)
    operator, slug, stop = await patient.operator(), _slug(), asyncio.Event()
    lanes = Lanes(
        [worker.house.services["tenants"]], worker.house.database, worker.house.directory,
        lease=timedelta(seconds=10), policy=Policy(),
    )  # fmt: skip

    working = asyncio.create_task(lanes.run(stop))
    answer = await _create(patient, operator, _body(slug))
    stop.set()
    await working
    await patient.directory.refresh()

    tenant = await patient.directory.by_slug(slug)
    token = (await patient.login(tenant, "admin@acme.example"))["access_token"]
    me = await patient.auth("GET", "/api/auth/me", tenant, token=token)
    assert answer.status == 201
    assert {name: answer.json[name] for name in ("slug", "name", "plan", "status")} == {
        "slug": slug, "name": "Acme", "plan": "standard", "status": "ACTIVE",
    }  # fmt: skip
    assert answer.json["settings"] == {
        "hold_seconds": 600, "max_seats_per_booking": 10, "rate_limits": {},
        "cancellation": {"free_until_hours": 24, "fee_percent": 0}, "payment_provider": "simulated",
    }  # fmt: skip
    assert me.json["role"] == "ADMIN"


async def test_without_a_worker_the_tenant_is_answered_as_it_is_and_its_host_is_not_open_yet(
    house: House, operator: str
) -> None:
    slug = _slug()

    answer = await _create(house, operator, _body(slug))
    login = await house.auth(
        "POST", "/api/auth/login", await house.directory.by_slug(slug), {"email": "a@b.example", "password": PASSWORD}
    )

    assert (answer.status, answer.json["status"]) == (201, "PROVISIONING")
    assert (login.status, login.code) == (503, "tenant_provisioning")


async def test_a_tenant_is_announced_once_and_the_password_is_kept_no_longer(
    house: House, worker: Worker, operator: str
) -> None:
    tenant_id = await _onboarded(house, worker, operator)

    async with worker.house.database.platform() as tx:
        rows = await tx.db.fetch("SELECT type, value FROM platform.outbox WHERE tenant_id = $1", tenant_id)
        waiting = await store.first_admin(tx, tenant_id)
        timers = await tx.db.fetchval("SELECT count(*) FROM platform.timers WHERE id = $1", tenant_id)

    assert [row["type"] for row in rows] == ["TenantCreated"]
    assert b"password" not in rows[0]["value"]
    assert waiting is None
    assert timers == 0


async def test_provisioning_goes_on_where_a_crash_left_it(
    house: House, worker: Worker, operator: str, logins: migrate.Logins
) -> None:
    answer = await _create(house, operator, _body(_slug()))
    tenant_id = UUID(answer.json["id"])
    tenant = await worker.house.directory.by_id(tenant_id)
    await asyncio.to_thread(migrate.provision, logins.migrator, tenant.slug)  # and there the first worker died

    await worker.provision(tenant_id)

    assert (await _show(house, operator, tenant_id)).json["status"] == "ACTIVE"
    await house.directory.refresh()
    assert await house.login(await house.directory.by_id(tenant_id), "admin@acme.example")


async def test_a_crash_before_the_last_step_leaves_one_admin(
    house: House, worker: Worker, operator: str, logins: migrate.Logins
) -> None:
    answer = await _create(house, operator, _body(_slug()))
    tenant_id = UUID(answer.json["id"])
    tenant = await worker.house.directory.by_id(tenant_id)
    await asyncio.to_thread(migrate.provision, logins.migrator, tenant.slug)
    async with worker.house.database.platform() as tx:
        admin = await store.first_admin(tx, tenant_id)
    await Peers("tenants", apps=worker.house.apps, keyring=house.keyring, domain=DOMAIN).call(
        "auth", "POST", "/internal/admins", tenant=None, body=admin
    )  # and there the first worker died

    await worker.provision(tenant_id)

    async with worker.house.database.transaction(tenant) as tx:
        assert await tx.db.fetch("SELECT email, role FROM users") == [("admin@acme.example", "ADMIN")]
    assert (await _show(house, operator, tenant_id)).json["status"] == "ACTIVE"


async def test_provisioning_fails_as_a_whole_while_auth_does_not_answer(
    house: House, worker: Worker, operator: str
) -> None:
    answer = await _create(house, operator, _body(_slug()))
    tenant_id = UUID(answer.json["id"])
    auth = worker.house.apps["auth"]

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError

    worker.house.apps["auth"] = silent
    with pytest.raises(Unavailable):
        await worker.provision(tenant_id)
    before = (await _show(house, operator, tenant_id)).json["status"]
    worker.house.apps["auth"] = auth
    await worker.provision(tenant_id)

    assert before == "PROVISIONING"
    assert (await _show(house, operator, tenant_id)).json["status"] == "ACTIVE"


async def test_two_onboardings_of_one_slug_at_once_have_one_winner(house: House, operator: str) -> None:
    slug = _slug()

    answers = await asyncio.gather(*(_create(house, operator, _body(slug)) for _ in range(4)))

    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert {answer.code for answer in answers if answer.status == 409} == {"slug_taken"}


async def test_the_directory_decides_the_race_without_valkey_too(web_database: Database, tmp_path: Path) -> None:
    house = build_house(web_database, Directory(web_database), tmp_path, "suite")
    operator, slug = await house.operator(), _slug()

    answers = await asyncio.gather(*(_create(house, operator, _body(slug)) for _ in range(4)))

    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_the_same_key_twice_is_one_tenant(house: House, operator: str) -> None:
    slug, key = _slug(), str(uuid7())

    first = await _create(house, operator, _body(slug), key)
    again = await _create(house, operator, _body(slug), key)
    other = await _create(house, operator, _body(slug, name="Another"), key)

    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")


async def test_the_same_key_twice_at_once_is_one_tenant(house: House, operator: str) -> None:
    slug, key = _slug(), str(uuid7())

    answers = await asyncio.gather(*(_create(house, operator, _body(slug), key) for _ in range(3)))

    made = {answer.json["id"] for answer in answers if answer.status == 201}
    assert len(made) == 1
    assert all(answer.status == 201 or answer.code == "in_flight" for answer in answers)


async def test_a_tenant_needs_a_key(house: House, operator: str) -> None:
    answer = await house.ask("tenants", "POST", "/api/tenants", None, _body(_slug()), token=operator)

    assert (answer.status, answer.code) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"slug": "platform"}, "slug"), ({"slug": "Acme"}, "slug"), ({"slug": "a"}, "slug"),
        ({"slug": "acme-"}, "slug"),
        ({"slug": "a" * 33}, "slug"), ({"slug": 'x"; set role'}, "slug"), ({"slug": "pg-temp"}, "slug"),
        ({"slug": "xn--80ak6aa92e"}, "slug"), ({"slug": "acme\n"}, "slug"), ({"name": " "}, "name"),
        ({"plan": "gold"}, "plan"),
    ],
)  # fmt: skip
async def test_this_tenant_cannot_be(house: House, operator: str, changes: dict[str, str], path: str) -> None:
    answer = await _create(house, operator, _body(changes.get("slug", _slug())) | changes)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert [error["path"] for error in answer.json["errors"]] == [path]


async def test_what_auth_refuses_of_the_admin_is_named_where_the_operator_wrote_it(house: House, operator: str) -> None:
    slug = _slug()
    admin = {"email": "nobody", "password": "password", "first_name": "Ann", "last_name": "Admin"}

    answer = await _create(house, operator, _body(slug, admin=admin))

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert {error["path"] for error in answer.json["errors"]} == {"admin.email", "admin.password"}
    assert await _id_of(house, slug) is None


async def test_a_deleted_tenants_slug_is_never_used_again(house: House, worker: Worker, operator: str) -> None:
    tenant_id = await _onboarded(house, worker, operator)
    slug = (await house.directory.by_id(tenant_id)).slug
    async with house.database.platform() as tx:
        await tx.db.execute("UPDATE platform.tenants SET status = 'DELETED' WHERE id = $1", tenant_id)

    again = await _create(house, operator, _body(slug))
    shown = await _show(house, operator, tenant_id)

    assert (again.status, again.code) == (409, "slug_taken")
    assert (shown.status, shown.code) == (404, "tenant_not_found")


async def test_the_command_line_makes_an_active_tenant_at_once(worker: Worker, logins: migrate.Logins) -> None:
    onboarding = Onboarding(
        worker.house.database,
        Peers("tenants", apps=worker.house.apps, keyring=worker.house.keyring, domain=DOMAIN),
        Roles("suite"), migrator_url=logins.migrator,
    )  # fmt: skip
    applicant = Applicant(email="a@acme.example", password=PASSWORD, first_name="Ann", last_name="Admin")

    tenant = await onboarding.create(_slug(), "Acme", "premium", applicant)
    await worker.provision(tenant.id)  # the worker's timer finds nothing left to do
    await worker.house.directory.refresh()

    assert (await worker.house.directory.by_id(tenant.id)).status is Status.ACTIVE
    assert tenant.status is Status.ACTIVE
    assert await worker.house.login(tenant, "a@acme.example")


async def test_a_change_names_what_it_changes_and_leaves_the_rest(house: House, tenant: Tenant, operator: str) -> None:
    first = {"name": "Globex", "settings": {"hold_seconds": 5, "rate_limits": {"read": 0, "write": 60}}}
    second = {"plan": "premium", "settings": {"cancellation": {"fee_percent": 15}, "rate_limits": {"write": None}}}

    await _change(house, operator, tenant, first)
    answer = await _change(house, operator, tenant, second)
    await house.directory.refresh()
    known = await house.directory.by_id(tenant.id)

    assert answer.status == 200
    assert (answer.json["name"], answer.json["plan"]) == ("Globex", "premium")
    assert answer.json["settings"] == {
        "hold_seconds": 5, "max_seats_per_booking": 10, "rate_limits": {"read": 0},
        "cancellation": {"free_until_hours": 24, "fee_percent": 15}, "payment_provider": "simulated",
    }  # fmt: skip
    assert known.settings.hold_seconds == 5
    assert known.settings.cancellation.fee_percent == 15


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"settings": {"hold_seconds": 4}}, "settings.hold_seconds"),
        ({"settings": {"hold_seconds": 1801}}, "settings.hold_seconds"),
        ({"settings": {"hold_seconds": "600"}}, "settings.hold_seconds"),
        ({"settings": {"max_seats_per_booking": 0}}, "settings.max_seats_per_booking"),
        ({"settings": {"cancellation": {"fee_percent": 101}}}, "settings.cancellation.fee_percent"),
        ({"settings": {"cancellation": {"free_until_hours": -1}}}, "settings.cancellation.free_until_hours"),
        ({"settings": {"rate_limits": {"read": -1}}}, "settings.rate_limits.read"),
        ({"settings": {"rate_limits": {"nothing": 1}}}, "settings.rate_limits"),
        ({"settings": {"nothing": 1}}, "settings.nothing"),
        ({"plan": "gold"}, "plan"),
        ({"slug": "another"}, "slug"),
        ({"name": ""}, "name"),
    ],
)
async def test_a_refused_change_changes_nothing(
    house: House, tenant: Tenant, operator: str, change: dict[str, Any], path: str
) -> None:
    before = (await _show(house, operator, tenant.id)).json

    answer = await _change(house, operator, tenant, {"name": "Renamed"} | change)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert path.startswith(answer.json["errors"][0]["path"])
    assert (await _show(house, operator, tenant.id)).json == before


async def test_a_suspended_tenant_stops_and_comes_back(house: House, tenant: Tenant, operator: str) -> None:
    path = f"/api/tenants/{tenant.id}/suspension"

    suspended = await house.ask("tenants", "POST", path, None, {"mode": "drain"}, token=operator)
    again = await house.ask("tenants", "POST", path, None, token=operator)
    await house.directory.refresh()
    stopped = (await house.directory.by_id(tenant.id)).status
    resumed = await house.ask("tenants", "DELETE", path, token=operator)
    await house.directory.refresh()
    back = (await house.directory.by_id(tenant.id)).status

    assert (suspended.status, suspended.json["status"]) == (200, "SUSPENDED")
    assert (again.status, again.json["status"]) == (200, "SUSPENDED")
    assert (resumed.status, resumed.content) == (204, b"")
    assert (stopped, back) == (Status.SUSPENDED, Status.ACTIVE)


async def test_who_suspended_and_resumed_a_tenant_is_told(house: House, tenant: Tenant, operator: str) -> None:
    path = f"/api/tenants/{tenant.id}/suspension"
    me = (await house.ask("auth", "GET", "/api/auth/me", token=operator)).json["id"]

    for method in ("POST", "DELETE", "DELETE"):
        await house.ask("tenants", method, path, token=operator)

    told = await published(house.database, tenant, TenantSuspended, TenantResumed)
    assert told == [
        TenantSuspended(tenant_id=tenant.id, strict=False, operator=UUID(me)),
        TenantResumed(tenant_id=tenant.id, operator=UUID(me)),
    ]


async def test_a_tenant_that_is_not_there_yet_cannot_be_suspended(house: House, operator: str) -> None:
    tenant_id = (await _create(house, operator, _body(_slug()))).json["id"]

    answer = await house.ask("tenants", "POST", f"/api/tenants/{tenant_id}/suspension", token=operator)

    assert (answer.status, answer.code) == (409, "tenant_provisioning")


async def test_all_tenants_are_listed_in_pages_newest_first(house: House, new_tenant: NewTenant, operator: str) -> None:
    made = [str((await new_tenant()).id) for _ in range(3)]

    first = await house.ask("tenants", "GET", "/api/tenants", token=operator, query="limit=2")
    cursor = first.json["next_cursor"]
    second = await house.ask("tenants", "GET", "/api/tenants", token=operator, query=f"limit=1&cursor={cursor}")
    listed = [tenant["id"] for tenant in first.json["items"] + second.json["items"]]
    nonsense = await house.ask("tenants", "GET", "/api/tenants", token=operator, query="cursor=nonsense")

    assert listed == list(reversed(made))
    assert (nonsense.status, nonsense.code) == (422, "bad_cursor")


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/api/tenants"), ("GET", "/api/tenants"), ("GET", "/api/tenants/{id}"), ("PATCH", "/api/tenants/{id}"),
    ("POST", "/api/tenants/{id}/suspension"), ("DELETE", "/api/tenants/{id}/suspension"),
])  # fmt: skip
async def test_only_operators_come_in_and_only_on_the_platforms_host(
    house: House, tenant: Tenant, operator: str, method: str, path: str
) -> None:
    await house.register(tenant)
    customer = (await house.login(tenant))["access_token"]
    path = path.format(id=tenant.id)

    nobody = await house.ask("tenants", method, path, None)
    buyer = await house.ask("tenants", method, path, None, token=customer)
    elsewhere = await house.ask("tenants", method, path, tenant, token=customer)

    assert (nobody.status, buyer.status, elsewhere.status) == (401, 403, 404)


async def test_an_unknown_tenant_is_not_found(house: House, operator: str) -> None:
    answers = [
        await _show(house, operator, uuid7()),
        await house.ask("tenants", "PATCH", f"/api/tenants/{uuid7()}", None, {"name": "X"}, token=operator),
        await house.ask("tenants", "POST", f"/api/tenants/{uuid7()}/suspension", token=operator),
        await house.ask("tenants", "DELETE", f"/api/tenants/{uuid7()}/suspension", token=operator),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "tenant_not_found")}


async def _onboarded(house: House, worker: Worker, operator: str) -> UUID:
    answer = await _create(house, operator, _body(_slug()))
    tenant_id = UUID(answer.json["id"])
    await worker.provision(tenant_id)
    return tenant_id


async def _show(house: House, operator: str, tenant_id: UUID) -> Response:
    return await house.ask("tenants", "GET", f"/api/tenants/{tenant_id}", token=operator)


async def _change(house: House, operator: str, tenant: Tenant, change: dict[str, Any]) -> Response:
    return await house.ask("tenants", "PATCH", f"/api/tenants/{tenant.id}", None, change, token=operator)


async def _id_of(house: House, slug: str) -> UUID | None:
    async with house.database.platform() as tx:
        found: UUID | None = await tx.db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug)
    return found


async def test_choosing_another_payment_provider_is_told(house: House, operator: str, tenant: Tenant) -> None:
    answer = await _change(house, operator, tenant, {"settings": {"payment_provider": "stripe"}})
    refused = await _change(house, operator, tenant, {"settings": {"payment_provider": "paypal"}})

    assert answer.json["settings"]["payment_provider"] == "stripe"
    assert (refused.status, refused.json["errors"][0]["path"]) == (422, "settings.payment_provider")
    told = await published(house.database, tenant, TenantChanged)
    assert [message.payment_provider for message in told] == ["stripe"]  # type: ignore[attr-defined]
