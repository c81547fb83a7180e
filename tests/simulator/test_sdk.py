"""Stripe's own SDK, unmodified, pays, fails, asks the buyer, refunds and verifies webhooks at the simulator."""

import asyncio
from typing import Any

import aiohttp
import pytest
import stripe

from tests.support.stripe_simulator import Shop
from tests.support.waiting import eventually

PAID: Any = {"amount": 4500, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}


async def pay(shop: Shop, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    params: Any = {**PAID, "payment_method": method, "return_url": "http://shop.example/orders/1", **more}
    return await shop.client.v1.payment_intents.create_async(params)


async def test_a_good_card_pays(shop: Shop) -> None:
    intent = await pay(shop, metadata={"order": "7", "seat": "A 1"})

    again = await shop.client.v1.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, again.amount_received, again.metadata.to_dict()) == (
        "succeeded", 4500, {"order": "7", "seat": "A 1"},
    )  # fmt: skip
    assert again.to_dict()["latest_charge"]["paid"] is True


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_bad_card_is_a_card_error(shop: Shop, method: str, code: str, decline_code: str | None) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await pay(shop, method)

    intent = (await shop.client.v1.payment_intents.list_async()).data[0]
    assert (caught.value.http_status, caught.value.code) == (402, code)
    body: Any = caught.value.json_body
    assert body["error"].get("decline_code") == decline_code
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code


async def test_an_unknown_payment_method_is_an_invalid_request(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await pay(shop, "pm_nothing")

    assert (caught.value.code, caught.value.param) == ("resource_missing", "payment_method")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 3}, "amount_too_small"),
        ({"amount": 10**12}, "amount_too_large"),
        ({"currency": "e1"}, "parameter_invalid"),
    ],
)
async def test_an_impossible_amount_is_refused(shop: Shop, change: dict[str, Any], code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await pay(shop, **change)

    assert caught.value.code == code


@pytest.mark.parametrize(("decision", "status"), [("approve", "succeeded"), ("decline", "requires_payment_method")])
async def test_the_buyer_decides_at_the_bank(
    shop: Shop, browser: aiohttp.ClientSession, decision: str, status: str
) -> None:
    intent = await pay(shop, "pm_card_authenticationRequired")
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    url = str(intent.next_action.redirect_to_url.url)

    page = await (await browser.get(url)).text()
    decided = await browser.post(url, data={"decision": decision}, allow_redirects=False)
    repeated = await browser.post(url, data={"decision": "approve"}, allow_redirects=False)

    after = await shop.client.v1.payment_intents.retrieve_async(intent.id)
    assert "45.00 EUR" in page
    assert decided.headers["location"].startswith("http://shop.example/orders/1?payment_intent=pi_")
    assert repeated.status == 200
    assert (intent.status, after.status) == ("requires_action", status)


async def test_what_was_cancelled_can_not_be_confirmed(shop: Shop) -> None:
    intent = await shop.client.v1.payment_intents.create_async({"amount": 4500, "currency": "eur"})
    cancelled = await shop.client.v1.payment_intents.cancel_async(intent.id)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await shop.client.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})

    assert cancelled.status == "canceled"
    assert caught.value.code == "payment_intent_unexpected_state"


async def test_one_capture_is_refunded_in_parts_and_never_beyond(shop: Shop) -> None:
    intent = await pay(shop)
    first = await shop.client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 1500})
    second = await shop.client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 3000})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await shop.client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 1})

    listed = await shop.client.v1.refunds.list_async({"payment_intent": intent.id})
    assert [each.id for each in listed.data] == [second.id, first.id]
    assert [each.status for each in listed.data] == ["succeeded"] * 2
    assert caught.value.code == "charge_already_refunded"


@pytest.mark.parametrize(
    ("method", "born", "ends"),
    [("pm_card_pendingRefund", "pending", "succeeded"), ("pm_card_refundFail", "succeeded", "failed")],
)
async def test_a_refund_may_change_its_mind_later(shop: Shop, method: str, born: str, ends: str) -> None:
    intent = await pay(shop, method)
    refund = await shop.client.v1.refunds.create_async({"payment_intent": intent.id})

    async def ended() -> bool:
        return (await shop.client.v1.refunds.retrieve_async(refund.id)).status == ends

    shop.an_hour_later()

    assert refund.status == born
    await eventually(ended)


