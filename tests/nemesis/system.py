"""The platform that the nemesis is let loose on: its processes, the wires between them, and what can be done to both.

The nemesis knows a platform by `System` alone, so that another form of it needs another description and nothing else.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import stripe
from redis.asyncio import Redis
from redis.exceptions import RedisError

from boxoffice.embedded.certificates import certificates
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.embedded.supervisor import Child, Supervisor
from tests.support.platform import OPERATOR, PASSWORD, Platform, free_ports
from tests.support.processes import environment_of, kill, tree
from tests.support.proxy import Proxy
from tests.support.servers import temporary_folder
from tests.support.stripe_simulator import choose_stripe, start_simulator
from tests.support.waiting import eventually

HOLD_SECONDS = 6
MORE: Mapping[str, Mapping[str, str]] = {
    "one": {},
    "services": {"instances": "bookings=2,payments=2", "pool_size": "6", "reserve_pool_size": "3"},
}
CONNECTIONS = {"one": 200, "services": 400}
KINDS: Mapping[str, Mapping[str, Callable[[str], bool]]] = {  # of processes, by their command lines
    "one": {"web": lambda command: "run web" in command, "worker": lambda command: "run worker" in command},
    "services": {
        "web": lambda command: "boxoffice run " in command and "worker" not in command,
        "worker": lambda command: "boxoffice run " in command and "worker" in command,
        "broker": lambda command: "kafka.Kafka" in command,
        "nginx": lambda command: "nginx: master" in command,
    },
}
SETTINGS = {
    "hold_seconds": HOLD_SECONDS,
    "rate_limits": dict.fromkeys(("read", "write", "guests", "sign_in", "pages"), 0),
}


@dataclass(frozen=True)
class System:
    """A running platform with a tenant that pays at the simulated bank and one that pays by Stripe.

    `processes` finds the living ones of a kind, some kinds only in one form of the platform; whoever ends is started
    again by somebody else. `servers` crashes one of the kind, all of its processes at once, and starts it again when
    the given wait is over. `wires` are the connections of the processes to the servers. `chaos` makes the payment
    provider misbehave until it is told {}.
    """

    platform: Platform
    database_url: str  # the superuser's, past every wire
    valkey_url: str
    processes: Mapping[str, Callable[[], Sequence[int]]]
    servers: Mapping[str, Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]]
    wires: Mapping[str, Proxy]
    chaos: Callable[[Mapping[str, Any]], Awaitable[None]]
    bank_tenant: str
    stripe_tenant: str


@asynccontextmanager
async def two_of_each(form: str) -> AsyncIterator[System]:
    """`boxoffice up` in a form, with a second worker of bookings, and every wire through a proxy."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        servers = await stack.enter_async_context(EmbeddedServers(folder / "data", max_connections=CONNECTIONS[form]))
        provider = Provider(free_ports(1)[0], folder)
        wires = {
            "PostgreSQL": await stack.enter_async_context(Proxy(servers.database_url)),
            "Valkey": await stack.enter_async_context(Proxy(servers.valkey_url)),
            "the provider": await stack.enter_async_context(Proxy(provider.url)),
        }
        (folder / "platform").mkdir()
        platform = Platform(
            folder / "platform",
            {
                "database_url": wires["PostgreSQL"].url, "valkey_url": wires["Valkey"].url,
                "stripe_url": wires["the provider"].url, "simulated_slow_seconds": "2",
                **MORE[form],
            },
            form,
        )  # fmt: skip
        provider.start(certificates(platform.data / "secrets" / "tls", platform.domain).authority)
        stack.push_async_callback(provider.stop)
        stack.push_async_callback(platform.stop)
        await platform.start()
        second = Supervisor(lambda line: None)
        stack.push_async_callback(second.stop, lambda name: True)
        await second.add(second_worker(platform))
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)

        def pids(wanted: Callable[[str], bool]) -> list[int]:
            families = tree(platform.pid) | {
                child.process.pid: f"boxoffice run {child.arguments[-1]}"
                for child in second.children if child.process is not None and child.process.returncode is None
            }  # fmt: skip
            return [pid for pid, command in families.items() if wanted(command)]

        yield System(
            platform=platform,
            database_url=servers.database_url,
            valkey_url=servers.valkey_url,
            processes={kind: partial(pids, wanted) for kind, wanted in KINDS[form].items()},
            servers={
                "PostgreSQL": lambda wait: crash(servers.postgres, wait),
                "Valkey": lambda wait: crash(servers.valkey, wait),
                "the provider": provider.crash,
            },
            wires=wires,
            chaos=provider.misbehave,
            bank_tenant=await tenant(platform),
            stripe_tenant=await stripe_tenant(platform, provider.url),
        )


