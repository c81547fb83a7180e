"""What every payment provider must do: charge once, decline, ask, cancel for good, refund in parts, be asked again.

An adapter joins by an entry in ADAPTERS: how to open it, and its names for the cards that the suite needs. Its
provider is a real one, reached as the platform reaches it; nothing stands in for an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiohttp
import msgspec
import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Malformed
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from boxoffice.payments.domain import Outcome, RefundResult, Result, charge_key, read_charge_key, refund_key
from boxoffice.payments.provider import Charge, Provider, Repayment
from boxoffice.payments.simulated import SIGNATURE_HEADER, Delays, Simulator
from boxoffice.payments.stripe_adapter.account import Account
from boxoffice.payments.stripe_adapter.provider import SIGNATURE_HEADER as STRIPE_SIGNATURE
from boxoffice.payments.stripe_adapter.provider import StripeProvider
from boxoffice.simulator.webhooks import signature
from tests.support.stripe_simulator import open_shop
from tests.support.waiting import eventually

AMOUNT = 4_500
GOOD, DECLINED, EMPTY, ASKS, SLOW = "good", "declined", "empty", "asks", "slow"


@dataclass
class Till:
    """A provider as the suite needs it; what differs between them is said here."""

    provider: Provider
    tenant_id: UUID
    cards: dict[str, str]
    lose_next_reply: Callable[[], str]  # gives the card to use for it
    refuse_next_refund: Callable[[], str]
    decide: Callable[[Result, bool], Awaitable[None]]  # what the buyer says to the bank
    webhook: Callable[[str, datetime], tuple[bytes, dict[str, str]]]  # about a charge, signed at a time
    pass_time: Callable[[], Awaitable[object]]

    def bill(self, card: str, amount_minor: int = AMOUNT) -> Charge:
        return Charge(
            key=charge_key(self.tenant_id, uuid7(), 1), tenant_id=self.tenant_id, amount_minor=amount_minor,
            currency="EUR", method=self.cards.get(card, card), description="ABC123",
            return_url="http://acme.localhost:8000/orders/1",
        )  # fmt: skip

    async def charge(self, bill: Charge) -> Result:
        return (await self.provider.charge([bill]))[bill.key]

    async def lookup(self, bill: Charge) -> Result:
        return (await self.provider.lookup([bill]))[bill.key]

    async def cancel(self, bill: Charge) -> Result:
        return (await self.provider.cancel([bill]))[bill.key]

    async def paid(self, card: str = GOOD) -> Charge:
        bill = self.bill(card)
        return replace(bill, reference=(await self.charge(bill)).reference)

    async def refund(self, wanted: Repayment) -> RefundResult:
        return (await self.provider.refund([wanted]))[wanted.key]

    def repayment(self, bill: Charge, amount_minor: int = AMOUNT) -> Repayment:
        return Repayment(
            key=refund_key(self.tenant_id, uuid7()), charge_key=bill.key, charge_reference=bill.reference,
            amount_minor=amount_minor, currency="EUR",
        )  # fmt: skip


@asynccontextmanager
async def simulated(database: Database, tenant: Tenant) -> AsyncIterator[Till]:
    bank = Simulator(database, b"s" * 32, Delays(slow=timedelta(0), captured_late=timedelta(0)))

    async def decide(result: Result, approved: bool) -> None:
        assert result.reference is not None
        await bank.decide(tenant.id, result.reference, approved=approved)

    def webhook(key: str, at: datetime) -> tuple[bytes, dict[str, str]]:
        body = msgspec.json.encode({"id": "1", "type": "payment.captured", "key": key})
        return body, {SIGNATURE_HEADER: bank.signature(body, at)}

    cards = {
        GOOD: "pm_card_visa", DECLINED: "pm_card_chargeDeclined", EMPTY: "pm_card_insufficientFunds",
        ASKS: "pm_sim_action", SLOW: "pm_sim_slow",
    }  # fmt: skip
    yield Till(
        bank, tenant.id, cards, lambda: "pm_sim_lost_reply", lambda: "pm_sim_refund_fails_twice", decide, webhook,
        bank.capture_due,
    )  # fmt: skip


@asynccontextmanager
async def stripe(database: Database, tenant: Tenant) -> AsyncIterator[Till]:
    secret = "whsec_conformance"
    async with open_shop() as shop, aiohttp.ClientSession() as browser:
        provider = StripeProvider(Account(shop.key, (secret,)), shop.url)

        def lose_next_reply() -> str:
            shop.misbehave(lose_replies=1, lose_replies_to="/confirm")  # the money is taken, and nobody says so
            return "pm_card_visa"

        def refuse_next_refund() -> str:
            shop.misbehave(fail_refunds=1)
            return "pm_card_visa"

        async def decide(result: Result, approved: bool) -> None:
            decision = {"decision": "approve" if approved else "decline"}
            await browser.post(result.url or "", data=decision, allow_redirects=False)

        def webhook(key: str, at: datetime) -> tuple[bytes, dict[str, str]]:
            about = {"object": "payment_intent", "id": "pi_1", "metadata": {"boxoffice_key": key}}
            event = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": about}}
            body = msgspec.json.encode(event)
            return body, {STRIPE_SIGNATURE: signature(secret, body, at.timestamp())}

        async def pass_time() -> None:
            shop.an_hour_later()

        cards = {
            GOOD: "pm_card_visa", DECLINED: "pm_card_chargeDeclined",
            EMPTY: "pm_card_chargeDeclinedInsufficientFunds", ASKS: "pm_card_authenticationRequired",
            SLOW: "pm_sim_slow",
        }  # fmt: skip
        yield Till(
            provider, tenant.id, cards, lose_next_reply, refuse_next_refund, decide, webhook, pass_time
        )  # fmt: skip


ADAPTERS: dict[str, Callable[[Database, Tenant], AbstractAsyncContextManager[Till]]] = {
    "simulated": simulated,
    "stripe": stripe,
}


@pytest.fixture(params=sorted(ADAPTERS))
async def till(request: pytest.FixtureRequest, database: Database, tenant: Tenant) -> AsyncIterator[Till]:
    async with ADAPTERS[request.param](database, tenant) as opened:
        yield opened


async def test_a_good_card_is_charged(till: Till) -> None:
    bill = till.bill(GOOD)

    result = await till.charge(bill)

    assert result.outcome is Outcome.CAPTURED
    assert (await till.lookup(replace(bill, reference=result.reference))).outcome is Outcome.CAPTURED


async def test_the_same_question_is_charged_once(till: Till) -> None:
    bill = till.bill(GOOD)

    answers = [await till.charge(bill) for _ in range(3)]
    again = await till.charge(replace(bill, reference=answers[0].reference))

    assert {answer.outcome for answer in [*answers, again]} == {Outcome.CAPTURED}
    assert len({answer.reference for answer in [*answers, again]}) == 1


async def test_two_workers_with_one_question_charge_once(till: Till) -> None:
    bill = till.bill(GOOD)

    first, second = await asyncio.gather(till.charge(bill), till.charge(bill))

    assert first.outcome is second.outcome is Outcome.CAPTURED
    assert first.reference == second.reference


async def test_a_batch_is_answered_key_by_key(till: Till) -> None:
    bills = [till.bill(card) for card in (GOOD, DECLINED, ASKS, GOOD)]

    answers = await till.provider.charge(bills)

    assert [answers[bill.key].outcome for bill in bills] == [
        Outcome.CAPTURED, Outcome.DECLINED, Outcome.ACTION_REQUIRED, Outcome.CAPTURED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("card", "reason", "retryable"),
    [
        (DECLINED, "card_declined", False),
        (EMPTY, "insufficient_funds", True),
        ("pm_nobody_has_this", "unknown_method", False),
    ],
)
async def test_a_decline_says_why_and_whether_another_try_may_work(
    till: Till, card: str, reason: str, retryable: bool
) -> None:
    result = await till.charge(till.bill(card))

    assert (result.outcome, result.reason, result.retryable) == (Outcome.DECLINED, reason, retryable)


@pytest.mark.parametrize(("approved", "outcome"), [(True, Outcome.CAPTURED), (False, Outcome.DECLINED)])
async def test_a_card_that_asks_its_owner_waits_for_the_answer(till: Till, approved: bool, outcome: Outcome) -> None:
    bill = till.bill(ASKS)
    waiting = await till.charge(bill)

    await till.decide(waiting, approved)

    after = await till.lookup(replace(bill, reference=waiting.reference))
    assert (waiting.outcome, after.outcome) == (Outcome.ACTION_REQUIRED, outcome)
    assert waiting.url is not None
    assert approved or after.retryable


async def test_a_slow_charge_is_pending_until_it_is_captured(till: Till) -> None:
    bill = till.bill(SLOW)
    first = await till.charge(bill)

    async def captured() -> bool:
        await till.pass_time()
        return (await till.lookup(replace(bill, reference=first.reference))).outcome is Outcome.CAPTURED

    assert first.outcome is Outcome.PENDING
    await eventually(captured)


async def test_a_lost_reply_is_found_again_without_a_second_charge(till: Till) -> None:
    bill = till.bill(till.lose_next_reply())
    lost = await till.provider.charge([bill])

    async def settled() -> Result | None:
        """What a worker does: ask, and send again what never reached the provider."""
        result = (await till.provider.lookup([bill])).get(bill.key)
        if result is not None and result.outcome is Outcome.NOT_FOUND:
            result = (await till.provider.charge([bill])).get(bill.key)
        return result if result is not None and result.outcome is Outcome.CAPTURED else None

    found = await eventually(settled)
    again = await till.charge(bill)
    assert bill.key not in lost
    assert found is not None
    assert again.reference == found.reference


async def test_what_was_never_sent_is_not_found(till: Till) -> None:
    assert (await till.lookup(till.bill(GOOD))).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("card", [ASKS, SLOW])
async def test_an_open_charge_can_be_cancelled(till: Till, card: str) -> None:
    bill = till.bill(card)
    first = await till.charge(bill)

    result = await till.cancel(replace(bill, reference=first.reference))

    assert result.outcome is Outcome.CANCELLED
    assert (await till.lookup(replace(bill, reference=first.reference))).outcome is Outcome.CANCELLED


async def test_a_captured_charge_answers_a_cancellation_with_the_capture(till: Till) -> None:
    assert (await till.cancel(await till.paid())).outcome is Outcome.CAPTURED


async def test_a_charge_that_arrives_after_its_cancellation_is_refused(till: Till) -> None:
    bill = till.bill(GOOD)
    cancelled = await till.cancel(bill)

    late = await till.charge(bill)

    assert (cancelled.outcome, late.outcome) == (Outcome.CANCELLED, Outcome.CANCELLED)
    assert (await till.cancel(bill)).outcome is Outcome.CANCELLED


async def test_a_charge_racing_with_its_cancellation_ends_in_one_truth(till: Till) -> None:
    bills = [till.bill(GOOD) for _ in range(5)]

    await asyncio.gather(till.provider.charge(bills), till.provider.cancel(bills))

    for bill in bills:
        charged, cancelled = await till.charge(bill), await till.cancel(bill)
        assert charged.outcome is cancelled.outcome
        assert charged.outcome in {Outcome.CAPTURED, Outcome.CANCELLED}


async def test_a_capture_is_refunded_once_whoever_asks_how_often(till: Till) -> None:
    bill = await till.paid()
    wanted = till.repayment(bill, 1_500)

    answers = [await till.refund(wanted) for _ in range(3)]

    assert [answer.done for answer in answers] == [True] * 3
    assert (await till.lookup(bill)).refunded_minor == 1_500


async def test_parts_of_a_capture_are_refunds_of_their_own_and_never_more_than_all(till: Till) -> None:
    bill = await till.paid()

    parts = [await till.refund(till.repayment(bill, amount)) for amount in (1_500, 1_500, 1_500, 1)]

    assert [part.done for part in parts] == [True, True, True, False]
    assert parts[-1].reason == "exceeds_charge"
    assert (await till.lookup(bill)).refunded_minor == AMOUNT


async def test_a_part_that_is_too_large_is_refused_whole(till: Till) -> None:
    bill = await till.paid()

    result = await till.refund(till.repayment(bill, AMOUNT + 1))

    assert (result.done, result.reason) == (False, "exceeds_charge")
    assert (await till.lookup(bill)).refunded_minor == 0


async def test_what_was_declined_is_not_refunded(till: Till) -> None:
    result = await till.refund(till.repayment(await till.paid(DECLINED)))

    assert (result.done, result.reason) == (False, "charge_not_captured")


async def test_a_refused_refund_can_be_wanted_again(till: Till) -> None:
    bill = await till.paid(till.refuse_next_refund())
    wanted = till.repayment(bill)
    first = await till.refund(wanted)

    for refused in range(1, 4):
        result = await till.refund(replace(wanted, refused=refused))
        if result.done:
            break

    assert first.done is False
    assert result.done is True
    assert (await till.lookup(bill)).refunded_minor == AMOUNT


async def test_a_signed_webhook_names_its_charge(till: Till) -> None:
    bill = till.bill(GOOD)
    body, headers = till.webhook(bill.key, datetime.now(UTC))

    keys = till.provider.read_webhook(body, headers, datetime.now(UTC))

    assert keys == [bill.key]
    assert (name := read_charge_key(keys[0])) is not None
    assert name.tenant_id == till.tenant_id


@pytest.mark.parametrize("case", ["tampered", "unsigned", "empty", "old", "cut", "not ascii", "not utf-8"])
async def test_a_webhook_that_is_not_the_providers_is_refused(till: Till, case: str) -> None:
    now = datetime.now(UTC)
    body, headers = till.webhook(till.bill(GOOD).key, now - timedelta(minutes=10) if case == "old" else now)
    name, good = next(iter(headers.items()))
    header = {"empty": "", "cut": good[:-1], "not ascii": good[:-1] + "é"}.get(case, good)
    sent = {"tampered": body.replace(b"captured", b"cancelled").replace(b"succeeded", b"failed"), "not utf-8": b"\xff"}

    with pytest.raises(Malformed) as caught:
        till.provider.read_webhook(sent.get(case, body), {} if case == "unsigned" else {name: header}, now)

    assert caught.value.code == "bad_signature"
