"""Refunds at Stripe: looked for first, so that not even a forgotten idempotency key returns money twice."""

import stripe

from boxoffice.payments.domain import RefundResult
from boxoffice.payments.provider import Repayment
from boxoffice.payments.stripe_adapter import answers, checkout
from boxoffice.payments.stripe_adapter.answers import KEY

MOST = 100


async def refund(client: stripe.StripeClient, wanted: Repayment) -> RefundResult:
    """Return the money once. A refund that failed stays failed at Stripe: the next try is another one there."""
    intent = await _intent_of(client, wanted.charge_reference)
    if intent is None:
        return RefundResult(False, "charge_not_captured")
    key = f"{wanted.key}:refund:{wanted.refused}"
    listed = await client.v1.refunds.list_async({"payment_intent": intent, "limit": MOST})
    for made in listed.data:
        if (made.to_dict().get("metadata") or {}).get(KEY) == key:
            return answers.of_refund(made.to_dict())
    try:
        created = await client.v1.refunds.create_async(
            {"payment_intent": intent, "amount": wanted.amount_minor, "metadata": {KEY: key}},
            {"idempotency_key": key},
        )
    except stripe.InvalidRequestError as error:
        return RefundResult(False, answers.refusal_reason(error.code, error.param))
    return answers.of_refund((await client.v1.refunds.retrieve_async(created.id)).to_dict())


async def _intent_of(client: stripe.StripeClient, reference: str | None) -> str | None:
    if reference is None or not reference.startswith("cs_"):
        return reference
    intent = (await checkout.retrieved(client, reference)).get("payment_intent")
    return intent["id"] if intent else None
