"""The worker: relay, consumers, retries, timers and the services' own loops in one process, until it is stopped."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from boxoffice.kernel import inbox, leases, retries
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.consumer import Consumer
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.lanes import Lanes
from boxoffice.kernel.retries import Parked, Policy
from boxoffice.kernel.service import Loop, Service
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.wake import OUTBOX, rest
from boxoffice.kernel.wake import pause as wait
from boxoffice.telemetry import metrics

RELAY_MESSAGES = 500
RELAY_SECONDS_LEAST, RELAY_SECONDS_MOST = 0.005, 0.1
GATHER_SECONDS = 0.001  # for each message of a batch that was moved, so that in a crowd the next one grows meanwhile
GATHER_SECONDS_MOST = 0.05
CONSUMER_TRANSACTIONS = 10  # at once in one process: half its pool, so that timers and loops find connections
RETRY_MESSAGES = 50
RETRY_SECONDS_MOST = 0.5
HOUSEKEEPING_SECONDS = 600.0
RESTART_SECONDS_LEAST, RESTART_SECONDS_MOST = 0.2, 10.0
GRACE_SECONDS = 20.0  # for work in hand, when the worker is to stop
STILL_SECONDS_MAX = 30.0  # a relay that has not come round for so long is stuck
log = structlog.get_logger("worker")

Sweep = Callable[[Any], Awaitable[object]]


@dataclass
class State:
    """What the admin port tells about the worker: started, and the last time each vital loop came round."""

    started: bool = False
    stopping: bool = False
    rounds: dict[str, float] = field(default_factory=dict)

    def came_round(self, loop: str) -> None:
        self.rounds[loop] = time.monotonic()

    def problems(self) -> list[str]:
        """Why this worker is not ready; empty when it is."""
        if self.stopping:
            return ["stopping"]
        if not self.started:
            return ["starting"]
        now = time.monotonic()
        return [f"{loop} stands still" for loop, at in self.rounds.items() if now - at > STILL_SECONDS_MAX]


async def run(
    services: Sequence[Service],
    database: Database,
    directory: Directory,
    bus: Bus,
    stop: asyncio.Event,
    *,
    policy: Policy | None = None,
    lease_seconds: float = 10.0,
    sweeps: Sequence[Sweep] = (),
    state: State | None = None,
) -> None:
    """Work until `stop`, then end in order: first what begins work, then what carries messages, the bus last."""
    policy, state = policy or Policy(), state or State()
    lease = timedelta(seconds=lease_seconds)
    gate = asyncio.Semaphore(CONSUMER_TRANSACTIONS)
    consumers = [Consumer(s, database, directory, bus, policy, gate) for s in services if s.subscriptions]
    lanes = Lanes(services, database, directory, lease=lease, policy=policy)

    working: list[tuple[str, Loop]] = [
        *((f"consumer {consumer.group}", consumer.run) for consumer in consumers),
        ("retries", _retrying(consumers, database, policy, lease)),
        ("timers", lanes.run),
        ("housekeeping", _housekeeping(database, bus, lease, sweeps)),
        *((f"{service.name} loop {n}", loop) for service in services for n, loop in enumerate(service.loops, 1)),
    ]
    carrying: list[tuple[str, Loop]] = [
        ("relay", _relaying(bus, database, state)),
        ("directory", directory.keep_fresh),
        ("wake", database.wake.listen),
    ]
    carried, closed = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_always("bus", bus.run, closed))
        carriers = [tasks.create_task(_always(name, loop, carried)) for name, loop in carrying]
        workers = [tasks.create_task(_always(name, loop, stop)) for name, loop in working]
        state.started = True
        await stop.wait()
        state.stopping = True
        _, late = await asyncio.wait(workers, timeout=GRACE_SECONDS)
        for worker in late:
            log.warning("work_cut_off", work=worker.get_name())
            worker.cancel()
        carried.set()
        await asyncio.wait(carriers)
        closed.set()


async def _always(name: str, loop: Loop, stop: asyncio.Event) -> None:
    """Run a loop until `stop`; one that fails is begun again after a pause."""
    pause = RESTART_SECONDS_LEAST
    while not stop.is_set():
        began = time.monotonic()
        try:
            await loop(stop)
            return
        except Exception as fault:
            log.error("loop_failed", loop=name, exc_info=fault)
        if time.monotonic() - began > RESTART_SECONDS_MOST:
            pause = RESTART_SECONDS_LEAST
        await wait(stop, pause)
        pause = min(pause * 2, RESTART_SECONDS_MOST)


def _relaying(bus: Bus, database: Database, state: State) -> Loop:
    """Move messages to the bus as they are committed; the last ones too, when the work has stopped."""

    async def relay(stop: asyncio.Event) -> None:
        bell, pause = database.wake.bell(OUTBOX), RELAY_SECONDS_LEAST
        while True:
            ending = stop.is_set()
            try:
                moved = await bus.relay(RELAY_MESSAGES)
            except Exception as fault:
                log.warning("messages_not_relayed", fault=repr(fault))
                moved, pause = 0, RELAY_SECONDS_MOST
            else:
                state.came_round("relay")
                metrics.count("messages_relayed", moved)
            if moved >= RELAY_MESSAGES:  # more is waiting already: there is nothing to gather
                pause = RELAY_SECONDS_LEAST
                continue
            if ending:  # what was there when this round began has been moved; others may go on for ever
                return
            if moved:
                pause = RELAY_SECONDS_LEAST
                await asyncio.sleep(min(moved * GATHER_SECONDS, GATHER_SECONDS_MOST))
            await rest(bell, pause)
            pause = min(pause * 1.5, RELAY_SECONDS_MOST)

    return relay


def _retrying(consumers: Sequence[Consumer], database: Database, policy: Policy, lease: timedelta) -> Loop:
    """Try parked messages again when they are due: groups side by side, the messages of one in turn."""
    by_group = {consumer.group: consumer for consumer in consumers}

    async def of_group(group: str, due: Sequence[Parked]) -> None:
        for parked in due:
            if parked.group == group:
                await by_group[group].try_again(parked)

    async def retry(stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with database.system() as db:
                due = await retries.claim(db, list(by_group), RETRY_MESSAGES, lease)
            await asyncio.gather(*(of_group(group, due) for group in {parked.group for parked in due}))
            if not due:
                await wait(stop, min(policy.base_seconds / 2, RETRY_SECONDS_MOST))

    return retry


def _housekeeping(database: Database, bus: Bus, lease: timedelta, sweeps: Sequence[Sweep]) -> Loop:
    """Now and then one process of all sweeps out what is over."""
    owner = uuid7()

    async def keep(stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with database.system() as db:
                if await leases.take(db, "housekeeping", owner, lease) is not None:
                    await inbox.sweep(db)
                    for sweep in sweeps:
                        await sweep(db)
                    await bus.housekeep()
            await wait(stop, HOUSEKEEPING_SECONDS)

    return keep
