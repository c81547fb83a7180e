"""The composition root: which services run in this process, on which bus, behind which gateway."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis

from boxoffice import seeding
from boxoffice.auth import actions as auth_actions
from boxoffice.auth import domain as auth_domain
from boxoffice.auth import service as auth
from boxoffice.auth.passwords import Passwords
from boxoffice.bookings import service as bookings
from boxoffice.demo.people import TENANTS
from boxoffice.doors import http
from boxoffice.doors import openapi as contract
from boxoffice.doors.hosts import Hosts
from boxoffice.doors.identity import SERVICE_KEYS, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.limits import Limiter
from boxoffice.doors.peers import Peers
from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.events import service as events
from boxoffice.gateway import reference
from boxoffice.gateway.app import Gateway
from boxoffice.gateway.exchange import ASGIApp
from boxoffice.gateway.steps import Gate
from boxoffice.kernel import bootstrap, idempotency, walls, worker
from boxoffice.kernel import migrate as migrations
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.caller import Caller
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Invalid, Refusal
from boxoffice.kernel.gauges import Sampler, watch_pool
from boxoffice.kernel.health import Health, serve
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.valkey import connect
from boxoffice.kernel.wake import Wake
from boxoffice.messages import TOPICS
from boxoffice.notifications import service as notifications
from boxoffice.operations import service as operations
from boxoffice.pages.assets import Assets
from boxoffice.payments import service as payments
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem
from boxoffice.storefront import service as storefront
from boxoffice.telemetry import logs
from boxoffice.tenants import service as tenants
from boxoffice.tenants.domain import Plan
from boxoffice.tenants.onboarding import Applicant, Onboarding

Login = Literal["web", "worker"]
SERVICES = (
    "tenants",
    "auth",
    "events",
    "bookings",
    "payments",
    "notifications",
    "storefront",
    "operations",
    "reference",
)
API_VERSION = "1.0"  # of the public contract; it grows when something is added
BANK_CONNECTIONS = 4


@dataclass
class Process:
    """What every service of one process is built from, and the services themselves."""

    settings: Settings
    login: Login
    database: Database
    bank: Database
    directory: Directory
    valkey: Redis
    keyring: Keyring
    apps: dict[str, ASGIApp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*SERVICES, "gateway"):  # all know each other's public keys before the first call
            self.keyring.signing(SERVICE_KEYS + name, share=True)
        peers = self.peers("gateway")
        self.verifier = Verifier(fetch_jwks=peers.jwks, keyring=self.keyring, directory=self.directory)
        self.services = services(self)
        for service in self.services:
            self.apps[service.name] = http.application(
                service, directory=self.directory, verifier=self.verifier, domain=self.settings.domain
            )

    def peers(self, caller: str) -> Peers:
        return Peers(caller, apps=self.apps, keyring=self.keyring, domain=self.settings.domain)

    @property
    def limiter(self) -> Limiter:
        return Limiter(self.valkey, processes=self.settings.web_processes)


def services(process: Process) -> list[Service]:
    """Every service of the platform; what only the worker does comes along in the worker only."""
    settings, database, keyring, valkey = process.settings, process.database, process.keyring, process.valkey
    directory = process.directory
    url = settings.database_url
    at_work = process.login == "worker"
    assets = Assets(storefront.BUILT)
    built = [
        tenants.build(
            database=database, peers=process.peers("tenants"), valkey=valkey, keyring=keyring,
            roles=Roles(bootstrap.database_of(url)), least_hold_seconds=settings.least_hold_seconds,
            migrator_url=bootstrap.logins(url, settings.data / "secrets").migrator if at_work else None,
        ),
        auth.build(
            database=database, directory=directory, valkey=valkey, keyring=keyring,
            bcrypt_cost=settings.bcrypt_cost, processes=settings.web_processes, verifier=process.verifier,
        ),
        events.build(database=database, peers=process.peers("events"), keyring=keyring),
        bookings.build(
            database=database, directory=directory, peers=process.peers("bookings"), valkey=valkey, keyring=keyring,
            cancel_grace_seconds=settings.cancel_grace_seconds,
            least_payment_seconds=max(1, round(settings.least_payment_seconds)),
        ),
        payments.build(
            database=database, bank=process.bank, directory=directory, keyring=keyring, domain=settings.domain,
            public_url=f"http://{{slug}}.{settings.domain}:{settings.port}",
            internal_url=f"http://127.0.0.1:{settings.port}", settle_seconds=settings.settle_seconds,
            slow_seconds=settings.simulated_slow_seconds, captured_late_seconds=settings.simulated_late_seconds,
            stripe_url=settings.stripe_url, stripe_secrets=settings.data / "secrets" / "stripe",
        ),
        notifications.build(
            database=database, directory=directory, peers=process.peers("notifications"), keyring=keyring,
            public_url=f"http://{{slug}}.{settings.domain}:{settings.port}", smtp_url=settings.smtp_url,
            mail_from=settings.mail_from or f"tickets@{settings.domain}",
        ),
        storefront.build(peers=process.peers("storefront"), assets=assets),
        operations.build(
            database=database, directory=directory, peers=process.peers("operations"), keyring=keyring, assets=assets,
            shops=demo_shops(settings), shows_mail=not settings.smtp_url,
        ),
    ]  # fmt: skip
    document = partial(contract.document, tuple(built), API_VERSION)
    return [*built, reference.build(document)]


def demo_shops(settings: Settings) -> dict[str, str]:
    """The demo's tenants, name to URL; none without the demo."""
    tenants = TENANTS if settings.demo else ()
    return {tenant.name: f"http://{tenant.slug}.{settings.domain}:{settings.port}/" for tenant in tenants}


