"""One process: its connections, its keys, its ways to the others, and the services that it serves."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis

from boxoffice.app.services import SERVICES, build
from boxoffice.doors import http
from boxoffice.doors.identity import SERVICE_KEYS, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.limits import Limiter
from boxoffice.doors.peers import Peers
from boxoffice.gateway.exchange import ASGIApp
from boxoffice.kernel import bootstrap, failpoint
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.valkey import connect
from boxoffice.kernel.wake import Wake
from boxoffice.settings import Settings

Login = Literal["web", "worker"]
BANK_CONNECTIONS = 4
DEADLINE_SECONDS: Mapping[Login, float] = {"web": 10.0, "worker": 30.0}  # of one transaction; buyers wait no longer


@dataclass
class Process:
    """What the services of one process are built from, and the services themselves.

    `apps` leads to every service, to those of other processes as well.
    """

    settings: Settings
    login: Login
    database: Database
    bank: Database
    directory: Directory
    valkey: Redis
    keyring: Keyring
    names: Collection[str] = SERVICES
    apps: dict[str, ASGIApp] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in (*self.names, "gateway"):  # all know each other's public keys before the first call
            self.keyring.signing(SERVICE_KEYS + name, share=True)
        peers = self.peers("gateway")
        self.verifier = Verifier(fetch_jwks=peers.jwks, keyring=self.keyring, directory=self.directory)
        self.services = build(self, self.names)
        for service in self.services:
            self.apps[service.name] = http.application(
                service, directory=self.directory, verifier=self.verifier, domain=self.settings.domain
            )

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


@asynccontextmanager
async def process(settings: Settings, login: Login) -> AsyncIterator[Process]:
    """Connect to the servers as one login, and build the services upon that."""
    failpoint.arm(settings.failpoint)
    secrets = settings.data / "secrets"
    url = getattr(bootstrap.logins(settings.database_url, secrets), login)
    role = Roles(bootstrap.database_of(url)).platform
    async with AsyncExitStack() as stack:
        stack.enter_context(_traced(settings, login))
        valkey = connect(settings.valkey_url)
        stack.push_async_callback(valkey.aclose)
        database = await Database.connect(
            url, platform_role=role, pool_size=settings.pool_size, reserve_size=settings.reserve_pool_size,
            wake=Wake(valkey), deadline_seconds=DEADLINE_SECONDS[login],
        )  # fmt: skip
        stack.push_async_callback(database.close)
        bank = await Database.connect(url, platform_role=role, pool_size=BANK_CONNECTIONS, reserve_size=1)
        stack.push_async_callback(bank.close)
        directory = Directory(database)
        await directory.refresh()
        yield Process(settings, login, database, bank, directory, valkey, Keyring(secrets / "keys"))


def _traced(settings: Settings, name: str) -> AbstractContextManager[None]:
    """Spans go to the collector meanwhile, if there is one."""
    if not settings.otlp_url:
        return nullcontext()
    from boxoffice.telemetry.collector import exporting  # costs a fifth of a second: only where it is wanted

    return exporting(name, settings.otlp_url, settings.trace_share)
