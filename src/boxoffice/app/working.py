"""A worker process: the bus, and upon it relay, consumers, timers, senders and provisioning."""

import asyncio
import socket
from collections.abc import Sequence

import structlog

from boxoffice.app.bus import open_bus
from boxoffice.app.process import process
from boxoffice.kernel import idempotency, worker
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.gauges import Sampler, watch_pool
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.wake import pause
from boxoffice.messages import TOPICS
from boxoffice.settings import Settings
from boxoffice.telemetry.health import Health, serve

BROKER_SECONDS = 1.0
log = structlog.get_logger("worker")


async def run_worker(
    settings: Settings, stop: asyncio.Event, names: Sequence[str], state: worker.State, admin: socket.socket | None
) -> None:
    """Relay, and the consumers, timers and senders of these services until `stop`.

    `state` tells how it goes; its health is served on `admin` meanwhile.
    """

    async def works() -> bool:
        return not state.problems()

    async with process(settings, "worker", names) as parts:
        bus = open_bus(settings, parts.database, names)
        await _declare(bus, stop)
        sampler = Sampler(parts.database, bus, {each.name: each.topics for each in parts.services if each.topics})
        served_until = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            if admin is not None:
                tasks.create_task(serve(Health({"worker": works, "database": parts.answers}), admin, served_until))
            tasks.create_task(sampler.run(stop))
            tasks.create_task(watch_pool(parts.database, "worker", stop))
            await worker.run(
                parts.services, parts.database, parts.directory, bus, stop,
                policy=Policy(base_seconds=settings.retry_base_seconds, attempts=settings.retry_attempts),
                lease_seconds=settings.lease_seconds, sweeps=(idempotency.sweep,), state=state,
            )  # fmt: skip
            served_until.set()


async def _declare(bus: Bus, stop: asyncio.Event) -> None:
    """Make the topics that are missing; a broker that starts together with us is waited for."""
    while not stop.is_set():
        try:
            await bus.declare(TOPICS)
        except Exception as fault:
            log.warning("bus_not_reached", fault=repr(fault))
            await pause(stop, BROKER_SECONDS)
        else:
            return