def second_worker(platform: Platform) -> Child:
    """Another worker of bookings like the one that the supervisor has started."""
    like = next(pid for pid, command in tree(platform.pid).items() if platform.worker_of("bookings") in command)
    environment = environment_of(like) | {"BOXOFFICE_ADMIN_PORT": str(free_ports(1)[0])}
    return Child("worker 2", ["run", "bookings-worker" if platform.in_services else "worker"], environment)


async def crash(server: Any, wait: Callable[[], Awaitable[object]]) -> None:
    """SIGKILL for all processes of an embedded server."""
    family = list(tree(server.pid))
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(server.kill)
    await kill(family)
    try:
        await wait()
    finally:
        await asyncio.to_thread(server.start)


async def flush(system: System) -> None:
    """Let Valkey forget everything, as soon as it is there."""

    async def forgotten() -> bool:
        with suppress(RedisError, OSError):
            async with Redis.from_url(system.valkey_url) as valkey:
                return bool(await valkey.flushall())
        return False

    await eventually(forgotten, within=30)


async def tenant(platform: Platform) -> str:
    """A tenant whose holds are short and whose rates are unlimited."""
    slug = await platform.tenant()
    operator = await platform.operator()
    changed = await platform.ask(
        "PATCH", f"/api/tenants/{await tenant_id(platform, slug)}", token=operator, json={"settings": SETTINGS}
    )
    assert changed.status == 200, changed
    return slug


async def tenant_id(platform: Platform, slug: str) -> str:
    listed = await platform.ask("GET", "/api/tenants?limit=100", token=await platform.operator())
    return next(str(each["id"]) for each in listed.json["items"] if each["slug"] == slug)


async def stripe_tenant(platform: Platform, url: str) -> str:
    """A tenant that has chosen Stripe, as soon as its bookings know what can be paid with."""
    slug = await tenant(platform)
    async with aiohttp.ClientSession() as session:
        client = stripe.StripeClient(
            f"sk_test_{slug}", base_addresses={"api": url}, http_client=stripe.AIOHTTPClient(session=session)
        )
        await choose_stripe(platform, slug, client)
    event, guest = await platform.event(slug), await platform.guest(slug)

    async def checkout_is_known() -> bool:
        held = await platform.hold(slug, event, [0], guest=guest)
        if held.status != 201:
            return False
        booked = await platform.book(slug, held.json["token"], method="pm_card_mastercard", guest=guest)
        await platform.ask("DELETE", f"/api/holds/{held.json['id']}", slug=slug, guest=guest)
        return booked.status == 202

    await eventually(checkout_is_known, within=30)
    return slug


async def live_bookings(system: System, slug: str) -> int:
    """How many bookings of a tenant are on their way to an end."""
    return await count(system, slug, "saga_state WHERE status NOT IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED')")


async def confirmed(system: System, slug: str) -> int:
    """How often a booking of a tenant has become CONFIRMED."""
    return await count(system, slug, "saga_log WHERE to_state = 'CONFIRMED' AND from_state <> to_state")


async def count(system: System, slug: str, rows: str) -> int:
    """Rows of a tenant, as soon as PostgreSQL answers."""

    async def counted() -> list[int]:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            db = await asyncpg.connect(system.database_url)
            try:
                await db.execute(f'SET search_path = "tenant_{slug}"')
                return [await db.fetchval(f"SELECT count(*) FROM {rows}")]
            finally:
                await db.close()
        return []

    return (await eventually(counted, within=60))[0]


class Provider:
    """Stripe's simulator as a process of its own, with its books in a folder."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._books = folder / "books.sqlite"

    def start(self, trust: Path) -> None:
        """`trust`: the authority whose certificates are good where its webhooks go."""
        self._trust = trust
        self._process = start_simulator(self._port, self._books, trust)

    async def crash(self, wait: Callable[[], Awaitable[object]]) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        try:
            await wait()
        finally:
            self.start(self._trust)

    async def misbehave(self, chaos: Mapping[str, Any]) -> None:
        async def told() -> bool:
            with suppress(aiohttp.ClientError, OSError):
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(f"{self.url}/_chaos", json=dict(chaos)) as answer,
                ):
                    return answer.status == 200
            return False

        await eventually(told, within=60)

    async def stop(self) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 20)