async def test_the_same_idempotency_key_is_one_payment(shop: Shop) -> None:
    key: Any = {"idempotency_key": "order-7"}
    other: Any = {**PAID, "amount": 1_000}
    first, second = await asyncio.gather(*(shop.client.v1.payment_intents.create_async(PAID, key) for _ in range(2)))

    with pytest.raises(stripe.IdempotencyError):
        await shop.client.v1.payment_intents.create_async(other, key)

    assert first.id == second.id
    assert len((await shop.client.v1.payment_intents.list_async()).data) == 1


async def test_a_decline_is_replayed_under_its_idempotency_key(shop: Shop) -> None:
    params: Any = {**PAID, "payment_method": "pm_card_chargeDeclined"}

    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await shop.client.v1.payment_intents.create_async(params, {"idempotency_key": "order-8"})

    assert len((await shop.client.v1.payment_intents.list_async()).data) == 1


async def test_intents_are_found_by_their_metadata(shop: Shop) -> None:
    await pay(shop)
    wanted = await pay(shop, metadata={"order": "a:b:1"})

    found = await shop.client.v1.payment_intents.search_async({"query": "metadata['order']:'a:b:1'"})

    assert [intent.id for intent in found.data] == [wanted.id]


async def test_lists_are_paged(shop: Shop) -> None:
    ids = [(await pay(shop)).id for _ in range(5)]

    listed = await shop.client.v1.payment_intents.list_async({"limit": 2})
    found = [intent.id async for intent in listed.auto_paging_iter()]

    assert found == ids[::-1]


async def test_webhooks_are_signed_and_tell_the_story(shop: Shop) -> None:
    await shop.listen()
    intent = await pay(shop)
    await shop.client.v1.refunds.create_async({"payment_intent": intent.id})

    await eventually(lambda: len(shop.mailbox.got) >= 5)

    assert [event.type for event in shop.events()] == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.refunded", "refund.created",
    ]  # fmt: skip
    told = (await shop.client.v1.events.list_async()).data
    assert {event.id for event in told} == {event.id for event in shop.events()}


async def test_a_webhook_that_is_not_taken_comes_again(shop: Shop) -> None:
    await shop.listen("payment_intent.succeeded")
    shop.mailbox.refusals = 1

    await pay(shop)
    await eventually(lambda: shop.mailbox.got)

    assert [event.type for event in shop.events()] == ["payment_intent.succeeded"]


async def test_a_tampered_webhook_is_noticed_by_the_sdk(shop: Shop) -> None:
    await shop.listen()
    await pay(shop)
    await eventually(lambda: shop.mailbox.got)
    body, signature = shop.mailbox.got[0]

    with pytest.raises(stripe.SignatureVerificationError):
        shop.client.construct_event(body.replace(b"4500", b"4501"), signature, shop.secret)


async def test_one_merchant_does_not_see_another(shop: Shop) -> None:
    intent = await pay(shop)
    async with aiohttp.ClientSession() as session:
        other = stripe.StripeClient(
            "sk_test_other", base_addresses={"api": shop.url}, http_client=stripe.AIOHTTPClient(session=session)
        )

        with pytest.raises(stripe.InvalidRequestError) as caught:
            await other.v1.payment_intents.retrieve_async(intent.id)

    assert caught.value.http_status == 404


@pytest.mark.parametrize("key", ["sk_live_real", "nonsense"])
async def test_only_test_keys_are_taken(shop: Shop, key: str) -> None:
    async with aiohttp.ClientSession() as session:
        client = stripe.StripeClient(
            key, base_addresses={"api": shop.url}, http_client=stripe.AIOHTTPClient(session=session)
        )

        with pytest.raises(stripe.AuthenticationError):
            await client.v1.payment_intents.list_async()
