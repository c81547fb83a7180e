"""An operator's chores, each from its command to its end: migrate, seed, look for holes, make tenants and operators."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import structlog

from boxoffice import seeding
from boxoffice.app.bus import builders, groups
from boxoffice.app.process import Process, process
from boxoffice.app.services import PROCESSES
from boxoffice.auth import actions as auth_actions
from boxoffice.auth import domain as auth_domain
from boxoffice.auth.passwords import Passwords
from boxoffice.crossing import moving
from boxoffice.crossing.carrier import carrier_of, give_up
from boxoffice.doors.identity import SERVICE_KEYS
from boxoffice.doors.keys import Keyring
from boxoffice.kernel import bootstrap, walls
from boxoffice.kernel import migrate as migrations
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Invalid, Refusal
from boxoffice.kernel.roles import Roles
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem
from boxoffice.tenants.domain import Plan
from boxoffice.tenants.onboarding import Applicant, Onboarding

log = structlog.get_logger("chores")


async def migrate(settings: Settings) -> str:
    """Make or repair the database, and bring every schema to its newest version; the bus that carries messages then.

    That is the one that the settings name, unless messages wait to be read on the other: these `move_bus` waits for.
    """
    try:
        made = await asyncio.to_thread(
            migrations.bootstrap, settings.database_url, settings.data / "secrets", PROCESSES
        )
    except ValueError as problem:
        raise StartupProblem(str(problem)) from problem
    keyring = Keyring(settings.data / "secrets" / "keys")
    for name in PROCESSES:  # so that each knows the others' public keys before the first of them calls
        keyring.signing(SERVICE_KEYS + name, share=True)
    failed = await asyncio.to_thread(migrations.upgrade, made.migrator)
    if failed:
        raise StartupProblem(f"these schemas could not be migrated: {', '.join(sorted(failed))}; the log says why")
    async with _worker_database(settings) as database:
        if settings.bus:
            try:
                await moving.move_at_rest(database, builders(settings, database), groups(), settings.bus)
            except Exception as fault:  # it does not answer, or nobody says where it is
                log.info("messages_not_moved", bus=settings.bus, fault=repr(fault))
        return (await carrier_of(database)).current


async def move_bus(settings: Settings, to: str, say: Callable[[str], None]) -> None:
    """Move the messages to a bus, while everything runs; when this is cancelled, the move is given up."""
    async with _worker_database(settings) as database:
        await moving.move(database, builders(settings, database), groups(), to, say)


async def abort_move(settings: Settings) -> str:
    """Give up a move that is under way; the bus that goes on carrying messages."""
    async with _worker_database(settings) as database:
        found = await carrier_of(database)
        await give_up(database, found)
        return (await carrier_of(database)).current


@asynccontextmanager
async def _worker_database(settings: Settings) -> AsyncIterator[Database]:
    """The database as the worker, without all the services."""
    url = bootstrap.logins(settings.database_url, settings.data / "secrets", PROCESSES).worker
    role = Roles(bootstrap.database_of(url)).platform
    database = await Database.connect(url, platform_role=role, pool_size=1, reserve_size=1)
    try:
        yield database
    finally:
        await database.close()


async def seed(settings: Settings) -> None:
    """Fill in the demo; does nothing where it is already there."""
    pepper = Keyring(settings.data / "secrets" / "keys").secret("pepper")
    async with process(settings, "worker") as parts:
        passwords = Passwords(pepper, cost=settings.bcrypt_cost)
        await seeding.seed(parts.database, parts.directory, passwords, onboarding(parts))


async def doctor(settings: Settings) -> list[str]:
    """What is wrong with the walls (every login that answers requests is tried) and with these settings."""
    deadly = ["BOXOFFICE_FAILPOINT is set: a process that reads it dies on purpose"] if settings.failpoint else []
    logins = bootstrap.logins(settings.database_url, settings.data / "secrets", PROCESSES)
    found = await asyncio.gather(*(walls.escapes(url) for url in (logins.web, *logins.services.values())))
    return deadly + sorted(set().union(*found))


async def create_tenant(
    settings: Settings,
    *,
    slug: str,
    name: str,
    plan: str,
    admin_email: str,
    admin_password: str,
    admin_first_name: str = "",
    admin_last_name: str = "",
) -> None:
    """Make a tenant and its first admin, ACTIVE when this returns."""
    applicant = Applicant(
        email=admin_email, password=admin_password,
        first_name=admin_first_name or "Admin", last_name=admin_last_name or name,
    )  # fmt: skip
    async with process(settings, "worker") as parts:
        with _as_startup_problem():
            await onboarding(parts).create(slug, name, msgspec.convert(plan, Plan), applicant)


def onboarding(parts: Process) -> Onboarding:
    """What makes tenants, with the migrator's login: for the command line and the demo."""
    return Onboarding(parts.database, parts.peers("tenants"), parts.roles, migrator_url=parts.migrator_url)


async def create_operator(settings: Settings, *, email: str, password: str) -> None:
    """Make an operator."""
    with _as_startup_problem():
        person, problems = auth_domain.check_person(email, "Operator", "Operator")
        auth_domain.refuse(problems + auth_domain.check_password(password, person.email))
        pepper = Keyring(settings.data / "secrets" / "keys").secret("pepper")
        password_hash = await Passwords(pepper, cost=settings.bcrypt_cost).hash(password)
        async with process(settings, "worker") as parts, parts.database.platform() as tx:
            await auth_actions.create_operator(tx, person, password_hash)


@contextmanager
def _as_startup_problem() -> Iterator[None]:
    """A refusal becomes one line for the person at the terminal."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise StartupProblem(str(error)) from error
    except Invalid as refusal:
        said = "; ".join(f"{error['path']}: {error['detail']}" for error in refusal.members["errors"])
        raise StartupProblem(said or refusal.detail) from refusal
    except Refusal as refusal:
        raise StartupProblem(refusal.detail) from refusal
