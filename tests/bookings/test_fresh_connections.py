"""Each hot statement as the first of its connection, under a tenant's role: nothing rests on an earlier statement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from redis.asyncio import Redis

from boxoffice.bookings.actions import Bookings
from boxoffice.bookings.executor import Executor
from boxoffice.bookings.inventory.catalogue import Catalogue
from boxoffice.bookings.inventory.holding import Holding
from boxoffice.bookings.inventory.holds import Holds
from boxoffice.bookings.inventory.live import Live
from boxoffice.bookings.ticketing import Ticketing
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.wake import Wake
from tests.bookings.conftest import BUYER, Office


class Starts:
    """Steps of a purchase, each by a process that has just connected."""

    def __init__(self, office: Office, logins: Logins, valkey: Redis, keyring: Keyring) -> None:
        self.office = office
        self.logins = logins
        self.holds = Holds(valkey)
        self.keyring = keyring

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[Office]:
        database = await Database.connect(url, platform_role=Roles("suite").platform, pool_size=2, reserve_size=1)
        try:
            peers = Peers("bookings", apps={}, keyring=self.keyring, domain="localhost")
            catalogue = Catalogue(database, peers)
            live = Live(database, self.holds)
            bookings = Bookings(database, peers, self.holds, Executor(timedelta(seconds=120)), 180)
            holding = Holding(database, self.holds, catalogue, live, bookings.consumer_of)
            yield Office(database, self.office.tenant, self.office.event_id, holding, bookings, catalogue, live, Wake())
        finally:
            await database.close()


async def test_every_step_of_a_purchase_works_as_the_first_of_its_connection(
    office: Office, logins: Logins, valkey: Redis, keyring: Keyring
) -> None:
    starts = Starts(office, logins, valkey, keyring)

    async with starts.connected(logins.web) as web:
        held = await web.hold(3, 4)
    async with starts.connected(logins.web) as web:
        booking_id = (await web.book(held)).booking.id
    async with starts.connected(logins.worker) as worker:
        await worker.declined(booking_id, retryable=True)
    async with starts.connected(logins.web) as web, web.database.transaction(web.tenant) as tx:
        await web.bookings.pay_again(tx, BUYER, booking_id, "pm_card_visa")
    async with starts.connected(logins.worker) as worker:
        await worker.paid(booking_id, attempt=2, amount_minor=9_000)
    async with starts.connected(logins.web) as web:
        shown = await web.bookings.show(web.tenant, (BUYER, booking_id))
    async with starts.connected(logins.web) as web:
        listed = await web.bookings.page(web.tenant, BUYER, None, 10)
    async with starts.connected(logins.web) as web:
        tickets = await Ticketing(web.database, keyring.secret("tickets-master")).tickets(web.tenant, shown.booking)
    async with starts.connected(logins.web) as web:
        snapshot = await web.live.snapshot(web.tenant, await web.catalogue.sale(web.tenant, web.event_id))

    assert shown.booking.saga.state == "CONFIRMED"
    assert [each.booking.id for each in listed] == [booking_id]
    assert [item.seat.seat_no for item in tickets.items] == [3, 4]
    assert [seat_no for seat_no, state in enumerate(snapshot.states) if state] == [3, 4]


async def test_every_way_out_of_a_purchase_works_as_the_first_of_its_connection(
    office: Office, logins: Logins, valkey: Redis, keyring: Keyring
) -> None:
    starts = Starts(office, logins, valkey, keyring)
    given_up, timed_out, late = [await office.booked(n) for n in range(3)]
    await office.declined(given_up, retryable=True)

    async with starts.connected(logins.web) as web, web.database.transaction(web.tenant) as tx:
        await web.giving_back.cancel(tx, BUYER, given_up, None)
    for _ in range(2):
        async with starts.connected(logins.worker) as worker:
            await worker.timer_fires()
    async with starts.connected(logins.worker) as worker:
        await worker.paid(late, amount_minor=4_500)

    assert [await office.status(booking_id) for booking_id in (given_up, timed_out, late)] == [
        "CANCELLED", "EXPIRED", "CONFIRMED"
    ]  # fmt: skip
    assert await office.seats("SOLD") == [2]
