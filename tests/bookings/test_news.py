"""Waiting for news of a booking: `Prefer: wait=N` is answered when it moves on, or when the time is over."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from boxoffice.bookings.actions import Shown
from boxoffice.bookings.news import News
from boxoffice.kernel.batch import Batcher
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.wake import Wake
from boxoffice.messages import PaymentActionRequired, PaymentCompleted
from tests.bookings.conftest import BUYER, OTHER, Office
from tests.bookings.till import Till
from tests.support.traffic import deliver
from tests.support.waiting import eventually

LONG, NEVER = 20, 3_600  # seconds
WAIT = {"prefer": "wait=15"}


class Lookout:
    """The news of one process, and how many were looked up at once, look by look."""

    def __init__(self, office: Office, wake: Wake | None = None, tick_seconds: float = NEVER) -> None:
        self.office = office
        self.looks: list[int] = []
        self.shown = 0
        self._batch = Batcher(self._look)
        self._news = News(wake or office.wake, self._show, tick_seconds)

    def wait(
        self, booking_id: UUID, owner: str = BUYER, seconds: float = LONG, known: Shown | None = None
    ) -> asyncio.Task[tuple[Shown, float]]:
        return asyncio.create_task(self._news.wait(self.office.tenant, owner, booking_id, seconds, known))

    async def _show(self, tenant: Tenant, asked: tuple[str, UUID]) -> Shown:
        shown = await self._batch(tenant, asked)
        self.shown += 1
        return shown

    async def _look(self, tenant: Tenant, asked: Sequence[tuple[str, UUID]]) -> Sequence[Shown | Exception]:
        self.looks.append(len(asked))
        return await self.office.bookings.look(tenant, asked)


async def test_who_waits_is_answered_as_soon_as_the_booking_is_confirmed(office: Office) -> None:
    booking_id, lookout = await office.booked(3, 4), Lookout(office)
    asked = lookout.wait(booking_id)
    await eventually(lambda: lookout.shown == 1)

    await office.paid(booking_id, amount_minor=9_000)

    shown, waited = await asked
    assert shown.booking.saga.state == "CONFIRMED"
    assert 0 < waited < LONG


async def test_what_happened_before_the_wait_began_is_not_missed(office: Office) -> None:
    booking_id = await office.booked(3)
    known = (await office.bookings.look(office.tenant, [(BUYER, booking_id)]))[0]
    assert isinstance(known, Shown)
    await office.paid(booking_id, amount_minor=4_500)

    shown, waited = await Lookout(office).wait(booking_id, known=known)

    assert shown.booking.saga.state == "CONFIRMED"
    assert waited < LONG


async def test_who_waits_hears_of_a_step_that_leaves_the_status_as_it_is(office: Office) -> None:
    booking_id, lookout = await office.booked(3), Lookout(office)
    asked = lookout.wait(booking_id)
    await eventually(lambda: lookout.shown == 1)

    step = PaymentActionRequired(booking_id=booking_id, attempt=1, url="https://bank.example/")
    await deliver(office.database, office.tenant, office.bookings.heard, step)

    shown, _ = await asked
    assert (shown.booking.saga.state, shown.booking.saga.attempts[0].url) == (
        "PENDING_PAYMENT",
        "https://bank.example/",
    )


async def test_after_the_time_asked_for_the_booking_is_shown_as_it_is(office: Office) -> None:
    booking_id = await office.booked(3)

    shown, waited = await Lookout(office).wait(booking_id, seconds=0.05)

    assert shown.booking.saga.state == "PENDING_PAYMENT"
    assert waited >= 0.05


async def test_nobody_waits_when_it_is_the_buyers_turn(office: Office) -> None:
    booking_id, lookout = await office.booked(3), Lookout(office)
    await office.declined(booking_id, retryable=True)

    _, waited = await lookout.wait(booking_id)

    assert (waited, lookout.looks) == (0, [1])


async def test_anothers_booking_is_not_waited_for(office: Office) -> None:
    booking_id = await office.booked(3)

    with pytest.raises(NotFound, match="no such booking"):
        await Lookout(office).wait(booking_id, owner=OTHER)


async def test_many_who_wait_hold_no_connection_and_are_looked_up_together(office: Office) -> None:
    booking_ids, lookout = [await office.booked(seat_no) for seat_no in range(10)], Lookout(office)
    asked = [lookout.wait(booking_id) for booking_id in booking_ids for _ in range(3)]
    await eventually(lambda: lookout.shown == 30)
    before, in_use = len(lookout.looks), office.database.connections_in_use

    paid = [
        PaymentCompleted(booking_id=booking_id, attempt=1, amount_minor=4_500, currency="EUR")
        for booking_id in booking_ids
    ]
    await deliver(office.database, office.tenant, office.bookings.captured, *paid)

    shown = [each for each, _ in await asyncio.gather(*asked)]
    assert [each.booking.id for each in shown] == [booking_id for booking_id in booking_ids for _ in range(3)]
    assert {each.booking.saga.state for each in shown} == {"CONFIRMED"}
    assert (in_use, lookout.looks[before:]) == (0, [30])


async def test_a_ring_that_is_lost_is_made_up_for_by_the_next_tick(office: Office) -> None:
    deaf = Lookout(office, Wake(), tick_seconds=0.05)
    booking_id = await office.booked(3)
    asked = deaf.wait(booking_id)
    await eventually(lambda: deaf.shown >= 1)

    await office.paid(booking_id, amount_minor=4_500)

    shown, _ = await asked
    assert shown.booking.saga.state == "CONFIRMED"


async def test_when_the_process_stops_all_who_wait_are_answered(office: Office) -> None:
    booking_id, lookout = await office.booked(3), Lookout(office)
    asked = lookout.wait(booking_id, seconds=NEVER)
    await eventually(lambda: lookout.shown == 1)

    office.wake.hush()

    shown, _ = await asyncio.wait_for(asked, LONG)
    late, waited = await lookout.wait(booking_id, seconds=NEVER)
    assert shown.booking.saga.state == late.booking.saga.state == "PENDING_PAYMENT"
    assert waited == 0


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def ask(till: Till, booking: Any, **more: Any) -> Any:
    return await till.shop.ask("GET", f"/api/bookings/{booking['id']}", who=till.buyer, headers=WAIT, **more)


async def test_a_request_that_prefers_to_wait_is_told_how_it_went(till: Till) -> None:
    booking = await till.book(3)
    asked = asyncio.create_task(ask(till, booking))

    await till.shop.settle()

    answer = await asked
    assert (answer.status, answer.json["status"]) == (200, "CONFIRMED")
    assert answer.headers["preference-applied"] == "wait=15"


async def test_without_a_preference_the_answer_comes_at_once_and_speaks_of_none(till: Till) -> None:
    booking = await till.book(3)

    answer = await till.of(booking)

    assert answer.json["status"] == "PENDING_PAYMENT"
    assert "preference-applied" not in answer.headers


async def test_a_client_that_leaves_is_waited_for_no_longer(till: Till) -> None:
    booking, gone = await till.book(3), asyncio.Event()
    gone.set()

    with pytest.raises(AssertionError):  # nothing is answered
        await ask(till, booking, until=gone)


async def test_a_booking_can_wait_for_its_payment_before_it_is_answered(till: Till) -> None:
    held = await till.hold(3)
    asked = asyncio.create_task(till.ask_book(held["token"], key="once", headers=WAIT))

    async def settled() -> bool:
        await till.shop.settle()
        return asked.done()

    await eventually(settled)
    answer, again = await asked, await till.ask_book(held["token"], key="once", headers=WAIT)

    assert (answer.status, answer.json["status"], answer.headers["preference-applied"]) == (202, "CONFIRMED", "wait=15")
    assert (again.json["id"], again.headers["idempotency-replayed"]) == (answer.json["id"], "true")
