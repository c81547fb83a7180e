"""Due timers at work: a lane for each kind, so that slow senders never hold up the sagas' clocks."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from boxoffice.kernel import timers
from boxoffice.kernel.database import Database
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.service import Sender, Service, TimerHandler
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.timers import Due
from boxoffice.kernel.wake import rest, timers_of
from boxoffice.telemetry import metrics, traces

CLAIM_TIMERS = 200
LANE_TASKS = 8  # groups of one kind, each of one tenant, at work at once
STALE_ROUNDS = 3
WATCH_SECONDS = 0.2
log = structlog.get_logger("timers")

Work = Callable[[Tenant, Sequence[Due]], Awaitable[None]]


class StaleError(Exception):
    """Some of these timers were re-armed while they were being handled: the transaction is to be done without them."""


class Lanes:
    """All kinds of due work of the services in this process."""

    def __init__(
        self, services: Sequence[Service], database: Database, directory: Directory, *, lease: timedelta, policy: Policy
    ) -> None:
        self._database = database
        self._directory = directory
        self._lease = lease
        self._policy = policy
        self._at_work: dict[int, Due] = {}
        works: dict[str, Work] = {}
        for service in services:
            works |= {kind: self._handling(handler) for kind, handler in service.timers.items()}
            works |= {kind: self._sending(sender) for kind, sender in service.senders.items()}
        self._lanes = {kind: asyncio.Event() for kind in works}
        self._works = works

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; what is in hand by then is finished."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._lanes:
                tasks.create_task(self._run_lane(kind, stop))
            await self._watch(stop)
            for bell in self._lanes.values():
                bell.set()

    async def _watch(self, stop: asyncio.Event) -> None:
        """One query tells which lanes have work; claims on work in hand are renewed."""
        bell = self._database.wake.bell(*map(timers_of, self._lanes))
        loop = asyncio.get_running_loop()
        renew_at = loop.time()
        while not stop.is_set() and self._lanes:
            try:
                async with self._database.system() as db:
                    for kind in await timers.waiting(db, list(self._lanes)):
                        self._lanes[kind].set()
                    if self._at_work and loop.time() >= renew_at:
                        await timers.keep(db, list(self._at_work.values()), self._lease)
                        renew_at = loop.time() + self._lease.total_seconds() / 3
            except Exception as fault:
                log.warning("timers_not_read", fault=repr(fault))
            await rest(bell, WATCH_SECONDS)

    async def _run_lane(self, kind: str, stop: asyncio.Event) -> None:
        bell, slots = self._lanes[kind], asyncio.Semaphore(LANE_TASKS)
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                await bell.wait()
                bell.clear()
                async with slots:
                    dues = [] if stop.is_set() else await self._claim(kind)
                if len(dues) == CLAIM_TIMERS:
                    bell.set()
                by_tenant: dict[UUID, list[Due]] = defaultdict(list)
                for due in dues:
                    by_tenant[due.tenant_id].append(due)
                for tenant_id, group in by_tenant.items():
                    await slots.acquire()
                    task = tasks.create_task(self._work(kind, tenant_id, group))
                    task.add_done_callback(lambda _: slots.release())

    async def _claim(self, kind: str) -> list[Due]:
        try:
            async with self._database.system() as db:
                dues = await timers.claim(db, kind, CLAIM_TIMERS, self._lease)
        except Exception as fault:
            log.warning("timers_not_claimed", kind=kind, fault=repr(fault))
            return []
        self._at_work |= {due.seq: due for due in dues}
        return dues

    async def _work(self, kind: str, tenant_id: UUID, dues: Sequence[Due]) -> None:
        """Do one tenant's due work; what fails is put off, the others of its batch are done without it."""
        try:
            with (
                structlog.contextvars.bound_contextvars(timer=kind, tenant=str(tenant_id), dues=len(dues)),
                traces.batch(kind, SpanKind.INTERNAL, {due.seq: due.trace for due in dues}) as own,
            ):
                going_on = [msgspec.structs.replace(due, trace=own.get(due.seq)) for due in dues]
                await self._works[kind](await self._directory.by_id(tenant_id), going_on)
                metrics.count("timers_fired", len(dues), kind=kind, outcome="done")
        except Exception as fault:
            if len(dues) > 1:
                for due in dues:
                    await self._work(kind, tenant_id, [due])
            else:
                log.warning("timer_failed", kind=kind, attempts=dues[0].attempts, exc_info=fault)
                metrics.count("timers_fired", kind=kind, outcome="failed")
                await self._put_off(dues)
        finally:
            for due in dues:
                self._at_work.pop(due.seq, None)

    async def _put_off(self, dues: Sequence[Due]) -> None:
        """Try again after a pause; should the database be away, the claim lapses by itself."""
        for due in dues:
            self._at_work.pop(due.seq, None)
            try:
                async with self._database.system() as db:
                    await timers.keep(db, [due], self._policy.pause(due.attempts))
            except Exception as fault:
                log.warning("timer_not_put_off", kind=due.kind, fault=repr(fault))

    def _handling(self, handler: TimerHandler) -> Work:
        async def work(tenant: Tenant, dues: Sequence[Due]) -> None:
            for _ in range(STALE_ROUNDS):
                try:
                    async with self._database.transaction(tenant) as tx:
                        valid = await timers.current(tx.db, dues)
                        if valid:
                            tx.works.append(valid[0].kind)
                            await handler(tx, valid)
                            if len(await timers.done_all(tx, valid)) != len(valid):
                                raise StaleError
                except StaleError:
                    continue
                return
            raise StaleError

        return work

    def _sending(self, sender: Sender) -> Work:
        async def work(tenant: Tenant, dues: Sequence[Due]) -> None:
            await sender(self._database, tenant, dues)

        return work
