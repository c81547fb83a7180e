"""Live availability: the state of every seat of an event, read from claims and holds, shared by all who ask at once."""

import asyncio
import secrets
import time
from uuid import UUID

import msgspec

from boxoffice.bookings.inventory import seats
from boxoffice.bookings.inventory.domain import Sale
from boxoffice.bookings.inventory.holds import Holds
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.valkey import Lost
from boxoffice.seating.availability import BLOCKED, HELD, SOLD

Key = tuple[UUID, UUID]
GLANCE_SECONDS = 1.0


class Snapshot(msgspec.Struct, frozen=True):
    """All seats at one moment: one byte each. Within an epoch `seq` grows whenever a seat changes."""

    epoch: int
    seq: int
    states: bytes

    @property
    def etag(self) -> str:
        return f'"{self.epoch}-{self.seq}"'


class Live:
    """Snapshots per event. Callers who ask while a read runs share the next one, which began after they asked:
    so everybody sees their own change, and a crowd costs two reads at a time. A glance needs no read of its own."""

    def __init__(self, database: Database, holds: Holds, glance_seconds: float = GLANCE_SECONDS) -> None:
        self._database = database
        self._holds = holds
        self._glance_seconds = glance_seconds
        self._epoch = secrets.randbits(32)
        self._last: dict[Key, Snapshot] = {}
        self._read_at: dict[Key, float] = {}
        self._running: dict[Key, asyncio.Task[Snapshot]] = {}
        self._next: dict[Key, asyncio.Task[Snapshot]] = {}

    async def snapshot(self, tenant: Tenant, sale: Sale) -> Snapshot:
        key = (tenant.id, sale.event_id)
        running = self._running.get(key)
        if running is None:
            reading = self._running[key] = asyncio.create_task(self._read(tenant, sale))
            reading.add_done_callback(lambda _: self._promote(key))
        else:
            waiting = self._next.get(key)
            if waiting is None:
                waiting = self._next[key] = asyncio.create_task(self._read_after(running, tenant, sale))
            reading = waiting
        return await asyncio.shield(reading)

    async def glance(self, tenant: Tenant, sale: Sale) -> Snapshot:
        """All seats as they were a moment ago at most: enough to suggest some to those who come too late."""
        key = (tenant.id, sale.event_id)
        if time.monotonic() - self._read_at.get(key, 0.0) < self._glance_seconds:
            return self._last[key]
        return await self.snapshot(tenant, sale)

    def _promote(self, key: Key) -> None:
        """A read ended: the one that waited for it, if any, is the running one now."""
        waiting = self._next.pop(key, None)
        if waiting is None:
            del self._running[key]
        else:
            self._running[key] = waiting
            waiting.add_done_callback(lambda _: self._promote(key))

    async def _read_after(self, running: asyncio.Task[Snapshot], tenant: Tenant, sale: Sale) -> Snapshot:
        await asyncio.wait([running])
        return await self._read(tenant, sale)

    async def _read(self, tenant: Tenant, sale: Sale) -> Snapshot:
        began = time.monotonic()
        states = bytearray(sale.plan.seats)
        try:
            for seat_no in await self._holds.held(tenant.id, sale.event_id):
                states[seat_no] = HELD
        except Lost:
            pass  # without Valkey nobody's soft hold shows; claims still do
        async with self._database.transaction(tenant) as tx:
            taken = await seats.taken(tx, sale.event_id)
        for numbers, state in ((taken.held, HELD), (taken.sold, SOLD), (taken.blocked, BLOCKED)):
            for seat_no in numbers:
                states[seat_no] = state
        key = (tenant.id, sale.event_id)
        last = self._last.get(key)
        if last is None or last.states != states:
            last = self._last[key] = Snapshot(self._epoch, last.seq + 1 if last else 1, bytes(states))
        self._read_at[key] = began
        return last
