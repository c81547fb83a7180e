"""A box office in a test's hands: one event on sale in a small hall, and the verbs of holding and booking."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from boxoffice.bookings.actions import Bookings, Request, Shown, open_with_inventory
from boxoffice.bookings.executor import TIMER, Executor
from boxoffice.bookings.giving_back.actions import GivingBack
from boxoffice.bookings.inventory.catalogue import Catalogue
from boxoffice.bookings.inventory.holding import Holding
from boxoffice.bookings.inventory.holds import Hold, Holds
from boxoffice.bookings.inventory.live import Live
from boxoffice.bookings.store import Booking, load
from boxoffice.bookings.views import seats_of
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import valkey as kernel_valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.idempotency import Wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Message
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.wake import Wake
from boxoffice.messages import Category, PaymentCompleted, PaymentFailed, PaymentRefunded, RefundRequested, Sale
from boxoffice.seating.parse import parse
from tests.bookings.till import Till
from tests.seating import plans
from tests.support.shop import Shop, open_shop
from tests.support.traffic import armed, deliver, published

GRACE = timedelta(seconds=120)
BUYER = "guest:0192f000-0000-7000-8000-000000000001"
OTHER = "guest:0192f000-0000-7000-8000-000000000002"
HALL = plans.document(
    plans.zone(plans.row("1..10", "A"), plans.row("1..10", "B", "silver"), key="Hall"),
    plans.standing(20, "Pit", "silver"),
)


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = kernel_valkey.connect(servers.valkey_url)
    yield client
    await client.aclose()


@dataclass
class Office:
    """One tenant's box office with one event on sale: seats 0-9 gold, 10-19 silver, 20-39 standing."""

    database: Database
    tenant: Tenant
    event_id: UUID
    holding: Holding
    bookings: Bookings
    catalogue: Catalogue
    live: Live
    wake: Wake
    giving_back: GivingBack = field(default_factory=lambda: GivingBack(Executor(GRACE)))

    async def hold(self, *seats: int, owner: str = BUYER) -> Hold:
        return await self.holding.take(self.tenant, owner, self.event_id, list(seats))

    async def book(
        self, held: Hold, *, method: str | None = "pm_card_visa", key: str | None = None, owner: str | None = None
    ) -> Shown:
        sale = await self.catalogue.sale(self.tenant, self.event_id)
        wanted = Wanted(f"{owner or held.owner} POST /api/bookings", key or str(uuid7()), str(held.id).encode())
        request = Request(held, seats_of(held, sale), method, "ada@example.org", "Ada", wanted)
        return await self.bookings.request(self.tenant, request)

    async def booked(self, *seats: int, method: str | None = "pm_card_visa", owner: str = BUYER) -> UUID:
        shown = await self.book(await self.hold(*seats, owner=owner), method=method)
        return shown.booking.id

    async def paid(self, booking_id: UUID, attempt: int = 1, amount_minor: int = 0) -> None:
        await deliver(self.database, self.tenant, self.bookings.captured, PaymentCompleted(
            booking_id=booking_id, attempt=attempt, amount_minor=amount_minor, currency="EUR"))  # fmt: skip

    async def declined(self, booking_id: UUID, attempt: int = 1, *, retryable: bool = False) -> None:
        await deliver(self.database, self.tenant, self.bookings.heard, PaymentFailed(
            booking_id=booking_id, attempt=attempt, retryable=retryable, reason="card_declined"))  # fmt: skip

    async def give_back(self, booking_id: UUID, *seats: int, owner: str = BUYER) -> None:
        async with self.database.transaction(self.tenant) as tx:
            await self.giving_back.cancel(tx, owner, booking_id, seats or None)

    async def refunded(self, booking_id: UUID) -> None:
        """The provider returns the money of every refund that was asked for."""
        asked = [m for m in await self.told(RefundRequested) if isinstance(m, RefundRequested)]
        await deliver(self.database, self.tenant, self.bookings.heard, *(
            PaymentRefunded(booking_id=m.booking_id, refund_id=m.refund_id, attempt=m.attempt,
                            amount_minor=m.amount_minor, currency="EUR")
            for m in asked if m.booking_id == booking_id
        ))  # fmt: skip

    async def timer_fires(self) -> None:
        """Every saga timer of the tenant, as if its time had come."""
        async with self.database.platform() as tx:
            due = await armed(tx, self.tenant, TIMER)
        async with self.database.transaction(self.tenant) as tx:
            await self.bookings.due(tx, due)

    async def timers(self) -> list[UUID]:
        async with self.database.platform() as tx:
            return [due.id for due in await armed(tx, self.tenant, TIMER)]

    async def booking(self, booking_id: UUID) -> Booking:
        async with self.database.transaction(self.tenant) as tx:
            return (await load(tx, [booking_id]))[booking_id]

    async def status(self, booking_id: UUID) -> str:
        return (await self.booking(booking_id)).saga.state.value

    async def seats(self, status: str) -> list[int]:
        async with self.database.transaction(self.tenant) as tx:
            rows = await tx.db.fetch(
                "SELECT seat_no FROM seat_inventory WHERE event_id = $1 AND status = $2 ORDER BY seat_no",
                self.event_id, status,
            )  # fmt: skip
        return [row["seat_no"] for row in rows]

    async def told(self, *kinds: type[Message]) -> Sequence[Message]:
        return await published(self.database, self.tenant, *kinds)


def sale_of(event_id: UUID, plan_hash: str, gold: int = 4_500, silver: int = 2_500) -> Sale:
    now = datetime.now(UTC)
    return Sale(
        event_id=event_id, name="An evening with strings", venue="Town Hall", time_zone="Europe/Berlin",
        starts_at=now + timedelta(days=30), currency="EUR",
        categories=[
            Category(key="gold", name="Gold", color="#E69F00", price_minor=gold),
            Category(key="silver", name="Silver", color="#56B4E9", price_minor=silver),
        ],
        opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=29), max_seats_per_booking=10,
        plan_hash=plan_hash,
    )  # fmt: skip


async def open_office(database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring, gold: int = 4_500) -> Office:
    plan = parse(HALL)
    event_id = uuid7()
    async with database.transaction(tenant) as tx:
        await open_with_inventory(tx, sale_of(event_id, plan.hash, gold), plan.document, plan.seats)
    peers = Peers("bookings", apps={}, keyring=keyring, domain="localhost")
    holds, catalogue = Holds(valkey), Catalogue(database, peers)
    live = Live(database, holds)
    wake = Wake()
    bookings = Bookings(database, peers, holds, Executor(GRACE, wake), 180)
    return Office(
        database,
        tenant,
        event_id,
        Holding(database, holds, catalogue, live, bookings.consumer_of),
        bookings,
        catalogue,
        live,
        wake,
    )


@pytest.fixture
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def office(database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring) -> Office:
    return await open_office(database, tenant, valkey, keyring)


@pytest.fixture
async def free_office(database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring) -> Office:
    """The same hall, its gold seats free of charge."""
    return await open_office(database, tenant, valkey, keyring, gold=0)


@pytest.fixture
async def shop(database: Database, web_database: Database, tenant: Tenant, valkey: Redis, keyring: Keyring) -> Shop:
    return open_shop(web_database, Directory(web_database), tenant, valkey, keyring, worker=database)


async def open_till(shop: Shop, **fields: Any) -> Till:
    return Till(shop, await shop.publish(HALL, **fields), shop.guest())


@pytest.fixture
async def till(shop: Shop) -> Till:
    return await open_till(shop)
