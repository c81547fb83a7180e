"""Migrations: the baseline is the replayed tree, all of it can be repeated, and one bad tenant stops no other."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from boxoffice.kernel.roles import Roles, schema_of
from tests.support.servers import temporary_folder

SHAPE = """
    SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity::text
      FROM pg_class c
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     WHERE c.relnamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT conrelid::regclass::text, 'constraint', conname, pg_get_constraintdef(oid), true, '', ''
      FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT tablename, 'index', indexname, indexdef, true, '', '' FROM pg_indexes WHERE schemaname = %(schema)s::text
    UNION ALL
    SELECT table_name, 'grant', grantee, privilege_type, true, '', ''
      FROM information_schema.role_table_grants WHERE table_schema = %(schema)s::text
    ORDER BY 1, 2, 3, 4
"""


@pytest.fixture(scope="module")
def fresh(servers: EmbeddedServers) -> Iterator[tuple[migrate.Logins, str]]:
    """A database of these tests' own, and the superuser's address of it."""
    url = servers.postgres.url("migrated")
    with temporary_folder() as folder:
        logins = migrate.bootstrap(url, folder / "secrets")
        migrate.upgrade(logins.migrator)
        yield logins, url


def shape(url: str, schema: str) -> list[Any]:
    """All that a schema consists of, without its own name."""
    with psycopg.connect(url) as db:
        db.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        role = Roles("migrated").tenant(schema.removeprefix("tenant_"))
        rows = db.execute(SHAPE, {"schema": schema}).fetchall()
        return [tuple(str(cell).replace(role, "<role>").replace(schema, "<schema>") for cell in row) for row in rows]


def empty(logins: migrate.Logins, slug: str) -> None:
    """Leave of a tenant's schema only an empty table of revisions, as if no migration had ever run in it."""
    schema, role = sql.Identifier(schema_of(slug)), sql.Identifier(Roles("migrated").tenant(slug))
    with psycopg.connect(logins.migrator) as db:
        db.execute(sql.SQL("SET search_path = {}").format(schema))
        tables = db.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
            [schema.as_string()],
        ).fetchall()
        for (table,) in tables:
            db.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(table)))
        db.execute("CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)")
        db.execute(sql.SQL("REVOKE ALL ON alembic_version FROM {}").format(role))


def test_a_tenant_made_from_the_baseline_is_the_same_as_one_migrated_step_by_step(
    fresh: tuple[migrate.Logins, str],
) -> None:
    logins, url = fresh
    migrate.provision(logins.migrator, "made")
    migrate.provision(logins.migrator, "stepped")
    empty(logins, "stepped")

    assert migrate.upgrade(logins.migrator) == {}

    assert shape(url, schema_of("stepped")) == shape(url, schema_of("made"))
    assert len(shape(url, schema_of("made"))) > 50


async def test_everything_may_be_repeated_and_done_by_several_at_once(
    servers: EmbeddedServers, fresh: tuple[migrate.Logins, str]
) -> None:
    logins, url = fresh
    with temporary_folder() as folder:
        copied = folder / "secrets"
        copied.mkdir()
        for name in ("web", "worker", "migrator"):
            password = getattr(logins, name).split(":")[2].split("@")[0]
            (copied / f"database-{name}").write_text(password)

        made = await asyncio.gather(*(asyncio.to_thread(migrate.bootstrap, url, copied) for _ in range(3)))
        await asyncio.gather(*(asyncio.to_thread(migrate.provision, logins.migrator, "twice") for _ in range(3)))
        failed = await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, logins.migrator) for _ in range(3)))

    assert made == [logins] * len(made)
    assert failed == [{}, {}, {}]


def test_the_password_is_kept_in_a_file_only_its_owner_reads(fresh: tuple[migrate.Logins, str]) -> None:
    logins, url = fresh
    with temporary_folder() as folder:
        first = migrate.bootstrap(url, folder / "secrets")
        again = migrate.bootstrap(url, folder / "secrets")
        modes = {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir()}
        with temporary_folder() as restored:
            _keep(logins, restored / "secrets")
            migrate.bootstrap(url, restored / "secrets")

    assert first == again != logins
    assert modes == {0o600}


def _keep(logins: migrate.Logins, folder: Path) -> None:
    folder.mkdir()
    for name in ("web", "worker", "migrator"):
        (folder / f"database-{name}").write_text(getattr(logins, name).split(":")[2].split("@")[0])


def test_a_tenant_that_cannot_be_migrated_is_reported_and_the_others_are_migrated(
    fresh: tuple[migrate.Logins, str],
) -> None:
    logins, url = fresh
    migrate.provision(logins.migrator, "aaa-bad")
    migrate.provision(logins.migrator, "zzz-good")
    empty(logins, "zzz-good")
    with psycopg.connect(logins.migrator) as db:
        bad = sql.Identifier(schema_of("aaa-bad"))
        db.execute(sql.SQL("DELETE FROM {}.alembic_version").format(bad))

    failed = migrate.upgrade(logins.migrator)

    assert list(failed) == [schema_of("aaa-bad")]
    assert "already exists" in failed[schema_of("aaa-bad")]
    assert len(shape(url, schema_of("zzz-good"))) > 50
    with psycopg.connect(logins.migrator) as db:
        db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(bad))


def test_a_tenants_role_owns_nothing_and_may_not_read_how_its_schema_was_made(
    fresh: tuple[migrate.Logins, str],
) -> None:
    logins, url = fresh
    migrate.provision(logins.migrator, "modest")
    role = Roles("migrated").tenant("modest")
    with psycopg.connect(url) as db:
        owned = db.execute(
            "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = %s::regrole", [f'"{role}"']
        ).fetchone()
        readable = db.execute(
            "SELECT has_table_privilege(%s, %s, 'SELECT')", [role, f"{schema_of('modest')}.alembic_version"]
        ).fetchone()

    assert (owned, readable) == ((0,), (False,))


def test_a_database_whose_name_leaves_no_room_for_its_tenants_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        Roles("a_database_with_quite_a_long_name")
