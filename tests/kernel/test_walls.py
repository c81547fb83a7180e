"""Doctor's escape attempts: none works on a fresh database, and each wall that is torn down is named."""

import asyncpg
import pytest

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import walls
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Tenant
from tests.support.tenancy import NewTenant

ROLES = Roles("suite")


async def test_no_escape_works(logins: Logins, new_tenant: NewTenant) -> None:
    await new_tenant()
    await new_tenant()

    assert await walls.escapes(logins.web) == []
    assert await walls.escapes(logins.services["events"]) == []


async def test_a_service_s_login_does_what_the_web_s_does_and_becomes_no_other_service(
    logins: Logins, tenant: Tenant
) -> None:
    events = await asyncpg.connect(logins.services["events"])
    try:
        async with events.transaction():
            await events.execute(f'SET LOCAL ROLE "{tenant.role}"')
        tenants = await events.fetchval("SELECT count(*) FROM platform.tenants")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await events.execute('SET ROLE "suite__svc_payments"')
    finally:
        await events.close()

    assert tenants > 0


@pytest.mark.parametrize(
    ("hole", "mended", "named"),
    [
        (
            "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO PUBLIC",
            "REVOKE EXECUTE ON FUNCTION set_config(text, text, boolean) FROM PUBLIC",
            "a tenant becomes the platform by set_config",
        ),
        (
            'GRANT SELECT ON platform.outbox TO "suite__tenants"',
            'REVOKE SELECT ON platform.outbox FROM "suite__tenants"',
            "a tenant reads the outbox",
        ),
        (
            "ALTER TABLE platform.timers NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE platform.timers FORCE ROW LEVEL SECURITY",
            "a table that carries tenants has no wall: platform.timers",
        ),
        (
            "ALTER TABLE platform.timers DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE platform.timers ENABLE ROW LEVEL SECURITY",
            "another tenant reads a tenant's rows",
        ),
        (
            "GRANT TEMPORARY ON DATABASE suite TO PUBLIC",
            "REVOKE TEMPORARY ON DATABASE suite FROM PUBLIC",
            "a tenant makes a temporary table",
        ),
        (
            'ALTER ROLE "suite__web" BYPASSRLS',
            'ALTER ROLE "suite__web" NOBYPASSRLS',
            "a role has rights that go round the walls: suite__web",
        ),
        (
            'GRANT "suite__worker" TO "suite__web" WITH SET TRUE',
            'REVOKE "suite__worker" FROM "suite__web"',
            "the web's login can become a stronger one: suite__worker",
        ),
        (
            'GRANT "suite__svc_payments" TO "suite__svc_events" WITH SET TRUE',
            'REVOKE "suite__svc_payments" FROM "suite__svc_events"',
            "the web's login can become a stronger one: suite__svc_payments",
        ),
        (
            'GRANT USAGE ON SCHEMA bus TO "suite__tenants"; GRANT SELECT ON bus.log TO "suite__tenants"',
            'REVOKE ALL ON bus.log FROM "suite__tenants"; REVOKE ALL ON SCHEMA bus FROM "suite__tenants"',
            "a tenant reads the bus",
        ),
    ],
)
async def test_a_hole_in_a_wall_is_named(
    servers: EmbeddedServers, logins: Logins, hole: str, mended: str, named: str
) -> None:
    superuser = await asyncpg.connect(servers.postgres.url("suite"))
    try:
        await superuser.execute(hole)

        found = [*await walls.escapes(logins.web), *await walls.escapes(logins.services["events"])]

        assert named in found
    finally:
        await superuser.execute(mended)
        await superuser.close()


async def test_a_tenant_let_into_another_tenants_schema_is_named(
    servers: EmbeddedServers, logins: Logins, new_tenant: NewTenant
) -> None:
    one, other = await new_tenant(), await new_tenant()
    superuser = await asyncpg.connect(servers.postgres.url("suite"))
    try:
        await superuser.execute(f'GRANT USAGE ON SCHEMA "{other.schema}" TO "{one.role}"')

        found = await walls.escapes(logins.web)

        assert f"a tenant may use another's schema: {one.role} in {other.schema}" in found
    finally:
        await superuser.execute(f'REVOKE USAGE ON SCHEMA "{other.schema}" FROM "{one.role}"')
        await superuser.close()


async def test_a_tenant_that_may_become_another_is_named(
    servers: EmbeddedServers, logins: Logins, new_tenant: NewTenant
) -> None:
    one, other = await new_tenant(), await new_tenant()
    superuser = await asyncpg.connect(servers.postgres.url("suite"))
    try:
        await superuser.execute(f'GRANT "{other.role}" TO "{one.role}"')

        found = await walls.escapes(logins.web)

        assert f"a tenant's role is more than a tenant: {one.role} is {other.role}" in found
    finally:
        await superuser.execute(f'REVOKE "{other.role}" FROM "{one.role}"')
        await superuser.close()


@pytest.mark.parametrize(
    "injected",
    [
        "SELECT count(*) FROM users UNION ALL SELECT count(*) FROM {other}.users",
        "SELECT query_to_xml('SELECT count(*) FROM {other}.users', false, false, '')",
        "WITH became AS (SELECT set_config('role', '{role}', true)) SELECT count(*) FROM {other}.users, became",
    ],
)
async def test_a_tenant_reads_nothing_of_another_by_one_injected_statement(
    logins: Logins, new_tenant: NewTenant, injected: str
) -> None:
    one, other = await new_tenant(), await new_tenant()
    db = await asyncpg.connect(logins.web)
    try:
        await db.execute(_begin(one))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.fetch(injected.format(other=f'"{other.schema}"', role=other.role))
    finally:
        await db.close()


async def test_a_tenant_reads_its_own_schema(logins: Logins, tenant: Tenant) -> None:
    db = await asyncpg.connect(logins.web)
    try:
        await db.execute(_begin(tenant))

        assert await db.fetchval("SELECT count(*) FROM users") == 0
    finally:
        await db.close()


def _begin(tenant: Tenant) -> str:
    return (
        f'BEGIN; SET LOCAL ROLE "{tenant.role}"; SET LOCAL search_path = "{tenant.schema}", platform, pg_temp;'
        f" SET LOCAL app.tenant = '{tenant.id}'"
    )
