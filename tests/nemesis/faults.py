"""What can befall a platform: a table of faults, and what each of them met."""

import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from tests.nemesis.system import System, flush
from tests.support.processes import kill
from tests.support.proxy import Mode
from tests.support.waiting import eventually, lasting

LONGER_THAN_A_LEASE = 3.0
DOWN_SECONDS = 2.0
CHAOS: tuple[Mapping[str, float | str], ...] = (
    {"lose_replies": -1},
    {"lose_replies": -1, "lose_replies_to": "/confirm"},
    {"refuse_requests": -1},
    {"duplicate_webhooks": -1, "reorder_webhooks": 3, "delay_webhooks_seconds": 1.0},
    {"delay_replies_seconds": 2.0},
    {"capture_declined": -1, "slow_seconds": 1.0},
    {"fail_refunds": 2},
)

Strike = Callable[[System, Random], Awaitable[int]]


@dataclass(frozen=True)
class Fault:
    """`strike` does it, undoes it, and answers how many processes, connections or pieces it has met.

    `stripe`: only the tenant that pays by Stripe can feel it. `of`: the kind of process without which there is no such
    fault.
    """

    name: str
    strike: Strike
    stripe: bool = False
    of: str = "web"


def killed(kind: str) -> Strike:
    """kill -9 for one process of a kind; its supervisor starts another."""

    async def strike(system: System, random: Random) -> int:
        victims = system.processes[kind]()
        if not victims:
            return 0
        await kill([random.choice(victims)])
        return 1

    return strike


def halted(kind: str) -> Strike:
    """SIGSTOP for longer than a lease: the process wakes as a zombie that believes in what it held."""

    async def strike(system: System, random: Random) -> int:
        victims = system.processes[kind]()
        if not victims:
            return 0
        victim = random.choice(victims)
        os.kill(victim, signal.SIGSTOP)
        try:
            await lasting(LONGER_THAN_A_LEASE + random.random())
        finally:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGCONT)
        return 1

    return strike


def crashed(server: str) -> Strike:
    """All processes of a server die at once; it is started again a little later."""

    async def strike(system: System, random: Random) -> int:
        await system.servers[server](lambda: lasting(DOWN_SECONDS * random.random()))
        return 1

    return strike


async def flushed(system: System, random: Random) -> int:
    await flush(system)
    return 1


def wire(server: str, mode: Mode) -> Strike:
    """The connections to a server misbehave for a while, and until that has met something."""

    async def strike(system: System, random: Random) -> int:
        proxy = system.wires[server]
        before = proxy.hits[mode]
        async with proxy.turned(mode, seconds=0.05 + 0.45 * random.random()):
            await lasting(1.0 + 2.0 * random.random())
            with suppress(AssertionError):
                await eventually(lambda: proxy.hits[mode] > before)
        return proxy.hits[mode] - before

    return strike


async def moody(system: System, random: Random) -> int:
    """The provider loses, repeats, delays, refuses and changes its mind."""
    chosen = random.sample(CHAOS, 2)
    try:
        for chaos in chosen:
            await system.chaos(chaos)
            await lasting(2.0)
    finally:
        await system.chaos({})
    return len(chosen)


MENU = (
    Fault("kill -9 of a web process", killed("web")),
    Fault("kill -9 of a worker", killed("worker")),
    Fault("SIGSTOP of a web process", halted("web")),
    Fault("SIGSTOP of a worker", halted("worker")),
    Fault("PostgreSQL crashes", crashed("PostgreSQL")),
    Fault("PostgreSQL is slow", wire("PostgreSQL", "slow")),
    Fault("PostgreSQL resets", wire("PostgreSQL", "reset")),
    Fault("PostgreSQL is a black hole", wire("PostgreSQL", "blackhole")),
    Fault("PostgreSQL is half open", wire("PostgreSQL", "half_open")),
    Fault("Valkey is killed", crashed("Valkey")),
    Fault("Valkey forgets everything", flushed),
    Fault("Valkey is slow", wire("Valkey", "slow")),
    Fault("Valkey resets", wire("Valkey", "reset")),
    Fault("Valkey is a black hole", wire("Valkey", "blackhole")),
    Fault("the provider is killed", crashed("the provider"), stripe=True),
    Fault("the provider is slow", wire("the provider", "slow"), stripe=True),
    Fault("the provider resets", wire("the provider", "reset"), stripe=True),
    Fault("the provider is a black hole", wire("the provider", "blackhole"), stripe=True),
    Fault("the provider is moody", moody, stripe=True),
    Fault("kill -9 of Kafka's broker", killed("broker"), of="broker"),
    Fault("SIGSTOP of Kafka's broker", halted("broker"), of="broker"),
    Fault("kill -9 of nginx", killed("nginx"), of="nginx"),
)


def menu(system: System) -> Sequence[Fault]:
    """What can befall this form of the platform."""
    return [fault for fault in MENU if fault.of in system.processes]
