"""The walls, tried: what an attacker inside a tenant's transaction would do, and whether any of it works."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from boxoffice.kernel.bootstrap import database_of
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles

# As a tenant: one injected statement that must be refused. $1 is the platform's role, $2 a stranger's id; `{…}` never
# occurs here: each is one statement with parameters, which is all that an injection into a parameterised query gets.
INJECTIONS: tuple[tuple[str, str], ...] = (
    ("becomes the platform by set_config", "SELECT set_config('role', $1, true), $2::text"),
    ("becomes another tenant by set_config", "SELECT set_config('app.tenant', $2, true), $1::text"),
    (
        "becomes the platform by query_to_xml",
        "SELECT query_to_xml(format('SELECT set_config(%L, %L, true)', 'role', $1::text), false, false, ''), $2::text",
    ),
    (
        "becomes the platform by pg_settings",
        "WITH u AS (SELECT $2::text) UPDATE pg_settings SET setting = $1 WHERE name = 'role'",
    ),
    ("makes a temporary table", "CREATE TEMPORARY TABLE bookings (id uuid)"),
    ("makes a function", "CREATE FUNCTION platform.escape() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
    ("makes a table in the schema public", "CREATE TABLE public.escape (id uuid)"),
    ("reads the bus", "SELECT value FROM bus.log LIMIT 1"),
    ("moves a group on the bus", "UPDATE bus.assignment SET committed = 0"),
    ("reads the outbox", "SELECT value FROM platform.outbox LIMIT 1"),
    ("reads dead letters", "SELECT value FROM platform.dead_letters LIMIT 1"),
    ("reads other tenants in the directory", "SELECT slug FROM platform.tenants LIMIT 1"),
    ("writes to the directory", "UPDATE platform.directory_version SET version = version + 1"),
    ("reads password hashes", "SELECT rolpassword FROM pg_authid LIMIT 1"),
    ("reads the server's files", "SELECT pg_read_file('postgresql.conf')"),
    ("writes the server's files", "COPY (SELECT 1) TO '/tmp/boxoffice-escape'"),
    ("runs a program", "COPY (SELECT 1) TO PROGRAM 'true'"),
    (
        "publishes in another tenant's name",
        """INSERT INTO platform.outbox (tenant_id, message_id, topic, key, hash, type, headers, value)
           SELECT $2::text::uuid, gen_random_uuid(), 'escape', $1, 0, 'Escape', '{}', ''""",
    ),
    (
        "arms a timer in another tenant's name",
        """INSERT INTO platform.timers (id, kind, tenant_id, fire_at)
           SELECT gen_random_uuid(), $1, $2::text::uuid, now()""",
    ),
)

# As the web's login itself (or a service's, which is its equal), with no role taken: what must be refused.
BARE: tuple[tuple[str, str], ...] = (
    ("reads the outbox without a tenant", "SELECT value FROM platform.outbox LIMIT 1"),
    ("reads timers without a tenant", "SELECT id FROM platform.timers LIMIT 1"),
    ("reads the bus without a tenant", "SELECT value FROM bus.log LIMIT 1"),
)

# Facts of the catalog of which there must be none. $1 is the login, $2 how the names of tenants' roles begin.
FACTS: tuple[tuple[str, str], ...] = (
    (
        "a table that carries tenants has no wall",
        """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'platform' AND c.relkind IN ('r', 'p')
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
              AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')""",
    ),
    (
        "a role has rights that go round the walls",
        """SELECT rolname FROM pg_roles WHERE (rolname = $1 OR starts_with(rolname, $2))
              AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                   OR (rolcanlogin AND rolname <> $1))""",
    ),
    (
        "the web's login owns something",
        """SELECT classid::regclass::text FROM pg_shdepend
            WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass AND refobjid = $1::text::regrole""",
    ),
    (
        "the web's login can become a stronger one",
        """SELECT rolname FROM pg_roles WHERE pg_has_role($1::text, oid, 'SET')
              AND rolname NOT IN ($1, regexp_replace($1, '__svc_.*$', '__web'))
              AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolname LIKE 'pg\\_%')""",
    ),
    (
        "a tenant may use another's schema",
        """SELECT coalesce(r.rolname, 'PUBLIC') || ' in ' || n.nspname
             FROM pg_namespace n, aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
            WHERE n.nspname LIKE 'tenant\\_%' AND a.grantee <> n.nspowner
              AND r.rolname IS DISTINCT FROM $2 || replace(substr(n.nspname, length('tenant_') + 1), '_', '-')""",
    ),
    (
        "a tenant's role is more than a tenant",
        """SELECT member.rolname || ' is ' || role.rolname FROM pg_auth_members m
             JOIN pg_roles member ON member.oid = m.member JOIN pg_roles role ON role.oid = m.roleid
            WHERE starts_with(member.rolname, $2) AND role.rolname <> regexp_replace($2, '_$', 's')""",
    ),
    (
        "anybody may change a setting inside a query",
        """SELECT grantee::regrole::text FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            WHERE p.oid = 'set_config(text, text, boolean)'::regprocedure AND (a.grantee = 0 OR EXISTS (
                  SELECT FROM pg_roles r
                   WHERE starts_with(r.rolname, $2) AND pg_has_role(r.oid, a.grantee, 'USAGE')))""",
    ),
)

