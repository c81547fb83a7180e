"""A worker process: the bus, and upon it relay, consumers, timers, senders and provisioning."""

import asyncio

from boxoffice.app.process import process
from boxoffice.kernel import idempotency, worker
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.gauges import Sampler, watch_pool
from boxoffice.kernel.health import Health, serve
from boxoffice.kernel.retries import Policy
from boxoffice.messages import TOPICS
from boxoffice.settings import Settings
from boxoffice.telemetry import logs


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
