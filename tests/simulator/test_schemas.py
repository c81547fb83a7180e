"""Each answer of the simulator is what Stripe's own published description says it is, and nothing beyond it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
import pytest

from tests.support.stripe_simulator import Shop

DESCRIBED = json.loads((Path(__file__).parent / "stripe_schemas.json").read_text())["$defs"]
MONEY = {"amount": "4500", "currency": "eur"}
CHECKOUT = {
    "mode": "payment", "success_url": "http://shop.example/1", "cancel_url": "http://shop.example/1",
    "line_items[0][quantity]": "2", "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "2250", "line_items[0][price_data][product_data][name]": "Two seats",
    "payment_intent_data[metadata][order]": "7",
}  # fmt: skip


def problems(kind: str, value: Any) -> list[str]:
    """What of `value` is not as `kind` is described."""
    checker = jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": DESCRIBED})
    found = [f"{error.instance_path}: {error.message}" for error in checker.iter_errors(value)]
    return found + [f"{name} is not described" for name in value if name not in DESCRIBED[kind]["properties"]]


@pytest.fixture
async def ask(shop: Shop) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {shop.key}"}) as session:

        async def asked(method: str, path: str, **form: str) -> tuple[int, Any]:
            async with session.request(method, shop.url + path, data=form or None) as answer:
                return answer.status, await answer.json()

        yield asked


async def test_every_kind_of_object_is_as_described(shop: Shop, ask: Any) -> None:
    await shop.listen()
    _, paid = await ask("POST", "/v1/payment_intents", **MONEY, payment_method="pm_card_visa", confirm="true")
    _, bare = await ask("POST", "/v1/payment_intents", **MONEY)
    _, asking = await ask(
        "POST", "/v1/payment_intents", **MONEY, payment_method="pm_card_authenticationRequired", confirm="true",
        return_url="http://shop.example/1",
    )  # fmt: skip
    _, gone = await ask("POST", f"/v1/payment_intents/{bare['id']}/cancel")
    _, expanded = await ask("GET", f"/v1/payment_intents/{paid['id']}?expand[]=latest_charge")
    _, refund = await ask("POST", "/v1/refunds", payment_intent=paid["id"], amount="100")
    shop.misbehave(fail_refunds=1)
    _, failed = await ask("POST", "/v1/refunds", payment_intent=paid["id"], amount="100")
    _, session = await ask("POST", "/v1/checkout/sessions", **CHECKOUT)
    _, expired = await ask("POST", f"/v1/checkout/sessions/{session['id']}/expire")
    _, events = await ask("GET", "/v1/events?limit=100")
    _, endpoints = await ask("GET", "/v1/webhook_endpoints")

    seen = [paid, bare, asking, gone, expanded["latest_charge"], refund, failed, session, expired]
    seen += events["data"] + endpoints["data"] + [event["data"]["object"] for event in events["data"]]
    assert {each["object"]: problems(each["object"], each) for each in seen if problems(each["object"], each)} == {}
    assert {each["object"] for each in seen} == {
        "payment_intent", "charge", "refund", "checkout.session", "event", "webhook_endpoint",
    }  # fmt: skip
    assert problems("payment_intent_next_action", asking["next_action"]) == []


@pytest.mark.parametrize(
    ("status", "form"),
    [
        (402, {**MONEY, "payment_method": "pm_card_chargeDeclined", "confirm": "true"}),
        (400, {**MONEY, "payment_method": "pm_nobody", "confirm": "true"}),
        (400, {"amount": "1", "currency": "eur"}),
        (400, {"currency": "eur"}),
        (400, {**MONEY, "a[b[c": "1"}),
    ],
)
async def test_every_error_is_as_described(ask: Any, status: int, form: dict[str, str]) -> None:
    answered, body = await ask("POST", "/v1/payment_intents", **form)

    assert answered == status
    assert problems("error", body) == []
    assert problems("api_errors", body["error"]) == []
    intent = body["error"].get("payment_intent")
    assert intent is None or problems("payment_intent", intent) == []


def test_a_wrong_answer_would_be_noticed() -> None:
    wrong = {"id": 7, "object": "refund", "amount": "1", "created": 0, "currency": "eur", "surprise": True}

    assert len(problems("refund", wrong)) == 3
