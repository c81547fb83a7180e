"""A service's consumer: polls its group, hands batches of one tenant to the handlers, parks what fails, commits."""

import asyncio
import contextlib
import heapq
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind

from boxoffice.kernel import inbox, retries
from boxoffice.kernel.bus.port import Bus, Fenced, Member, Portion
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import NotFound, Unavailable
from boxoffice.kernel.message import Envelope, Received, decode
from boxoffice.kernel.retries import Parked, Policy
from boxoffice.kernel.service import Service, Subscription
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.wake import pause as wait
from boxoffice.telemetry import metrics, traces

POLL_MESSAGES = 1_000
BATCH_MESSAGES = 250  # of one tenant, in one transaction
PAUSE_SECONDS_LEAST, PAUSE_SECONDS_MOST = 0.05, 2.0
log = structlog.get_logger("consumer")


class Consumer:
    """One service's member of its group. `gate` bounds the transactions of all consumers of a process together."""

    def __init__(
        self, service: Service, database: Database, directory: Directory, bus: Bus, policy: Policy,
        gate: asyncio.Semaphore,
    ) -> None:  # fmt: skip
        self.group = service.name
        self._subscriptions = {subscription.message.__name__: subscription for subscription in service.subscriptions}
        self._topics = service.topics
        self._database = database
        self._directory = directory
        self._bus = bus
        self._policy = policy
        self._gate = gate

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; what was polled by then is still handled, if the database answers."""
        member: Member | None = None
        pause = PAUSE_SECONDS_LEAST
        try:
            while not stop.is_set():
                try:
                    member = member or await self._bus.join(self.group, self._topics)
                    portions = await member.poll(POLL_MESSAGES)
                    pause = PAUSE_SECONDS_LEAST
                except Exception as fault:
                    log.warning("bus_not_polled", group=self.group, fault=repr(fault))
                    await wait(stop, pause)
                    pause = min(pause * 2, PAUSE_SECONDS_MOST)
                    continue
                if portions:
                    await self._finish(member, portions, stop)
        finally:
            if member is not None:
                with contextlib.suppress(Exception):  # its lease lapses anyway
                    await member.close()

    async def _finish(self, member: Member, portions: Sequence[Portion], stop: asyncio.Event) -> None:
        """Handle and commit. A database that is away is waited for: nothing polled is forgotten."""

        async def handle() -> None:
            await self.handle(portions)

        async def commit() -> None:
            try:
                await member.commit(portions)
            except Fenced as lost:
                log.warning("partitions_lost", group=self.group, partitions=str(lost))

        if await self._insist(handle, stop):
            await self._insist(commit, stop)

    async def _insist(self, act: Callable[[], Awaitable[None]], stop: asyncio.Event) -> bool:
        pause = PAUSE_SECONDS_LEAST
        while True:
            try:
                await act()
            except Exception as fault:
                log.warning("messages_wait", group=self.group, fault=repr(fault))
                if stop.is_set():
                    return False
                await wait(stop, pause)
                pause = min(pause * 2, PAUSE_SECONDS_MOST)
            else:
                return True

    async def handle(self, portions: Sequence[Portion]) -> None:
        """Handle all messages of a poll, tenants side by side. Raises only when not even parking is possible."""
        by_tenant: dict[UUID, list[Envelope]] = defaultdict(list)
        merged = heapq.merge(*(portion.messages for portion in portions), key=lambda message: message.time)
        for message in merged:  # of one topic in its order, of several by time
            if message.type in self._subscriptions:
                by_tenant[message.tenant_id].append(message)
        outcomes = await asyncio.gather(
            *(self._handle_tenant(tenant_id, messages) for tenant_id, messages in by_tenant.items()),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _handle_tenant(self, tenant_id: UUID, messages: Sequence[Envelope]) -> None:
        async with self._gate:
            try:
                tenant = await self._tenant(tenant_id)
            except Unavailable as unknown:
                for message in messages:
                    await self._fail(message, unknown)
                return
            for start in range(0, len(messages), BATCH_MESSAGES):
                await self._handle_batch(tenant, messages[start : start + BATCH_MESSAGES])

    async def _tenant(self, tenant_id: UUID) -> Tenant:
        """A message may be quicker than the directory: a tenant that is unknown now is asked for again later."""
        try:
            return await self._directory.by_id(tenant_id)
        except NotFound as unknown:
            raise Unavailable("tenant_unknown", f"No tenant has the id {tenant_id}.") from unknown

    async def _handle_batch(self, tenant: Tenant, messages: Sequence[Envelope]) -> None:
        """All in one transaction or, when that fails, each in its own, so that only the bad one is parked."""
        try:
            began = time.perf_counter()
            await self._transact(tenant, messages)
            metrics.observe_handling(self.group, time.perf_counter() - began)
            metrics.count("messages_handled", len(messages), group=self.group, outcome="done")
        except Exception as fault:
            if len(messages) > 1:
                log.info("batch_taken_apart", group=self.group, messages=len(messages), fault=repr(fault))
                for message in messages:
                    await self._handle_batch(tenant, [message])
            else:
                log.warning("message_failed", group=self.group, type=messages[0].type, exc_info=fault)
                metrics.count("messages_handled", group=self.group, outcome="failed")
                await self._fail(messages[0], fault)

    async def _transact(self, tenant: Tenant, messages: Sequence[Envelope]) -> None:
        with self._traced(messages) as own:
            async with self._database.transaction(tenant) as tx:
                fresh, blocked = await inbox.admit(tx.db, self.group, tenant.id, messages)
                if blocked:
                    await retries.park(tx.db, self.group, blocked)
                await self._dispatch(tx, fresh, own)

    def _traced(self, messages: Sequence[Envelope]) -> AbstractContextManager[dict[UUID, str]]:
        parents = {message.id: message.headers.get("traceparent") for message in messages}
        return traces.batch(f"process {self.group}", SpanKind.CONSUMER, parents)

    async def _dispatch(self, tx: Tx, messages: Sequence[Envelope], own: Mapping[UUID, str]) -> None:
        tx.causes = {message.subject: message for message in messages}
        for message in messages:
            if (trace := own.get(message.id)) is not None:
                tx.traces |= {message.subject: trace, str(message.id): trace}
        for subscription, run in self._runs(messages):
            tx.works.append(f"{self.group}.{subscription.message.__name__}")
            with structlog.contextvars.bound_contextvars(group=self.group, tenant=tx.tenant.slug, messages=len(run)):
                await subscription.handler(tx, run)

    def _runs(self, messages: Iterable[Envelope]) -> list[tuple[Subscription, list[Received[Any]]]]:
        """Runs of one type, as few as keep the order of each subject: set-based handlers like long ones."""
        runs: list[tuple[Subscription, list[Received[Any]]]] = []
        of_type: dict[str, list[int]] = defaultdict(list)
        after: dict[str, int] = {}
        for message in messages:
            earliest = after.get(message.subject, 0)
            place = next((index for index in of_type[message.type] if index >= earliest), None)
            if place is None:
                place = len(runs)
                runs.append((self._subscriptions[message.type], []))
                of_type[message.type].append(place)
            subscription, run = runs[place]
            run.append(Received(message, decode(subscription.message, message.value)))
            after[message.subject] = place
        return runs

    async def _fail(self, message: Envelope, fault: Exception) -> None:
        hold = self._subscriptions[message.type].hold
        async with self._database.system() as db, db.transaction():
            await retries.fail(db, self.group, message, fault, self._policy, hold)

    async def try_again(self, parked: Parked) -> None:
        """Handle one parked message in a transaction of its own, or put it off, or bury it."""
        message = parked.envelope
        subscription = self._subscriptions.get(message.type)
        try:
            tenant = await self._tenant(message.tenant_id)
            with self._traced([message]) as own:
                async with self._gate, self._database.transaction(tenant) as tx:
                    mine = await retries.unpark(tx.db, parked)
                    if mine and subscription and await inbox.admit_one(tx.db, self.group, tenant.id, message.id):
                        await self._dispatch(tx, [message], own)
        except Exception as fault:
            log.warning("message_failed_again", group=self.group, attempts=parked.attempts + 1, exc_info=fault)
            hold = subscription is None or subscription.hold
            async with self._database.system() as db, db.transaction():
                await retries.fail_again(db, parked, fault, self._policy, hold)
