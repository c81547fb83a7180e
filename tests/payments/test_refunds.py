"""Refunds: once per refund id, in parts or whole, never more than was captured."""

import asyncio

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import PaymentRefunded, RefundFailed
from boxoffice.payments.actions import REFUND
from tests.payments.conftest import AMOUNT, Desk
from tests.support.traffic import run_due


async def test_a_captured_payment_is_refunded_once(desk: Desk) -> None:
    booking_id, refund_id = await desk.pay("pm_card_visa"), uuid7()
    await desk.ask_refund(booking_id, refund_id)

    await desk.refund()

    assert await desk.told(PaymentRefunded, RefundFailed) == [
        PaymentRefunded(
            booking_id=booking_id, refund_id=refund_id, attempt=1, amount_minor=AMOUNT, currency="EUR"
        )
    ]  # fmt: skip


async def test_a_refund_asked_for_again_is_told_again_and_not_made_again(desk: Desk) -> None:
    booking_id, refund_id = await desk.pay("pm_card_visa"), uuid7()
    await desk.ask_refund(booking_id, refund_id, 4_000)
    await desk.refund()

    await desk.ask_refund(booking_id, refund_id, 4_000)

    assert await run_due(desk.database, desk.tenant, REFUND, desk.charging.refund) == []
    assert len(await desk.told(PaymentRefunded)) == 2


async def test_two_parts_of_one_payment_are_two_refunds(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    await desk.ask_refund(booking_id, uuid7(), 1_500)
    await desk.ask_refund(booking_id, uuid7(), 3_000)

    await desk.refund()

    assert len(await desk.told(PaymentRefunded)) == 2


async def test_more_than_was_captured_is_never_returned(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    await desk.ask_refund(booking_id, uuid7(), 3_000)
    await desk.ask_refund(booking_id, uuid7(), 3_000)

    await desk.refund()

    assert len(await desk.told(PaymentRefunded)) == 1
    failed = await desk.told(RefundFailed)
    assert [message.reason for message in failed] == ["exceeds_charge"]  # type: ignore[attr-defined]


async def test_a_refund_that_fails_twice_succeeds_the_third_time(desk: Desk) -> None:
    booking_id, refund_id = await desk.pay("pm_sim_refund_fails_twice"), uuid7()

    for _ in range(3):
        await desk.ask_refund(booking_id, refund_id)
        await desk.refund()

    assert [type(message) for message in await desk.told(PaymentRefunded, RefundFailed)] == [
        RefundFailed, RefundFailed, PaymentRefunded,
    ]  # fmt: skip


async def test_what_was_not_captured_is_not_refunded(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_chargeDeclined")
    await desk.ask_refund(booking_id, uuid7())

    await desk.refund()

    failed = await desk.told(RefundFailed)
    assert [message.reason for message in failed] == ["charge_not_captured"]  # type: ignore[attr-defined]


async def test_two_workers_return_the_money_once(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    await desk.ask_refund(booking_id, uuid7(), 2_000)

    await asyncio.gather(desk.refund(), desk.refund())
    await desk.ask_refund(booking_id, uuid7(), 2_500)
    await desk.refund()

    assert len(await desk.told(PaymentRefunded)) == 2
    assert await desk.told(RefundFailed) == []