@asynccontextmanager
async def process(settings: Settings, login: Login) -> AsyncIterator[Process]:
    """Connect to the servers as one login, and build the services upon that."""
    secrets = settings.data / "secrets"
    url = getattr(bootstrap.logins(settings.database_url, secrets), login)
    role = Roles(bootstrap.database_of(url)).platform
    async with AsyncExitStack() as stack:
        valkey = connect(settings.valkey_url)
        stack.push_async_callback(valkey.aclose)
        database = await Database.connect(
            url, platform_role=role, pool_size=settings.pool_size, reserve_size=settings.reserve_pool_size,
            wake=Wake(valkey),
        )  # fmt: skip
        stack.push_async_callback(database.close)
        bank = await Database.connect(url, platform_role=role, pool_size=BANK_CONNECTIONS, reserve_size=1)
        stack.push_async_callback(bank.close)
        directory = Directory(database)
        await directory.refresh()
        yield Process(settings, login, database, bank, directory, valkey, Keyring(secrets / "keys"))


class Web:
    """The ASGI application of a web process: the gateway, for as long as the server's lifespan lasts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._gateway is not None:
            await self._gateway(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        stop = asyncio.Event()
        try:
            async with process(self._settings, "web") as parts, asyncio.TaskGroup() as tasks:
                self._gateway = gateway(parts)
                tasks.create_task(parts.directory.keep_fresh(stop))
                tasks.create_task(watch_pool(parts.database, "web", stop))
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stop.set()
        except OSError as fault:
            await send({"type": "lifespan.startup.failed", "message": f"the servers do not answer: {fault}"})
            return
        await send({"type": "lifespan.shutdown.complete"})


def gateway(parts: Process) -> Gateway:
    async def identify(token: str, as_guest: bool, tenant: Tenant | None) -> Caller | None:
        ask = parts.verifier.guest if as_guest else parts.verifier.bearer
        try:
            return await ask(token, tenant=tenant, service="gateway")
        except Refusal:
            return None

    gate = Gate(
        hosts=Hosts(parts.settings.domain), directory=parts.directory, limiter=parts.limiter, identify=identify,
        trusted_proxies=parts.settings.trusted_proxies,
    )  # fmt: skip
    return Gateway(gate, parts.apps, storefront.render_error)


def build_web(settings: Settings) -> Web:
    """All services behind the gateway, as one ASGI application."""
    logs.configure("web", settings.log_format)
    return Web(settings)


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Relay, consumers, timers, senders and provisioning until `stop`; serves the admin port meanwhile."""
    logs.configure("worker", settings.log_format)
    async with process(settings, "worker") as parts:
        bus = PgLog(parts.database, lease_seconds=settings.lease_seconds)
        await bus.declare(TOPICS)
        state = worker.State()

        async def works() -> bool:
            return not state.problems()

        async def answers() -> bool:
            async with parts.database.system() as db:
                return bool(await db.fetchval("SELECT true"))

        served_until = asyncio.Event()
        sampler = Sampler(parts.database, bus, [each.name for each in parts.services if each.subscriptions])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sampler.run(stop))
            tasks.create_task(watch_pool(parts.database, "worker", stop))
            tasks.create_task(serve(Health({"worker": works, "database": answers}), settings.admin_port, served_until))
            await worker.run(
                parts.services, parts.database, parts.directory, bus, stop,
                policy=Policy(base_seconds=settings.retry_base_seconds, attempts=settings.retry_attempts),
                lease_seconds=settings.lease_seconds, sweeps=(idempotency.sweep,), state=state,
            )  # fmt: skip
            served_until.set()


async def migrate(settings: Settings) -> None:
    """Make or repair the database, and bring every schema to its newest version."""
    try:
        made = await asyncio.to_thread(migrations.bootstrap, settings.database_url, settings.data / "secrets")
    except ValueError as problem:
        raise StartupProblem(str(problem)) from problem
    failed = await asyncio.to_thread(migrations.upgrade, made.migrator)
    if failed:
        raise StartupProblem(f"these schemas could not be migrated: {', '.join(sorted(failed))}; the log says why")


async def seed(settings: Settings) -> None:
    """Fill in the demo; does nothing where it is already there."""
    pepper = Keyring(settings.data / "secrets" / "keys").secret("pepper")
    async with process(settings, "worker") as parts:
        passwords = Passwords(pepper, cost=settings.bcrypt_cost)
        await seeding.seed(parts.database, parts.directory, passwords, onboarding(parts))


async def doctor(settings: Settings) -> list[str]:
    """What is wrong with the database's walls; empty when nothing is."""
    return await walls.escapes(bootstrap.logins(settings.database_url, settings.data / "secrets").web)


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
    url = parts.settings.database_url
    return Onboarding(
        parts.database, parts.peers("tenants"), Roles(bootstrap.database_of(url)),
        migrator_url=bootstrap.logins(url, parts.settings.data / "secrets").migrator,
    )  # fmt: skip


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


def openapi() -> dict[str, Any]:
    """The OpenAPI document of all services; connects to nothing."""
    return contract.document(described_services(), API_VERSION)


def described_services() -> list[Service]:
    """Every service with its doors, to be read about; connects to nothing."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data=Path(folder), database_url="postgresql:///boxoffice", valkey_url="unix:///nowhere", demo=False
        )
        database = Database(None, None, "")
        parts = Process(
            settings, "web", database, database, Directory(database), connect(settings.valkey_url),
            Keyring(Path(folder) / "keys"),
        )  # fmt: skip
        return parts.services
