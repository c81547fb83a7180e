"""What becomes of a booking, driven through the verbs against a real database."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from redis.asyncio import Redis

from boxoffice.bookings.inventory.holding import Holding
from boxoffice.bookings.inventory.holds import Hold, Holds
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Conflict, Unavailable
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Status
from boxoffice.messages import (
    BookingCancelled,
    BookingConfirmed,
    BookingExpired,
    BookingFailed,
    BookingRequested,
    PaymentCancelRequested,
    RefundRequested,
    SaleChanged,
)
from tests.bookings.conftest import BUYER, OTHER, Office


async def test_a_paid_booking_is_confirmed_and_its_seats_are_sold(office: Office) -> None:
    booking_id = await office.booked(3, 4)

    await office.paid(booking_id, amount_minor=9_000)

    assert await office.status(booking_id) == "CONFIRMED"
    assert await office.seats("SOLD") == [3, 4]
    assert await office.timers() == []
    assert len(await office.told(BookingConfirmed)) == 1


async def test_a_requested_booking_holds_its_seats_and_asks_for_the_payment(office: Office) -> None:
    booking_id = await office.booked(3, 4)

    asked = await office.told(BookingRequested)
    assert [(m.booking_id, m.amount_minor, m.attempt) for m in asked if isinstance(m, BookingRequested)] == [
        (booking_id, 9_000, 1)
    ]
    assert await office.seats("HELD") == [3, 4]
    assert await office.timers() == [booking_id]


async def test_a_booking_without_a_price_is_confirmed_at_once(free_office: Office) -> None:
    booking_id = await free_office.booked(1, method=None)

    assert await free_office.status(booking_id) == "CONFIRMED"
    assert await free_office.told(BookingRequested) == []
    assert await free_office.seats("SOLD") == [1]


async def test_a_final_decline_frees_the_seats_at_once(office: Office) -> None:
    booking_id = await office.booked(3, 4)

    await office.declined(booking_id)

    assert await office.status(booking_id) == "FAILED"
    assert await office.seats("HELD") == []
    assert len(await office.told(BookingFailed)) == 1


async def test_a_retryable_decline_keeps_the_seats_and_the_buyer_pays_again(office: Office) -> None:
    booking_id = await office.booked(3, 4)

    await office.declined(booking_id, retryable=True)
    kept = await office.seats("HELD")
    async with office.database.transaction(office.tenant) as tx:
        await office.bookings.pay_again(tx, BUYER, booking_id, "pm_card_visa")
    await office.paid(booking_id, attempt=2, amount_minor=9_000)

    assert kept == [3, 4]
    assert await office.status(booking_id) == "CONFIRMED"


async def test_nobody_pays_again_while_a_payment_is_open(office: Office) -> None:
    booking_id = await office.booked(3)

    with pytest.raises(Conflict, match="no_retry"):
        async with office.database.transaction(office.tenant) as tx:
            await office.bookings.pay_again(tx, BUYER, booking_id, "pm_card_visa")


async def test_a_hold_that_ends_calls_off_the_payment_before_it_frees_the_seats(office: Office) -> None:
    booking_id = await office.booked(3)

    await office.timer_fires()
    while_waiting = await office.seats("HELD")
    await office.timer_fires()

    assert while_waiting == [3]
    assert len(await office.told(PaymentCancelRequested)) == 1
    assert await office.status(booking_id) == "EXPIRED"
    assert await office.seats("HELD") == []
    assert len(await office.told(BookingExpired)) == 1


async def test_a_payment_that_comes_while_it_is_called_off_for_time_still_buys_the_seats(office: Office) -> None:
    booking_id = await office.booked(3)
    await office.timer_fires()

    await office.paid(booking_id, amount_minor=4_500)

    assert await office.status(booking_id) == "CONFIRMED"


async def test_a_payment_after_expiry_claims_the_seats_again_while_they_are_free(office: Office) -> None:
    booking_id = await office.booked(3, 4)
    await office.timer_fires()
    await office.timer_fires()

    await office.paid(booking_id, amount_minor=9_000)

    assert await office.status(booking_id) == "CONFIRMED"
    assert await office.seats("SOLD") == [3, 4]
    assert [m.late for m in await office.told(BookingConfirmed) if isinstance(m, BookingConfirmed)] == [True]


async def test_a_payment_after_expiry_is_refunded_when_one_seat_is_gone(office: Office) -> None:
    late = await office.booked(3, 4)
    await office.timer_fires()
    await office.timer_fires()
    quick = await office.booked(4, owner=OTHER)

    await office.paid(late, amount_minor=9_000)

    assert await office.status(late) == "REFUNDING"
    refunds = [m for m in await office.told(RefundRequested) if isinstance(m, RefundRequested)]
    assert [(m.booking_id, m.amount_minor) for m in refunds] == [(late, 9_000)]
    assert await office.seats("HELD") == [4]
    assert await office.status(quick) == "PENDING_PAYMENT"


async def test_a_payment_after_expiry_is_refunded_when_its_organizer_does_not_sell_any_more(office: Office) -> None:
    late = await office.booked(3, 4)
    await office.timer_fires()
    await office.timer_fires()
    office.tenant = msgspec.structs.replace(office.tenant, status=Status.SUSPENDED)

    await office.paid(late, amount_minor=9_000)

    assert await office.status(late) == "REFUNDING"
    assert await office.seats("SOLD") == []


async def test_a_buyer_who_gives_up_gets_the_seats_freed_and_a_payment_that_came_anyway_back(office: Office) -> None:
    booking_id = await office.booked(3)
    async with office.database.transaction(office.tenant) as tx:
        await office.giving_back.cancel(tx, BUYER, booking_id, None)

    await office.paid(booking_id, amount_minor=4_500)

    assert await office.status(booking_id) == "REFUNDING"
    assert await office.told(BookingCancelled) == []


async def test_a_second_capture_is_refunded_and_the_booking_stays_confirmed(office: Office) -> None:
    booking_id = await office.booked(3)
    await office.declined(booking_id, retryable=True)
    async with office.database.transaction(office.tenant) as tx:
        await office.bookings.pay_again(tx, BUYER, booking_id, "pm_card_visa")
    await office.paid(booking_id, attempt=2, amount_minor=4_500)

    await office.paid(booking_id, attempt=1, amount_minor=4_500)

    assert await office.status(booking_id) == "CONFIRMED"
    assert [m.attempt for m in await office.told(RefundRequested) if isinstance(m, RefundRequested)] == [1]


async def test_a_repeated_capture_changes_nothing(office: Office) -> None:
    booking_id = await office.booked(3)

    await office.paid(booking_id, amount_minor=4_500)
    await office.paid(booking_id, amount_minor=4_500)

    assert (await office.booking(booking_id)).version == 2
    assert await office.told(RefundRequested) == []


async def test_of_two_buyers_who_want_one_seat_in_one_moment_one_gets_it_and_the_other_sees_what_is_free(
    office: Office,
) -> None:
    outcomes = await asyncio.gather(office.hold(3), office.hold(3, owner=OTHER), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [refusal.code for refusal in refused] == ["seat_unavailable"]
    assert refused[0].members["seats"] == [3]
    assert 3 not in refused[0].members["alternatives"]
    assert refused[0].members["alternatives"] != []


async def test_two_requests_with_one_key_at_once_make_one_booking(office: Office) -> None:
    held = await office.hold(3)

    outcomes = await asyncio.gather(office.book(held, key="k1"), office.book(held, key="k1"), return_exceptions=True)
    again = await office.book(held, key="k1")

    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [refusal.code for refusal in refused] == ["in_flight"]
    assert again.replayed
    assert len(await office.told(BookingRequested)) == 1


async def test_a_hold_buys_one_booking_only(office: Office) -> None:
    held = await office.hold(3)
    await office.book(held)

    with pytest.raises(Conflict, match="hold_consumed"):
        await office.book(held)


async def test_the_last_seat_sold_is_told_and_so_is_one_that_comes_back(office: Office) -> None:
    first = await office.booked(*range(10))
    second = await office.booked(*range(10, 20), owner=OTHER)
    third = await office.booked(*range(20, 30))
    fourth = await office.booked(*range(30, 40))
    for booking_id in (first, second, third):
        await office.paid(booking_id, amount_minor=1)

    await office.declined(fourth)

    assert [m.sold_out for m in await office.told(SaleChanged) if isinstance(m, SaleChanged)] == [True, False]


async def test_a_hold_that_a_claim_overtakes_is_refused_and_not_granted(office: Office, valkey: Redis) -> None:
    first = await office.hold(3, owner="user:first")

    class Overtaking(Holds):
        """Valkey as a slow buyer finds it: between the look at the rows and the hold, the first buyer has booked."""

        async def put(self, wanted: Sequence[tuple[Hold, int, Sequence[int]]]) -> list[list[int]]:
            await office.book(first)
            return await super().put(wanted)

    slow = Holding(office.database, Overtaking(valkey), office.catalogue, office.live, office.bookings.consumer_of)
    with pytest.raises(Conflict, match="taken"):
        await slow.take(office.tenant, "user:slow", office.event_id, [3, 4])

    assert await Holds(valkey).held(office.tenant.id, office.event_id) == []


async def test_a_hold_that_cannot_be_looked_at_again_is_not_kept_from_whoever_asked_for_it(
    office: Office, valkey: Redis, logins: Logins
) -> None:
    dying = await Database.connect(logins.web, platform_role=Roles("suite").platform, pool_size=1, reserve_size=1)

    class Outliving(Holds):
        """The database is lost just after Valkey has granted the hold."""

        async def put(self, wanted: Sequence[tuple[Hold, int, Sequence[int]]]) -> list[list[int]]:
            granted = await super().put(wanted)
            await dying.close()
            return granted

    unlucky = Holding(dying, Outliving(valkey), office.catalogue, office.live, office.bookings.consumer_of)
    with pytest.raises(Unavailable):
        await unlucky.take(office.tenant, BUYER, office.event_id, [3, 4])

    assert (await office.hold(3, 4)).seat_nos == [3, 4]
