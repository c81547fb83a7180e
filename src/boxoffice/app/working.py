"""A worker process: the bus, and upon it relay, consumers, timers, senders and provisioning."""

import asyncio
import socket
from collections.abc import Sequence

from boxoffice.app.bus import open_bus
from boxoffice.app.process import process
from boxoffice.kernel import idempotency, worker
from boxoffice.kernel.gauges import Sampler, watch_pool
from boxoffice.kernel.retries import Policy
from boxoffice.messages import TOPICS
from boxoffice.settings import Settings
from boxoffice.telemetry.health import Health, serve


async def run_worker(
    settings: Settings, stop: asyncio.Event, names: Sequence[str], state: worker.State, admin: socket.socket | None
) -> None:
    """Relay, and the consumers, timers and senders of these services until `stop`.

    `state` tells how it goes; its health is served on `admin` meanwhile.
    """

    async def works() -> bool:
        return not state.problems()

    async with process(settings, "worker", names) as parts:
        bus = open_bus(settings, parts.database)
        await bus.declare(TOPICS)
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
