"""Cancellations before, during and after a charge."""

import asyncio

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import (
    BookingCancelled,
    PaymentCancelled,
    PaymentCompleted,
    PaymentFailed,
)
from boxoffice.payments import actions
from boxoffice.payments.actions import CHARGE
from boxoffice.payments.domain import Outcome, Status
from tests.payments.conftest import Desk
from tests.support.purchases import purchase
from tests.support.traffic import deliver, run_due


async def test_what_was_never_sent_is_cancelled_at_once(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")

    await desk.cancel(booking_id)

    assert await run_due(desk.database, desk.tenant, CHARGE, desk.charging.charge) == []
    assert await desk.told() == [PaymentCancelled(booking_id=booking_id, attempt=1)]


async def test_a_cancellation_that_overtakes_its_request_leaves_a_tombstone(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.cancel(booking_id)

    await desk.request(booking_id, "pm_card_visa")
    await desk.charge()

    assert (await desk.payment(booking_id)).status is Status.CANCELLED
    assert await desk.told() == [PaymentCancelled(booking_id=booking_id, attempt=1)]
    assert (await desk.at_the_bank(booking_id)).outcome is Outcome.NOT_FOUND


async def test_a_payment_in_flight_is_cancelled_by_the_bank(slow_desk: Desk) -> None:
    booking_id = await slow_desk.pay("pm_sim_slow")

    await slow_desk.cancel(booking_id)
    assert await slow_desk.told() == []
    await slow_desk.settle()

    assert await slow_desk.told() == [PaymentCancelled(booking_id=booking_id, attempt=1)]


async def test_a_cancellation_that_comes_after_the_capture_is_answered_by_it(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_lost_reply")

    await desk.cancel(booking_id)
    await desk.settle()

    assert [type(message) for message in await desk.told()] == [PaymentCompleted]


async def test_a_settled_attempt_is_told_again(desk: Desk) -> None:
    paid, declined = await desk.pay("pm_card_visa"), await desk.pay("pm_card_chargeDeclined")

    await desk.cancel(paid)
    await desk.cancel(declined)
    await desk.cancel(declined)

    assert len(await desk.told(PaymentCompleted)) == 2
    assert len(await desk.told(PaymentFailed)) == 3
    assert await desk.told(PaymentCancelled) == []


async def test_every_attempt_of_a_cancellation_is_answered(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_insufficientFunds")
    await desk.request(booking_id, "pm_card_visa", attempt=2)

    await desk.cancel(booking_id, 1, 2, 3)

    assert [payment.status for payment in await desk.payments(booking_id)] == [
        Status.DECLINED, Status.CANCELLED, Status.CANCELLED,
    ]  # fmt: skip
    assert {message.attempt for message in await desk.told(PaymentCancelled)} == {2, 3}  # type: ignore[attr-defined]


async def test_a_charge_that_arrives_after_its_cancellation_is_refused(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")
    payment = await desk.payment(booking_id)
    question = desk.charging.question(desk.tenant, payment)
    await desk.simulator.cancel([question])

    answers = await desk.simulator.charge([question])

    assert answers[question.key].outcome is Outcome.CANCELLED


async def test_a_charge_racing_with_its_cancellation_ends_in_one_truth(desk: Desk) -> None:
    bookings = [uuid7() for _ in range(12)]
    for booking_id in bookings:
        await desk.request(booking_id, "pm_card_visa")

    await asyncio.gather(desk.charge(), *(desk.cancel(booking_id) for booking_id in bookings))
    await desk.charge()
    await desk.settle()

    for booking_id in bookings:
        payment = await desk.payment(booking_id)
        outcome = (await desk.at_the_bank(booking_id)).outcome
        assert (payment.status, outcome) in {
            (Status.CAPTURED, Outcome.CAPTURED),
            (Status.CANCELLED, Outcome.NOT_FOUND),
            (Status.CANCELLED, Outcome.CANCELLED),
        }


async def test_a_cancelled_booking_is_charged_no_more(desk: Desk) -> None:
    silent, booking_id = await desk.pay("pm_sim_never"), uuid7()
    await desk.request(booking_id, "pm_card_visa")

    bodies = [
        BookingCancelled(booking_id=each, purchase=purchase(each), reason="EVENT_CANCELLED", refunded_minor=0)
        for each in (booking_id, silent)
    ]
    await deliver(desk.database, desk.tenant, actions.booking_cancelled, *bodies)
    await desk.settle()

    assert (await desk.payment(booking_id)).status is Status.CANCELLED
    assert (await desk.payment(silent)).status is Status.CANCELLED
