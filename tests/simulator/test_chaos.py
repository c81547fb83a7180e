"""The simulator misbehaves as it is told to, and its hosted page is a real one."""

from typing import Any

import aiohttp
import pytest
import stripe

from tests.simulator.test_sdk import pay
from tests.support.stripe_simulator import Shop
from tests.support.waiting import eventually


async def test_a_lost_reply_leaves_a_payment_behind(shop: Shop) -> None:
    shop.misbehave(lose_replies=1)

    with pytest.raises(aiohttp.ClientPayloadError):  # the SDK lets this one through
        await pay(shop)

    assert [intent.status for intent in (await shop.client.v1.payment_intents.list_async()).data] == ["succeeded"]


async def test_a_refused_request_does_nothing(shop: Shop) -> None:
    shop.misbehave(refuse_requests=1)

    with pytest.raises(stripe.APIError):
        await pay(shop)

    assert (await shop.client.v1.payment_intents.list_async()).data == []


async def test_a_duplicate_webhook_has_the_same_id(shop: Shop) -> None:
    await shop.listen("payment_intent.succeeded")
    shop.misbehave(duplicate_webhooks=1)

    await pay(shop)
    await eventually(lambda: len(shop.mailbox.got) >= 2)

    assert len({event.id for event in shop.events()}) == 1


async def test_a_reordered_webhook_comes_after_its_successor(shop: Shop) -> None:
    await shop.listen("payment_intent.succeeded")
    shop.misbehave(reorder_webhooks=1)

    first, second = await pay(shop), await pay(shop)
    await eventually(lambda: len(shop.mailbox.got) >= 2)

    assert [event.data.object["id"] for event in shop.events()] == [second.id, first.id]


async def test_a_declined_charge_may_be_captured_all_the_same(shop: Shop) -> None:
    await shop.listen("payment_intent.succeeded")
    shop.misbehave(capture_declined=1)
    with pytest.raises(stripe.CardError):
        await pay(shop, "pm_card_chargeDeclined")

    shop.an_hour_later()
    await eventually(lambda: shop.mailbox.got)

    assert [intent.status for intent in (await shop.client.v1.payment_intents.list_async()).data] == ["succeeded"]


async def test_chaos_is_set_and_read_over_http(shop: Shop, browser: aiohttp.ClientSession) -> None:
    async with browser.post(f"{shop.url}/_chaos", json={"fail_refunds": 2}) as answer:
        told = await answer.json()
    async with browser.post(f"{shop.url}/_chaos", json={"nonsense": 1}) as refused:
        status = refused.status
    async with browser.get(f"{shop.url}/_chaos") as answer:
        left = await answer.json()

    assert told["fail_refunds"] == left["fail_refunds"] == 2
    assert status == 400


@pytest.mark.parametrize(
    ("choices", "status"),
    [
        (["pm_card_visa"], "complete"),
        (["pm_card_chargeDeclined"], "open"),
        (["pm_card_chargeDeclined", "pm_card_visa"], "complete"),
        (["pm_sim_slow"], "open"),
        (["pm_somebody_elses"], "open"),
        ([], "open"),
    ],
)
async def test_a_buyer_pays_on_the_hosted_page(
    shop: Shop, browser: aiohttp.ClientSession, choices: list[str], status: str
) -> None:
    price: Any = {"currency": "eur", "unit_amount": 2250, "product_data": {"name": "Seat"}}
    session = await shop.client.v1.checkout.sessions.create_async(
        {
            "mode": "payment", "success_url": "http://shop.example/thanks", "cancel_url": "http://shop.example/pity",
            "line_items": [{"quantity": 2, "price_data": price}],
            "payment_intent_data": {"metadata": {"order": "7"}, "description": "<Seats>"},
        }
    )  # fmt: skip
    assert session.url is not None

    page = await (await browser.get(session.url)).text()
    for choice in choices:
        await browser.post(session.url, data={"payment_method": choice}, allow_redirects=False)

    after = await shop.client.v1.checkout.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})
    assert "45.00 EUR" in page
    assert "&lt;Seats&gt;" in page
    assert "http://shop.example/pity" in page
    assert after.status == status
    if status == "complete":
        assert after.payment_status == "paid"
        assert after.to_dict()["payment_intent"]["metadata"] == {"order": "7"}
