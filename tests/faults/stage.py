"""Where the stories of the failpoints are played: a mortal platform, its tenants, and what its people do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from boxoffice.kernel import bootstrap
from boxoffice.kernel.database import Database
from boxoffice.kernel.message import Message
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Directory
from tests.support import invariants
from tests.support.crowd import at_rest, database_url
from tests.support.mail_server import TinyMailServer
from tests.support.mortal import Mortal
from tests.support.platform import Reply
from tests.support.waiting import eventually

ROWS, SEATS = 20, 40


@dataclass
class Order:
    """A booking that was acknowledged to its buyer."""

    slug: str
    id: str
    guest: str


@dataclass
class Stage:
    """`tenant` has a mailbox instead of a mail server; `posting` was made while mail was posted."""

    platform: Mortal
    mail: TinyMailServer
    tenant: str = ""
    posting: str = ""
    orders: list[Order] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    _events: dict[str, str] = field(default_factory=dict)
    _seats: dict[str, int] = field(default_factory=dict)

    async def furnish(self) -> None:
        self.tenant = await self._furnished(await self.platform.tenant())
        await self.mail.start()
        await self.platform.die()
        await self.platform.live(smtp_url=self.mail.url)
        self.posting = await self._furnished(await self.platform.tenant())

    async def _furnished(self, slug: str) -> str:
        self._events[slug] = await self.platform.event(slug, rows=ROWS, seats=SEATS)
        await at_rest(self.platform, slug)
        return slug

    # ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def order(self, method: str, *, slug: str = "", event: str = "", seat: int | None = None) -> Order:
        """Book a seat: the next of the event, or this one."""
        slug = slug or self.tenant
        event = event or self.event(slug)
        guest = await self.platform.guest(slug)
        hold = await self.hold(slug, event, guest, seat)
        booked = await self.platform.book(slug, hold["token"], method=method, guest=guest)
        assert booked.status == 202, booked
        order = Order(slug, booked.json["id"], guest)
        self.orders.append(order)
        return order

    async def hold(self, slug: str, event: str, guest: str, seat: int | None = None) -> Any:
        """Hold a seat; one that a lost answer has held already is left alone for the next."""
        self.touched.add(slug)

        async def held() -> Reply | None:
            self._seats[event] = self._seats.get(event, -1) + 1
            reply = await self.platform.hold(slug, event, [self._seats[event] if seat is None else seat], guest=guest)
            assert reply.status in (201, 409), reply
            return reply if reply.status == 201 else None

        reply = await eventually(held)
        assert reply is not None
        return reply.json

    def event(self, slug: str) -> str:
        """The event that the tenant sells by the way."""
        return self._events[slug]

    async def post(self, order: Order, verb: str, body: Any = None) -> Reply:
        """The buyer does something with a booking."""
        return await self.platform.ask(
            "POST", f"/api/bookings/{order.id}/{verb}", slug=order.slug, guest=order.guest, json=body
        )

    async def show(self, order: Order) -> Any:
        return (await self.platform.ask("GET", f"/api/bookings/{order.id}", slug=order.slug, guest=order.guest)).json

    async def ends(self, order: Order, *statuses: str) -> None:
        await self.platform.until(order.slug, order.id, *statuses, within=40, guest=order.guest)

    async def organizer(self, slug: str = "") -> str:
        slug = slug or self.tenant
        self.touched.add(slug)
        return await self.platform.token_of(slug, f"admin@{slug}.example")

    async def tenant_id(self, slug: str) -> str:
        async with self.superuser() as db:
            return str(await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug))

    # ── what nobody should do ──────────────────────────────────────────────────────────────────────────────────────
    async def fire(self, kind: str, id: str) -> None:
        """Let the time of a timer have come."""
        async with self.superuser() as db:
            await db.execute("UPDATE platform.timers SET fire_at = now() WHERE kind = $1 AND id = $2", kind, id)

    @asynccontextmanager
    async def superuser(self) -> AsyncIterator[asyncpg.Connection]:
        db = await asyncpg.connect(database_url(self.platform))
        try:
            yield db
        finally:
            await db.close()

    async def tell(self, slug: str, message: Message) -> None:
        """Publish a message in the platform's stead."""
        url = database_url(self.platform)
        login = bootstrap.logins(url, self.platform.data / "secrets").worker
        database = await Database.connect(login, platform_role=Roles(bootstrap.database_of(url)).platform)
        async with database.transaction(await Directory(database).by_slug(slug)) as tx:
            tx.publish(message)
        await database.close()
        self.touched.add(slug)

    @asynccontextmanager
    async def without(self, table: str) -> AsyncIterator[asyncpg.Connection]:
        """The tenant's table is away for the length of the block: whoever needs it fails."""
        schema = f"tenant_{self.tenant}"
        async with self.superuser() as db:
            await db.execute(f'ALTER TABLE "{schema}".{table} RENAME TO {table}_away')
            try:
                yield db
            finally:
                await db.execute(f'ALTER TABLE "{schema}".{table}_away RENAME TO {table}')

    async def settle(self) -> None:
        """Wait until nothing is left to do; then every invariant holds and every booking that was promised exists.

        A webhook whose sender died comes again after twelve seconds; here the bank is quicker.
        """
        async with self.superuser() as db:
            await db.execute("UPDATE simulator.deliveries SET due_at = now() WHERE due_at IS NOT NULL")
        for slug in self.touched:
            await at_rest(self.platform, slug)
            promised = [order.id for order in self.orders if order.slug == slug]
            assert await invariants.unknown(database_url(self.platform), slug, promised) == []
        self.touched.clear()
