"""What only a superuser can do, once per database: the database, its logins and roles, and the walls between them."""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from boxoffice.kernel.roles import Roles

POSTGRESQL_LEAST = 18
CONNECT_SECONDS = 5
SILENT_MS = 30_000  # a server that acknowledges nothing for so long is gone
BOOTSTRAP_LOCK = 7_021_001
# Statement, idle in transaction, transaction; the migrator's own work sets its own.
WEB_TIMEOUTS = ("5s", "15s", "30s")
WORKER_TIMEOUTS = ("60s", "15s", "120s")
GONE_AFTER = "1s"  # so soon a statement in hand, and its locks, end when the process that asked for it was killed


@dataclass(frozen=True, slots=True)
class Logins:
    """Addresses of the logins; only the worker may be given the migrator's. `services` have the web's rights."""

    web: str
    worker: str
    migrator: str
    services: Mapping[str, str] = field(default_factory=dict)


def bootstrap(superuser_url: str, secrets_dir: Path, services: Sequence[str] = ()) -> Logins:
    """Make or repair the database, its logins and its walls; safe to repeat and to run twice at once.

    `services` are those that get a login of their own, for the form in which each is a process.
    """
    database = database_of(superuser_url)
    roles = Roles(database)
    _create_database(superuser_url, database)
    passwords = _passwords(roles, secrets_dir, services)
    with connect(superuser_url) as db:
        if db.info.server_version < POSTGRESQL_LEAST * 10_000:
            raise ValueError(f"PostgreSQL {POSTGRESQL_LEAST} or later is needed")
        db.execute("SELECT pg_advisory_xact_lock(%s)", [BOOTSTRAP_LOCK])
        _create_roles(db, roles, passwords)
        _grant_memberships(db, roles, services)
        _build_walls(db, roles)
    return logins(superuser_url, secrets_dir, services)


def logins(url: str, secrets_dir: Path, services: Sequence[str] = ()) -> Logins:
    """The addresses of the logins that `bootstrap` made on the server of `url`; asks nobody."""
    roles = Roles(database_of(url))
    passwords = _passwords(roles, secrets_dir, services)
    return Logins(
        web=_login_url(url, roles.web, passwords[roles.web]),
        worker=_login_url(url, roles.worker, passwords[roles.worker]),
        migrator=_login_url(url, roles.migrator, passwords[roles.migrator]),
        services={name: _login_url(url, roles.service(name), passwords[roles.service(name)]) for name in services},
    )


def database_of(url: str) -> str:
    """The database's name in a PostgreSQL URL."""
    name = urlsplit(url).path.lstrip("/")
    if not name:
        raise ValueError("the database URL names no database")
    return name


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection for what is done once. Raises psycopg.OperationalError when nobody answers in time."""
    return psycopg.connect(url, autocommit=autocommit, connect_timeout=CONNECT_SECONDS, tcp_user_timeout=SILENT_MS)


def _create_database(superuser_url: str, database: str) -> None:
    parts = urlsplit(superuser_url)
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with connect(maintenance, autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            quicker = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)  # somebody else was
            with contextlib.suppress(*quicker):
                db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def _passwords(roles: Roles, secrets_dir: Path, services: Sequence[str]) -> dict[str, str]:
    """The logins' passwords by their roles."""
    own = {roles.web: "web", roles.worker: "worker", roles.migrator: "migrator"}
    files = own | {roles.service(name): f"svc-{name}" for name in services}
    return {role: kept_password(secrets_dir / f"database-{name}") for role, name in files.items()}


def kept_password(path: Path) -> str:
    """The password kept in this file, made now if there is none yet; the first of two makers wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text().strip()


def _create_roles(db: psycopg.Connection, roles: Roles, passwords: dict[str, str]) -> None:
    kinds = {
        roles.web: "LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
        roles.worker: "LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS",
        roles.migrator: "LOGIN NOINHERIT NOSUPERUSER NOCREATEDB CREATEROLE NOBYPASSRLS",
        roles.tenants: "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
        roles.platform: "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
        roles.probe: "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
    }
    services = passwords.keys() - kinds.keys()
    kinds |= dict.fromkeys(services, kinds[roles.web])
    for name, attributes in kinds.items():
        known = db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        verb = sql.SQL("ALTER ROLE" if known else "CREATE ROLE")
        db.execute(sql.SQL("{} {} {}").format(verb, sql.Identifier(name), sql.SQL(attributes)))
    for name, password in passwords.items():
        db.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
    patience = {roles.web: WEB_TIMEOUTS, roles.worker: WORKER_TIMEOUTS} | dict.fromkeys(services, WEB_TIMEOUTS)
    for login, timeouts in patience.items():
        role = sql.Identifier(login)
        names = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
                 "client_connection_check_interval")  # fmt: skip
        for name, value in zip(names, (*timeouts, GONE_AFTER), strict=True):
            db.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), sql.Literal(value)))


def _grant_memberships(db: psycopg.Connection, roles: Roles, services: Sequence[str]) -> None:
    """Logins may become a role, but hold none of its rights until they do; the migrator may hand the group on.

    A service's login is the web's by another name: it may what that may itself, and become what that may become.
    """
    grant = sql.SQL("GRANT {} TO {} WITH {}")
    wanted = [
        (roles.platform, roles.web, "ADMIN FALSE, INHERIT FALSE, SET TRUE"),
        (roles.platform, roles.worker, "ADMIN FALSE, INHERIT FALSE, SET TRUE"),
        (roles.probe, roles.web, "ADMIN FALSE, INHERIT FALSE, SET TRUE"),
        (roles.tenants, roles.probe, "ADMIN FALSE, INHERIT TRUE, SET FALSE"),
        (roles.tenants, roles.migrator, "ADMIN TRUE, INHERIT FALSE, SET FALSE"),
        *((roles.web, roles.service(name), "ADMIN FALSE, INHERIT TRUE, SET TRUE") for name in services),
    ]
    for role, member, options in wanted:
        db.execute(grant.format(sql.Identifier(role), sql.Identifier(member), sql.SQL(options)))


def _build_walls(db: psycopg.Connection, roles: Roles) -> None:
    """Take from PUBLIC what lets a tenant's role step out of its schema, and give the logins what they need."""
    names = {
        "database": sql.Identifier(roles.database),
        "web": sql.Identifier(roles.web),
        "worker": sql.Identifier(roles.worker),
        "migrator": sql.Identifier(roles.migrator),
        "everyone": sql.SQL(", ").join(
            sql.Identifier(name) for name in (roles.web, roles.worker, roles.platform, roles.tenants)
        ),
    }
    for statement in WALLS:
        db.execute(sql.SQL(statement).format(**names))


WALLS = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {web}, {worker}, {migrator}",
    "GRANT CREATE ON DATABASE {database} TO {migrator}",  # a schema for each tenant
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    # One injected SELECT could change the role or the tenant by calling it (and asyncpg's introspection needs it).
    "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {web}, {worker}, {migrator}",
    "CREATE SCHEMA IF NOT EXISTS platform AUTHORIZATION {migrator}",
    "CREATE SCHEMA IF NOT EXISTS bus AUTHORIZATION {migrator}",
    "GRANT USAGE ON SCHEMA platform TO {everyone}",
    "GRANT USAGE ON SCHEMA bus TO {worker}",
)


def _login_url(superuser_url: str, role: str, password: str) -> str:
    """The same server and database for another login."""
    parts = urlsplit(superuser_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password)}@{address}"))
