"""The ledger: every capture and refund is two lines that add up to nothing, written once, with its record."""

import asyncio
import runpy
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import PaymentCompleted
from boxoffice.payments import ledger
from boxoffice.payments.domain import (
    Payment,
    Refund,
    RefundStatus,
    Status,
    capture_entries,
    owed_by,
    refund_entries,
)
from boxoffice.payments.ledger import Balance
from tests.payments.conftest import AMOUNT, Desk

MIGRATION = Path(ledger.__file__).parent / "migrations" / "tenant" / "0002_ledger.py"
LINES = "SELECT account, amount_minor FROM ledger_entries WHERE booking_id = $1 ORDER BY at, account"
CROOKED_LINE = """
    INSERT INTO ledger_entries (id, transaction_id, at, account, amount_minor, currency, booking_id, payment_id)
    SELECT uuidv7(), uuidv7(), now(), 'sales', -5, 'EUR', $1, id FROM payments WHERE booking_id = $1
"""


async def balance(desk: Desk, booking_id: UUID) -> Balance:
    async with desk.database.transaction(desk.tenant) as tx:
        return (await ledger.balances(tx, [booking_id])).get(booking_id, Balance())


async def lines(desk: Desk, booking_id: UUID) -> list[tuple[str, int]]:
    async with desk.database.transaction(desk.tenant) as tx:
        return [(row["account"], row["amount_minor"]) for row in await tx.db.fetch(LINES, booking_id)]


async def crooked(desk: Desk) -> list[UUID]:
    async with desk.database.transaction(desk.tenant) as tx:
        return await ledger.crooked(tx)


async def test_a_capture_is_owed_by_the_provider_for_a_sale(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")

    assert await lines(desk, booking_id) == [("provider:simulated", AMOUNT), ("sales", -AMOUNT)]
    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT)


async def test_two_refunds_take_back_what_the_provider_owes(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    await desk.ask_refund(booking_id, uuid7(), 1_500)
    await desk.ask_refund(booking_id, uuid7(), 3_000)

    await desk.refund()

    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT, refunded_minor=AMOUNT)
    assert sum(amount for account, amount in await lines(desk, booking_id) if account == "provider:simulated") == 0
    assert await crooked(desk) == []


@pytest.mark.parametrize("method", ["pm_card_chargeDeclined", "pm_sim_never", "pm_sim_action"])
async def test_without_a_capture_nothing_is_written(desk: Desk, method: str) -> None:
    booking_id = await desk.pay(method)

    assert await lines(desk, booking_id) == []


async def test_a_refused_refund_moves_nothing(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_refund_fails_twice")
    await desk.ask_refund(booking_id, uuid7())

    await desk.refund()

    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT)


async def test_a_lost_reply_that_is_found_again_is_written_once(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_lost_reply")
    assert await lines(desk, booking_id) == []

    await asyncio.gather(desk.settle(), desk.settle())

    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT)
    assert len(await desk.told(PaymentCompleted)) == 1


async def test_a_capture_after_a_decline_is_written_when_it_is_learnt_of(desk: Desk) -> None:
    booking_id = await desk.pay("pm_sim_captured_late")
    await desk.simulator.capture_due()
    payment = await desk.payment(booking_id)

    await desk.notice(booking_id)
    await desk.settle()

    assert payment.status is Status.DECLINED
    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT)


async def test_the_same_money_is_not_written_twice(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    payment = await desk.payment(booking_id)

    with pytest.raises(asyncpg.UniqueViolationError):
        async with desk.database.transaction(desk.tenant) as tx:
            await ledger.write(tx, capture_entries(payment))

    assert await balance(desk, booking_id) == Balance(captured_minor=AMOUNT)


async def test_a_line_without_its_counterpart_is_found(desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")
    async with desk.database.transaction(desk.tenant) as tx:
        await tx.db.execute(CROOKED_LINE, booking_id)

    assert len(await crooked(desk)) == 1
    assert (await balance(desk, booking_id)).imbalance_minor == -5


async def test_what_moved_before_there_was_a_ledger_is_entered_by_its_migration(desk: Desk) -> None:
    paid, declined = await desk.pay("pm_card_visa"), await desk.pay("pm_card_chargeDeclined")
    await desk.ask_refund(paid, uuid7(), 1_500)
    await desk.refund()
    written = await lines(desk, paid)
    async with desk.database.transaction(desk.tenant) as tx:
        await tx.db.execute("DELETE FROM ledger_entries")
        await tx.db.execute(runpy.run_path(str(MIGRATION))["EARLIER"])

    assert sorted(await lines(desk, paid)) == sorted(written)
    assert await lines(desk, declined) == []
    assert await crooked(desk) == []


amounts = st.integers(min_value=1, max_value=10**12)


@given(amount=amounts, returned=st.lists(amounts, max_size=5), provider=st.sampled_from(["simulated", "stripe"]))
def test_whatever_is_captured_and_returned_adds_up_to_nothing(amount: int, returned: list[int], provider: str) -> None:
    booking_id = uuid7()
    payment = Payment(uuid7(), booking_id, 1, amount, "EUR", "pm", "ref", Status.CAPTURED, provider=provider)
    refunds = [Refund(uuid7(), booking_id, 1, each, "EUR", RefundStatus.DONE) for each in returned]

    entries = capture_entries(payment) + [entry for refund in refunds for entry in refund_entries(refund, provider)]

    by_account: dict[str, int] = {}
    for entry in entries:
        by_account[entry.account] = by_account.get(entry.account, 0) + entry.amount_minor
    assert sum(by_account.values()) == 0
    assert by_account[owed_by(provider)] == amount - sum(returned)
