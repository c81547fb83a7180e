"""News of bookings: a buyer's request may wait for the next thing to happen instead of asking again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from boxoffice.bookings.actions import Shown
from boxoffice.bookings.executor import bell_of
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.wake import Wake, rest

TICK_SECONDS = 2.0  # who waits looks at these times too, all at once: a ring may be lost

Show = Callable[[Tenant, tuple[str, UUID]], Awaitable[Shown]]


class News:
    """Tells of what happened to bookings, in every process that holds a request waiting for it.

    Who waits holds no connection of the database, and those who are woken together are looked up together by `show`.
    """

    def __init__(self, wake: Wake, show: Show, tick_seconds: float = TICK_SECONDS) -> None:
        self._wake = wake
        self._show = show
        self._tick_seconds = tick_seconds

    async def wait(
        self, tenant: Tenant, owner: str, booking_id: UUID, seconds: float, known: Shown | None = None
    ) -> tuple[Shown, float]:
        """The booking once it has moved on, or is the buyer's turn, or after `seconds`; and how long that was waited.

        `known` is what the buyer was about to be told. Raises NotFound `booking_not_found`.
        """
        loop, waited = asyncio.get_running_loop(), 0.0
        with self._wake.passing_bell(bell_of(booking_id)) as bell:
            first = shown = known or await self._show(tenant, (owner, booking_id))
            until = loop.time() + seconds
            while shown.booking.version == first.booking.version and shown.booking.saga.moves_by_itself:
                began = loop.time()
                if began >= until or self._wake.hushed:
                    break
                await rest(bell, min(until - began, self._tick_seconds - began % self._tick_seconds))
                waited += loop.time() - began
                shown = await self._show(tenant, (owner, booking_id))
        return shown, waited
