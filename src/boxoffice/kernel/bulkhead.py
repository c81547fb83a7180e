"""The bulkhead between tenants: a crowd at one gets a share of a process's connections and leaves the others some."""

import asyncio
from collections import deque
from uuid import UUID

from boxoffice.kernel.errors import Unavailable

WAITING_MOST = 1_000  # of one tenant in one process; more could not be served in time anyway


class Bulkhead:
    """Lets each tenant have `share` transactions at a time; further ones wait in their own tenant's queue."""

    def __init__(self, share: int, patience_seconds: float) -> None:
        self._share = share
        self._patience_seconds = patience_seconds
        self._in_flight: dict[UUID, int] = {}
        self._queues: dict[UUID, deque[asyncio.Future[None]]] = {}

    def enter(self, tenant_id: UUID) -> bool:
        """Take a place if one is free; who gets none may `wait`."""
        taken = self._in_flight.get(tenant_id, 0)
        if taken >= self._share:
            return False
        self._in_flight[tenant_id] = taken + 1
        return True

    async def wait(self, tenant_id: UUID) -> None:
        """Take a place in one's turn. Raises Unavailable `overloaded` when the queue is too long or too slow."""
        queue = self._queues.setdefault(tenant_id, deque())
        if len(queue) >= WAITING_MOST:
            raise _overloaded()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except BaseException as fault:
            if turn.done() and not turn.cancelled():  # it came in the very moment in which we gave up
                self.leave(tenant_id)
            if isinstance(fault, TimeoutError):
                raise _overloaded() from None
            raise

    def leave(self, tenant_id: UUID) -> None:
        """Give a place back: to the next in the queue, if anybody waits."""
        queue = self._queues.get(tenant_id)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._queues.pop(tenant_id, None)
        self._in_flight[tenant_id] -= 1
        if not self._in_flight[tenant_id]:
            del self._in_flight[tenant_id]


def _overloaded() -> Unavailable:
    return Unavailable("overloaded", "Too many want the same at once; try again in a moment.")
