"""One process: its connections, its keys, its ways to the others, and the services that it serves."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis

from boxoffice import failpoint
from boxoffice.app.services import PROCESSES, SERVICES, build, keys_of
from boxoffice.doors import http
from boxoffice.doors.identity import SERVICE_KEYS, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.limits import Limiter
from boxoffice.doors.peers import Peers
from boxoffice.gateway.exchange import ASGIApp
from boxoffice.kernel import bootstrap
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.valkey import connect
from boxoffice.kernel.wake import Wake
from boxoffice.remote.discovery import Address, Discovery, read
from boxoffice.remote.upstream import Upstream, session
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

Login = Literal["web", "worker"]
BANK_CONNECTIONS = 4
NEWS_CHANNEL = "boxoffice:news"
DEADLINE_SECONDS: Mapping[Login, float] = {"web": 10.0, "worker": 30.0}  # of one transaction; buyers wait no longer


@dataclass
class Process:
    """What the services of one process are built from, and the services themselves.

    `apps` leads to every service: to those of other processes through `remote`. `news` wakes requests that wait for it.
    """

    settings: Settings
    login: Login
    database: Database
    bank: Database
    directory: Directory
    valkey: Redis
    keyring: Keyring
    names: Sequence[str] = SERVICES
    remote: Callable[[str, Peers], ASGIApp] | None = None
    news: Wake = field(default_factory=Wake)
    apps: dict[str, ASGIApp] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in self.callers:  # all know each other's public keys before the first call
            self.keyring.signing(SERVICE_KEYS + name, share=True)
        own = self.peers(self.callers[0])
        if self.remote is not None:
            self.apps |= {name: self.remote(name, own) for name in SERVICES if name not in self.names}
        self.verifier = Verifier(fetch_jwks=own.jwks, keyring=self.keyring, directory=self.directory)
        self.services = build(self, self.names)
        for service in self.services:
            self.apps[service.name] = http.application(
                service, directory=self.directory, verifier=self.verifier, domain=self.settings.domain
            )

    @property
    def callers(self) -> Sequence[str]:
        """In whose names this process may call: those of its services, and the gateway's where that is too."""
        return self.names if len(self.names) == 1 else ("gateway", *self.names)

    def peers(self, caller: str) -> Peers:
        return Peers(caller, apps=self.apps, keyring=self.keyring, domain=self.settings.domain)

    @property
    def limiter(self) -> Limiter:
        return Limiter(self.valkey, processes=self.settings.web_processes)

    @property
    def roles(self) -> Roles:
        return Roles(bootstrap.database_of(self.settings.database_url))

    @property
    def migrator_url(self) -> str:
        return bootstrap.logins(self.settings.database_url, self.settings.data / "secrets").migrator

    async def answers(self) -> bool:
        """Whether the database does: a check of readiness."""
        async with self.database.system() as db:
            return bool(await db.fetchval("SELECT true"))


@asynccontextmanager
async def process(
    settings: Settings, login: Login, names: Sequence[str] = SERVICES, sign_in_as: str | None = None
) -> AsyncIterator[Process]:
    """Connect to the servers as one login, and build the services of these names upon that.

    `sign_in_as` takes the login of one service in place of the web's.
    """
    failpoint.arm(settings.failpoint)
    secrets = settings.data / "secrets"
    logins = bootstrap.logins(settings.database_url, secrets, PROCESSES)
    url = logins.services[sign_in_as] if sign_in_as is not None else getattr(logins, login)
    role = Roles(bootstrap.database_of(url)).platform
    async with AsyncExitStack() as stack:
        stack.enter_context(_traced(settings, sign_in_as or login))
        valkey = connect(settings.valkey_url)
        stack.push_async_callback(valkey.aclose)
        database = await Database.connect(
            url, platform_role=role, pool_size=settings.pool_size, reserve_size=settings.reserve_pool_size,
            wake=Wake(valkey), deadline_seconds=DEADLINE_SECONDS[login],
        )  # fmt: skip
        stack.push_async_callback(database.close)
        bank = database
        if "payments" in names:
            bank = await Database.connect(url, platform_role=role, pool_size=BANK_CONNECTIONS, reserve_size=1)
            stack.push_async_callback(bank.close)
        directory = Directory(database)
        await directory.refresh()
        remote = await stack.enter_async_context(ways(settings)) if len(names) < len(SERVICES) else None
        only = None if len(names) == len(SERVICES) else keys_of(names or ("gateway",))
        keyring = Keyring(secrets / "keys", only)
        news = Wake(valkey, NEWS_CHANNEL)
        yield Process(settings, login, database, bank, directory, valkey, keyring, names, remote, news)


def _traced(settings: Settings, name: str) -> AbstractContextManager[None]:
    """Spans go to the collector meanwhile, if there is one."""
    if not settings.otlp_url:
        return nullcontext()
    from boxoffice.telemetry.collector import exporting  # costs a fifth of a second: only where it is wanted

    return exporting(name, settings.otlp_url, settings.trace_share)


@asynccontextmanager
async def ways(settings: Settings) -> AsyncIterator[Callable[[str, Peers], ASGIApp]]:
    """The ways to the services of other processes, over connections that all of them share."""
    discovery = discovered(settings)
    async with session() as http_session:
        yield lambda name, caller: Upstream(name, http_session, discovery, caller.token)


def discovered(settings: Settings) -> Discovery:
    """How this process finds the services of others."""
    if not settings.discovery:
        raise StartupProblem("set BOXOFFICE_DISCOVERY to where the other services listen: static:auth=HOST:PORT;…")
    try:
        return read(settings.discovery)
    except ValueError as problem:
        raise StartupProblem(f"BOXOFFICE_DISCOVERY: {problem}") from problem


def first_address(settings: Settings, service: str) -> Address:
    """Where the only, or the first, instance of a service listens."""
    found = discovered(settings).addresses(service)
    if not found:
        raise StartupProblem(f"BOXOFFICE_DISCOVERY does not say where {service} listens")
    return found[0]
