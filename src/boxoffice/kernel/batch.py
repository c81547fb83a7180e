"""Micro-batching: concurrent calls of one hot verb on one tenant become one set-based transaction.

A lone caller never waits; a crowd shares the round trips, and the larger it is, the larger are the batches.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind

from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.tenancy import Tenant
from boxoffice.telemetry import traces

MOST_AT_ONCE = 256
GATHER_SECONDS_MOST = 0.05  # after a batch of several: as long as it took, at most so long, the next one grows
MOST_WAITING = 4_000
Request = TypeVar("Request")
Result = TypeVar("Result")
log = structlog.get_logger("batch")


@dataclass(frozen=True, slots=True)
class _Call(Generic[Request, Result]):
    request: Request
    answer: asyncio.Future[Result]
    trace: str | None


class Batcher(Generic[Request, Result]):
    """Gathers calls per tenant and hands them to `flush`, which answers each with a result or the exception it gets.

    When `flush` itself raises, its calls are run again one by one, so that one bad call fails alone.
    """

    def __init__(
        self,
        flush: Callable[[Tenant, Sequence[Request]], Awaitable[Sequence[Result | Exception]]],
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._flush = flush
        self._most_at_once = most_at_once
        self._name = f"batch {flush.__name__.strip('_')}"
        self._waiting: dict[UUID, deque[_Call[Request, Result]]] = {}
        self._runners: set[asyncio.Task[None]] = set()

    async def __call__(self, tenant: Tenant, request: Request) -> Result:
        """The result of one call. Raises what `flush` gave it, or Unavailable when too many wait already."""
        queue = self._waiting.get(tenant.id)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if queue is None:
            self._waiting[tenant.id] = deque([_Call(request, answer, traces.current())])
            runner = asyncio.create_task(self._run(tenant), context=Context())  # it works for others than this caller
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        elif len(queue) >= MOST_WAITING:
            raise Unavailable("overloaded", "Too many buyers at once; try again in a moment.")
        else:
            queue.append(_Call(request, answer, traces.current()))
        return await answer

    async def _run(self, tenant: Tenant) -> None:
        queue = self._waiting[tenant.id]
        batch: list[_Call[Request, Result]] = []
        try:
            while queue:
                batch = [queue.popleft() for _ in range(min(len(queue), self._most_at_once))]
                began = time.perf_counter()
                await self._serve(tenant, batch)
                if len(batch) > 1:
                    await asyncio.sleep(min(time.perf_counter() - began, GATHER_SECONDS_MOST))
        finally:  # cut off in the middle: nobody waits for ever for an answer that will not come
            del self._waiting[tenant.id]
            for call in (*batch, *queue):
                if not call.answer.done():
                    call.answer.set_exception(Unavailable("unavailable", "This was cut off; try again in a moment."))

    async def _serve(self, tenant: Tenant, batch: Sequence["_Call[Request, Result]"]) -> None:
        try:
            with traces.batch(self._name, SpanKind.INTERNAL, {id(call): call.trace for call in batch}):
                results = await self._flush(tenant, [call.request for call in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} answers to {len(batch)} calls")
        except Exception as fault:
            if len(batch) == 1 or isinstance(fault, Unavailable):
                results = [fault] * len(batch)
            else:
                log.warning("batch_failed", calls=len(batch), fault=repr(fault))
                for one in batch:
                    await self._serve(tenant, [one])
                return
        for call, result in zip(batch, results, strict=True):
            if call.answer.done():
                continue  # the caller has gone
            if isinstance(result, Exception):
                call.answer.set_exception(result)
            else:
                call.answer.set_result(result)
