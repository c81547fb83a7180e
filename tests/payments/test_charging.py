"""Charges: each outcome becomes one fact, and nothing is assumed about an answer that did not come."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import PaymentActionRequired, PaymentCancelled, PaymentCompleted, PaymentFailed
from boxoffice.payments import actions, store
from boxoffice.payments.actions import CHARGE, SETTLE
from boxoffice.payments.domain import ChargeName, Outcome, Result, Status
from boxoffice.payments.provider import Charge
from boxoffice.payments.simulated import Delays, Simulator
from tests.payments.conftest import AMOUNT, Desk
from tests.support.traffic import armed, run_due


async def test_a_good_card_is_charged_and_told_once(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert await desk.told() == [
        PaymentCompleted(booking_id=booking_id, attempt=1, amount_minor=AMOUNT, currency="EUR")
    ]


@pytest.mark.parametrize(
    ("method", "retryable", "reason"),
    [
        ("pm_card_chargeDeclined", False, "card_declined"),
        ("pm_card_insufficientFunds", True, "insufficient_funds"),
        ("pm_not_a_method", False, "unknown_method"),
    ],
)
async def test_a_decline_tells_whether_another_try_may_work(
    desk: Desk, method: str, retryable: bool, reason: str
) -> None:
    booking_id = await desk.pay(method)

    assert (await desk.payment(booking_id)).status is Status.DECLINED
    assert await desk.told() == [PaymentFailed(booking_id=booking_id, attempt=1, retryable=retryable, reason=reason)]


async def test_a_request_delivered_twice_is_charged_once(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")
    await desk.charge()

    await desk.request(booking_id, "pm_card_visa")
    await desk.charge()

    assert len(await desk.told(PaymentCompleted)) == 1


async def test_many_payments_of_one_tenant_are_charged_in_one_batch(desk: Desk) -> None:
    bookings = [uuid7() for _ in range(50)]
    for booking_id in bookings:
        await desk.request(booking_id, "pm_card_visa")

    due = await run_due(desk.database, desk.tenant, CHARGE, desk.charging.charge)

    assert len(due) == 50
    completed = await desk.told(PaymentCompleted)
    assert {message.subject for message in completed} == set(bookings)


async def test_a_lost_answer_is_found_by_asking_again(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_lost_reply")
    assert (await desk.payment(booking_id)).status is Status.UNKNOWN
    assert await desk.told() == []

    await desk.settle()

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await desk.told(PaymentCompleted)) == 1


async def test_a_crash_between_charge_and_record_charges_once(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")
    payment = await desk.payment(booking_id)
    await desk.simulator.charge([desk.charging.question(desk.tenant, payment)])  # and the process dies here

    await desk.charge()

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await desk.told(PaymentCompleted)) == 1


async def test_two_workers_with_one_timer_tell_one_fact(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")

    await asyncio.gather(desk.charge(), desk.charge())

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await desk.told(PaymentCompleted)) == 1


async def test_a_charge_that_never_arrived_is_sent_again(desk: Desk) -> None:
    booking_id = uuid7()
    await desk.request(booking_id, "pm_card_visa")
    async with desk.database.transaction(desk.tenant) as tx:
        payment, *_ = await store.start(tx, [(await desk.payment(booking_id)).id])
        due = await armed(tx, desk.tenant, CHARGE)
        await actions.record(tx, due, {payment.id: Result(Outcome.NO_ANSWER)}, timedelta(0))  # the connection was lost
    await desk.settle()

    await desk.charge()

    assert (await desk.payment(booking_id)).status is Status.CAPTURED


async def test_silence_stays_unknown_and_is_asked_again_until_it_is_cancelled(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_never")
    for _ in range(3):
        await desk.settle()
    assert (await desk.payment(booking_id)).status is Status.UNKNOWN

    await desk.cancel(booking_id)
    await desk.settle()

    assert (await desk.payment(booking_id)).status is Status.CANCELLED
    assert await desk.told() == [PaymentCancelled(booking_id=booking_id, attempt=1)]


async def test_an_answer_that_is_old_already_does_not_put_off_a_newer_question(slow_desk: Desk) -> None:
    booking_id = await slow_desk.pay("pm_sim_slow")
    payment = await slow_desk.payment(booking_id)
    async with slow_desk.database.transaction(slow_desk.tenant) as tx:
        due = await armed(tx, slow_desk.tenant, SETTLE)
    async with slow_desk.database.transaction(slow_desk.tenant) as tx:
        await actions.noticed(tx, [ChargeName(slow_desk.tenant.id, booking_id, 1)])  # a webhook comes in between

    async with slow_desk.database.transaction(slow_desk.tenant) as tx:
        await actions.record(tx, due, {payment.id: Result(Outcome.PENDING)}, timedelta(hours=1))

    async with slow_desk.database.transaction(slow_desk.tenant) as tx:
        assert await tx.db.fetchval("SELECT fire_at <= now() FROM platform.timers WHERE id = $1", payment.id)


async def test_a_slow_payment_is_open_until_the_bank_captures_it(slow_desk: Desk) -> None:
    booking_id = await slow_desk.pay("pm_sim_slow")
    await slow_desk.settle()

    payment = await slow_desk.payment(booking_id)

    assert payment.status is Status.PROCESSING
    assert payment.asked == 2
    assert await slow_desk.told() == []


async def test_a_payment_captured_after_its_decline_is_told_too(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_captured_late")
    assert len(await desk.told(PaymentFailed)) == 1

    await desk.simulator.capture_due()
    async with desk.database.transaction(desk.tenant) as tx:
        await actions.noticed(tx, [ChargeName(desk.tenant.id, booking_id, 1)])
    await desk.settle()

    assert [type(message).__name__ for message in await desk.told()] == ["PaymentFailed", "PaymentCompleted"]
    assert (await desk.payment(booking_id)).status is Status.CAPTURED


async def test_a_payment_that_needs_its_buyer_waits_for_the_bank_page(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_action")
    told = await desk.told(PaymentActionRequired)
    assert isinstance(told[0], PaymentActionRequired)
    origin, _, reference = told[0].url.rpartition("/")
    assert origin == f"http://{desk.tenant.slug}.localhost:8000/api/payments/simulated"

    await desk.simulator.decide(desk.tenant.id, reference, approved=True)
    await desk.settle()

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await desk.told(PaymentCompleted)) == 1


async def test_a_payment_declined_by_its_buyer_may_be_tried_again(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_action")
    reference = (await desk.payment(booking_id)).provider_ref

    await desk.simulator.decide(desk.tenant.id, str(reference), approved=False)
    await desk.settle()

    assert await desk.told(PaymentFailed) == [
        PaymentFailed(booking_id=booking_id, attempt=1, retryable=True, reason="buyer_declined")
    ]


async def test_a_settled_payment_leaves_no_timer(desk: Desk) -> None:
    await desk.pay("pm_sim_lost_reply")
    await desk.settle()

    assert await run_due(desk.database, desk.tenant, SETTLE, desk.charging.settle) == []
    assert await run_due(desk.database, desk.tenant, CHARGE, desk.charging.charge) == []


class Deaf(Simulator):
    """A bank that nobody can reach."""

    async def lookup(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        raise ConnectionResetError


async def test_a_notice_of_a_late_capture_is_followed_until_the_bank_answers(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_captured_late")
    await desk.simulator.capture_due()
    await desk.notice(booking_id)
    bank = Deaf(desk.database, b"s" * 32, Delays())
    unheard = replace(desk.charging, providers={"simulated": lambda _: bank})

    await run_due(desk.database, desk.tenant, SETTLE, unheard.settle)
    await desk.settle()

    assert (await desk.payment(booking_id)).status is Status.CAPTURED
    assert [type(message).__name__ for message in await desk.told()] == ["PaymentFailed", "PaymentCompleted"]
    async with desk.database.transaction(desk.tenant) as tx:
        assert await armed(tx, desk.tenant, SETTLE) == []