OWN_TIMER = "INSERT INTO platform.timers (id, kind, tenant_id, fire_at) VALUES ($1, 'probe', $1, now())"
SEE_TIMERS = "SELECT count(*) FROM platform.timers"
REDATE_TIMERS = "UPDATE platform.timers SET fire_at = now()"
DELETE_TIMERS = "DELETE FROM platform.timers"


async def escapes(url: str) -> list[str]:
    """Try every escape as the web's login, or as a service's; name those that work. Nothing it does is kept.

    Raises OSError or asyncpg.PostgresError when the database cannot be reached.
    """
    roles = Roles(database_of(url))
    db = await asyncpg.connect(url)
    try:
        found = [f"a tenant {what}" for what, sql in INJECTIONS if await _works(db, roles, roles.probe, sql)]
        found += [f"the web's login {what}" for what, sql in BARE if await _works(db, roles, None, sql)]
        found += await _facts(db, roles, await db.fetchval("SELECT session_user"))
        return found + await _foreign_rows(db, roles)
    finally:
        await db.close()


async def _works(db: Any, roles: Roles, role: str | None, sql: str) -> bool:
    """Whether this statement gets through. Any other error than a refusal counts as getting through."""
    arguments: Sequence[str] = [roles.platform, str(uuid7())][: 2 * ("$1" in sql)]
    await _begin(db, role, str(uuid7()))
    try:
        await db.execute(sql, *arguments)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.PostgresError:
        return True
    finally:
        await db.execute("ROLLBACK")
    return True


async def _facts(db: Any, roles: Roles, login: str) -> list[str]:
    prefix = roles.tenant("")
    found = []
    for what, sql in FACTS:
        arguments = [argument for name, argument in (("$1", login), ("$2", prefix)) if name in sql]
        rows = await db.fetch(sql.replace("$2", "$1") if "$1" not in sql else sql, *arguments)
        found += [f"{what}: {row[0]}" for row in rows]
    return found


async def _foreign_rows(db: Any, roles: Roles) -> list[str]:
    """A row of one tenant, and what another tenant, and one without a name, can do with it."""
    found = []
    for whose, stranger in (("another tenant", str(uuid7())), ("a transaction without a tenant", "")):
        owner = uuid7()
        await _begin(db, roles.probe, str(owner))
        await db.execute(OWN_TIMER, owner)
        if await db.fetchval(SEE_TIMERS) != 1:
            found.append("a tenant sees other rows than its own")
        await db.execute(f"SET LOCAL app.tenant = '{stranger}'")
        if await db.fetchval(SEE_TIMERS) != 0:
            found.append(f"{whose} reads a tenant's rows")
        for sql in (REDATE_TIMERS, DELETE_TIMERS):
            if not (await db.execute(sql)).endswith(" 0"):
                found.append(f"{whose} changes a tenant's rows")
        await db.execute("ROLLBACK")
    return found


async def _begin(db: Any, role: str | None, tenant: str) -> None:
    await db.execute("BEGIN")
    if role is not None:
        await db.execute(
            f"SET LOCAL ROLE \"{role}\"; SET LOCAL search_path = platform, pg_temp; SET LOCAL app.tenant = '{tenant}'"
        )
