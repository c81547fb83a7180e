"""Tenants that take payments by Stripe: their keys, what they may be paid with, and what happens around a change."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Malformed
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from boxoffice.messages import PaymentCompleted, PaymentMethodsChanged, PaymentRefunded, TenantChanged
from boxoffice.payments.actions import MethodsOffer
from boxoffice.payments.charging import Charging
from boxoffice.payments.domain import SETTLED, Outcome, Status
from boxoffice.payments.provider import Providers
from boxoffice.payments.simulated import BEHAVIOURS, Delays, Simulator
from boxoffice.payments.stripe_adapter import answers
from boxoffice.payments.stripe_adapter.account import Account, Accounts
from boxoffice.payments.stripe_adapter.provider import TEST_METHODS, StripeProvider
from boxoffice.simulator.books import account_of
from boxoffice.simulator.webhooks import signature
from tests.payments.conftest import AMOUNT, Desk
from tests.support.stripe_simulator import Shop, open_shop
from tests.support.traffic import deliver, published


def by_stripe(tenant: Tenant) -> Tenant:
    return msgspec.structs.replace(tenant, settings=msgspec.structs.replace(tenant.settings, payment_provider="stripe"))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as opened:
        yield opened


@pytest.fixture
def accounts(tmp_path: Path, tenant: Tenant, shop: Shop) -> Accounts:
    (tmp_path / f"{tenant.slug}.key").write_text(f"{shop.key}\n")
    return Accounts(tmp_path)


@pytest.fixture
def stripe_desk(database: Database, tenant: Tenant, shop: Shop, accounts: Accounts) -> Desk:
    """A desk of a tenant that chose Stripe; the simulated bank is still there for what was paid before."""
    bank = Simulator(database, b"s" * 32, Delays())
    providers: Providers = {
        "simulated": lambda tenant: bank, "stripe": lambda tenant: StripeProvider(accounts.of(tenant.slug), shop.url),
    }  # fmt: skip
    charging = Charging(providers, timedelta(milliseconds=1), "http://{slug}.localhost:8000")
    return Desk(database, by_stripe(tenant), bank, charging)


async def test_a_payment_by_stripe_is_captured_told_and_returned(stripe_desk: Desk, shop: Shop) -> None:
    booking_id = await stripe_desk.pay("pm_card_visa")
    await stripe_desk.ask_refund(booking_id, uuid7(), 1_500)
    await stripe_desk.refund()

    payment = await stripe_desk.payment(booking_id)
    intent = (await shop.client.v1.payment_intents.list_async()).data[0]
    assert (payment.status, payment.provider, payment.provider_ref) == (Status.CAPTURED, "stripe", intent.id)
    assert intent.metadata.to_dict()[answers.KEY] == f"{stripe_desk.tenant.id}:{booking_id}:1:charge"
    assert len(await stripe_desk.told(PaymentCompleted)) == 1
    assert len(await stripe_desk.told(PaymentRefunded)) == 1


@pytest.mark.parametrize("step", ["/payment_intents", "/confirm"])
async def test_a_reply_that_was_lost_is_asked_for_and_charged_once(stripe_desk: Desk, shop: Shop, step: str) -> None:
    shop.misbehave(lose_replies=1, lose_replies_to=step)
    booking_id = await stripe_desk.pay("pm_card_visa")
    lost = await stripe_desk.payment(booking_id)

    await stripe_desk.settle()
    await stripe_desk.charge()

    assert lost.status is Status.UNKNOWN
    assert (await stripe_desk.payment(booking_id)).status is Status.CAPTURED
    assert len((await shop.client.v1.payment_intents.list_async()).data) == 1
    assert len(await stripe_desk.told(PaymentCompleted)) == 1


async def test_what_was_paid_before_the_change_is_returned_by_who_took_it(desk: Desk, stripe_desk: Desk) -> None:
    booking_id = await desk.pay("pm_card_visa")

    await stripe_desk.ask_refund(booking_id, uuid7())
    await stripe_desk.refund()

    assert len(await stripe_desk.told(PaymentRefunded)) == 1
    assert (await desk.at_the_bank(booking_id)).refunded_minor == AMOUNT


async def test_a_refund_that_stripe_failed_is_a_new_one_the_next_time(stripe_desk: Desk, shop: Shop) -> None:
    booking_id, refund_id = await stripe_desk.pay("pm_card_visa"), uuid7()
    shop.misbehave(fail_refunds=2)

    for _ in range(3):
        await stripe_desk.ask_refund(booking_id, refund_id)
        await stripe_desk.refund()

    made = (await shop.client.v1.refunds.list_async()).data
    assert [refund.status for refund in made] == ["succeeded", "failed", "failed"]
    assert len(await stripe_desk.told(PaymentRefunded)) == 1


async def test_money_that_a_slow_bank_sends_to_a_closed_page_is_still_money(stripe_desk: Desk, shop: Shop) -> None:
    booking_id = await stripe_desk.pay("checkout")
    page = (await stripe_desk.payment(booking_id)).provider_ref or ""
    shop.simulator.merchant(account_of(shop.key)).pay_session(page, "pm_sim_slow")

    await stripe_desk.cancel(booking_id)
    await stripe_desk.settle()
    thinking = await stripe_desk.payment(booking_id)
    shop.an_hour_later()
    shop.simulator.tick()
    await stripe_desk.settle()

    assert thinking.status not in SETTLED
    assert (await stripe_desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await stripe_desk.told(PaymentCompleted)) == 1


async def test_a_cancelled_page_can_not_be_paid_any_more(stripe_desk: Desk, shop: Shop) -> None:
    booking_id = await stripe_desk.pay("checkout")
    waiting = await stripe_desk.payment(booking_id)

    await stripe_desk.cancel(booking_id)
    await stripe_desk.settle()

    session = await shop.client.v1.checkout.sessions.retrieve_async(waiting.provider_ref or "")
    assert waiting.status is Status.ACTION_REQUIRED
    assert waiting.action_url == f"{shop.url}/pay/{waiting.provider_ref}"
    assert session.status == "expired"
    assert (await stripe_desk.payment(booking_id)).status is Status.CANCELLED


async def test_without_a_key_nothing_is_assumed_and_it_goes_on_once_there_is_one(
    stripe_desk: Desk, accounts: Accounts, tenant: Tenant, shop: Shop
) -> None:
    (accounts.folder / f"{tenant.slug}.key").unlink()
    booking_id = await stripe_desk.pay("pm_card_visa")
    without = await stripe_desk.payment(booking_id)

    (accounts.folder / f"{tenant.slug}.key").write_text(shop.key)
    for _ in range(2):
        await stripe_desk.settle()
        await stripe_desk.charge()

    assert without.status is Status.UNKNOWN
    assert (await stripe_desk.payment(booking_id)).status is Status.CAPTURED


@pytest.mark.parametrize(
    ("key", "methods"),
    [("sk_live_x", ["checkout"]), ("rk_live_x", ["checkout"]), ("sk_test_x", ["checkout", *TEST_METHODS])],
)
async def test_a_change_of_provider_tells_what_may_be_paid_with(
    database: Database, tenant: Tenant, key: str, methods: list[str]
) -> None:
    bank = Simulator(database, b"s" * 32, Delays())
    offer = MethodsOffer(
        {"simulated": lambda tenant: bank, "stripe": lambda tenant: StripeProvider(Account(key, ()), "http://x")}
    )

    for provider in ("stripe", "simulated"):
        body = TenantChanged(tenant_id=tenant.id, name="Acme", payment_provider=provider)
        await deliver(database, tenant, offer.tenant_changed, body)

    told = await published(database, tenant, PaymentMethodsChanged)
    assert [message.methods for message in told] == [methods, list(BEHAVIOURS)]  # type: ignore[attr-defined]


def test_two_secrets_are_good_while_one_takes_the_others_place(tmp_path: Path) -> None:
    (tmp_path / "acme.webhook").write_text("whsec_old\n\n  whsec_new\n")
    now = datetime.now(UTC)
    about = {"object": "refund", "id": "re_1", "metadata": {answers.KEY: "x:y"}}
    event = {"id": "evt_1", "object": "event", "type": "refund.updated", "data": {"object": about}, "extra": 1}
    body = msgspec.json.encode(event)
    provider = StripeProvider(Accounts(tmp_path).of("acme"), "http://x")

    read = {
        secret: provider.read_webhook(body, {"stripe-signature": signature(secret, body, now.timestamp())}, now)
        for secret in ("whsec_old", "whsec_new")
    }

    assert read == {"whsec_old": ["x:y"], "whsec_new": ["x:y"]}


@pytest.mark.parametrize("body", [b"[]", b"{", b"{}", b'"x"', b'{"object": "v2.core.event"}', b'{"data": {}}'])
def test_a_signed_body_that_is_no_event_is_malformed(body: bytes) -> None:
    now = datetime.now(UTC)
    provider = StripeProvider(Account("", ("whsec",)), "http://x")

    with pytest.raises(Malformed) as caught:
        provider.read_webhook(body, {"stripe-signature": signature("whsec", body, now.timestamp())}, now)

    assert caught.value.code == "malformed_body"


def test_an_event_about_something_else_names_nothing() -> None:
    now = datetime.now(UTC)
    body = msgspec.json.encode({"object": "event", "type": "balance.available", "data": {"object": {"id": "b"}}})
    provider = StripeProvider(Account("", ("whsec",)), "http://x")

    assert provider.read_webhook(body, {"stripe-signature": signature("whsec", body, now.timestamp())}, now) == []


def test_a_key_is_in_no_representation(tmp_path: Path) -> None:
    account = Account("sk_live_secret", ("whsec_secret",))

    assert "secret" not in repr(account) + repr(StripeProvider(account, "http://x"))


@pytest.mark.parametrize(
    ("intent", "outcome"),
    [
        ({"status": "succeeded"}, Outcome.CAPTURED),
        ({"status": "processing"}, Outcome.PENDING),
        ({"status": "requires_capture"}, Outcome.PENDING),
        ({"status": "canceled"}, Outcome.CANCELLED),
        ({"status": "requires_confirmation"}, Outcome.NOT_FOUND),
        ({"status": "requires_payment_method"}, Outcome.NOT_FOUND),
        ({"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}, Outcome.DECLINED),
        ({"status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}, Outcome.ACTION_REQUIRED),
        ({"status": "something_new"}, Outcome.PENDING),
    ],
)
def test_each_state_of_an_intent_has_a_meaning(intent: dict[str, object], outcome: Outcome) -> None:
    assert answers.of_intent({"id": "pi_1", **intent}).outcome is outcome


def test_a_session_without_a_paid_intent_is_not_captured() -> None:
    waiting = answers.of_session(
        {"id": "cs_1", "status": "complete", "payment_intent": {"id": "pi", "status": "processing"}}
    )
    expired = answers.of_session({"id": "cs_1", "status": "expired"})

    assert waiting.outcome is Outcome.PENDING
    assert (expired.outcome, expired.retryable) == (Outcome.DECLINED, True)
