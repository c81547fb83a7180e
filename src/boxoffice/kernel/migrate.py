"""Migrations: one Alembic tree for the platform, one for every tenant's schema; new tenants start from a baseline."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
import structlog
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy.dialects import postgresql

from boxoffice import failpoint
from boxoffice.kernel.bootstrap import Logins, bootstrap, connect, database_of
from boxoffice.kernel.roles import SCHEMA_PREFIX, Roles, schema_of

__all__ = ["Logins", "baseline", "bootstrap", "database_of", "provision", "roles", "tenant_wall", "upgrade"]

PACKAGE = Path(__file__).parent.parent
UPGRADE_LOCK, PROVISION_LOCK = 7_021_002, 7_021_003
LOCK_TIMEOUT = "2s"  # a migration that waits for a lock makes everybody else wait behind it
LOCK_ATTEMPTS = 5
log = structlog.get_logger("migrate")

_alembic = threading.RLock()  # Alembic's `op` is one per process
_roles: Roles | None = None
_baselines: dict[str, str] = {}


def roles() -> Roles:
    """The roles of the database being migrated; revisions name them in grants and policies."""
    if _roles is None:
        raise RuntimeError("no migration is running")
    return _roles


def upgrade(migrator_url: str) -> dict[str, str]:
    """Bring the platform, then every tenant's schema to the newest revision; one process at a time.

    A tenant that fails is reported (schema → error) and does not keep the others from their upgrade.
    """
    with _alembic, _migrating(migrator_url), _engine(migrator_url).connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (UPGRADE_LOCK,))
        connection.commit()
        try:
            _upgrade_schema(connection, "platform", "platform")
            return _upgrade_tenants(connection)
        finally:
            connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (UPGRADE_LOCK,))
            connection.commit()


def provision(migrator_url: str, slug: str) -> None:
    """Make a tenant's role and schema from the baseline, in one transaction; safe to repeat and from any thread."""
    database = database_of(migrator_url)
    names = Roles(database)
    script = baseline(migrator_url)
    schema, role = schema_of(slug), names.tenant(slug)
    with failpoint.around_commit(), connect(migrator_url) as db:
        db.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PROVISION_LOCK, schema])
        if db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            db.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None:
            return
        parts = {"schema": schema, "role": role, "group": names.tenants, "web": names.web, "worker": names.worker}
        identifiers = {name: sql.Identifier(value) for name, value in parts.items()}
        for statement in TENANT_ROLE:
            db.execute(sql.SQL(statement).format(**identifiers))
        db.execute(script.encode())
        db.execute(sql.SQL("REVOKE ALL ON alembic_version FROM {role}").format(**identifiers))


TENANT_ROLE = (
    "GRANT {group} TO {role} WITH INHERIT TRUE, SET FALSE",
    "GRANT {role} TO {web}, {worker} WITH INHERIT FALSE, SET TRUE",
    "CREATE SCHEMA {schema}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}",
    "SET LOCAL search_path = {schema}",
)


def baseline(migrator_url: str) -> str:
    """The tenant tree as one SQL script, stamped at its heads; written once per process by Alembic's offline mode."""
    database = database_of(migrator_url)
    with _alembic:
        if database not in _baselines:
            with _migrating(migrator_url):
                _baselines[database] = _offline("tenant")
        return _baselines[database]


def _offline(tree: str) -> str:
    script = _scripts(tree)
    if script is None:
        return "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect=postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
        opts={
            "as_sql": True, "output_buffer": buffer, "transactional_ddl": False, "literal_binds": True,
            "fn": _to_heads(script),
        },
    )  # fmt: skip
    with Operations.context(context):
        context.run_migrations()
    return buffer.getvalue()


def _upgrade_tenants(connection: sqlalchemy.Connection) -> dict[str, str]:
    heads = set(script.get_heads()) if (script := _scripts("tenant")) else set()
    rows = connection.exec_driver_sql(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s AND nspowner = current_user::regrole ORDER BY nspname",
        (SCHEMA_PREFIX.replace("_", r"\_") + "%",),
    )
    schemas = [row[0] for row in rows]
    connection.commit()
    failed: dict[str, str] = {}
    for schema in schemas:
        try:
            if _stamped(connection, schema) != heads:
                _upgrade_schema(connection, schema, "tenant")
        except Exception as fault:
            connection.rollback()
            log.error("tenant_not_migrated", schema=schema, fault=repr(fault))
            failed[schema] = str(fault)
    return failed


def _stamped(connection: sqlalchemy.Connection, schema: str) -> set[str]:
    query = sql.SQL("SELECT version_num FROM {}.alembic_version").format(sql.Identifier(schema)).as_string()
    found = {row[0] for row in connection.exec_driver_sql(query)}
    connection.commit()
    return found


def _upgrade_schema(connection: sqlalchemy.Connection, schema: str, tree: str) -> None:
    """One schema, one transaction; a lock that is not to be had in time is asked for again a few times."""
    script = _scripts(tree)
    if script is None:
        return
    path = sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)).as_string()
    for attempt in range(LOCK_ATTEMPTS):
        try:
            with connection.begin():
                connection.exec_driver_sql(path)
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                _online(connection, script, "platform" if tree == "platform" else None)
            return
        except sqlalchemy.exc.OperationalError as fault:
            if not isinstance(fault.orig, psycopg.errors.LockNotAvailable) or attempt + 1 == LOCK_ATTEMPTS:
                raise
            time.sleep(0.2 * (attempt + 1))


def _online(connection: sqlalchemy.Connection, script: ScriptDirectory, version_schema: str | None) -> None:
    context = MigrationContext.configure(
        connection=connection, opts={"fn": _to_heads(script), "version_table_schema": version_schema}
    )
    with Operations.context(context):
        context.run_migrations()


def _scripts(tree: str) -> ScriptDirectory | None:
    """All services' revisions of one tree; None before there is any."""
    folders = [path for path in sorted(PACKAGE.glob(f"*/migrations/{tree}")) if any(path.glob("*.py"))]
    return ScriptDirectory(str(PACKAGE), version_locations=[str(path) for path in folders]) if folders else None


def _to_heads(script: ScriptDirectory) -> Callable[[Any, Any], Any]:
    return lambda revision, _context: script._upgrade_revs("heads", revision)


@contextmanager
def _migrating(migrator_url: str) -> Iterator[None]:
    global _roles
    before, _roles = _roles, Roles(database_of(migrator_url))
    try:
        yield
    finally:
        _roles = before


def _engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url), poolclass=sqlalchemy.NullPool
    )


def tenant_wall(table: str, dml: str) -> str:
    """SQL that walls a platform table by tenant: tenants may do `dml` on their own rows, the platform sees all."""
    names = roles()
    own = "tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid"
    return f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY own_rows ON {table} TO "{names.tenants}" USING ({own}) WITH CHECK ({own});
        CREATE POLICY all_rows ON {table} TO "{names.platform}" USING (true) WITH CHECK (true);
        {f'GRANT {dml} ON {table} TO "{names.tenants}";' if dml else ""}
    """
