"""Stripe's hosted page: the buyer chooses and types in everything there, so no card ever comes near us."""

import contextlib
from typing import Any

import stripe

from boxoffice.payments.domain import Outcome, Result
from boxoffice.payments.provider import Charge
from boxoffice.payments.stripe_adapter import answers
from boxoffice.payments.stripe_adapter.answers import operation_key

METHOD = "checkout"
Client = stripe.StripeClient
Session = dict[str, Any]


async def charge(client: Client, wanted: Charge) -> Result:
    try:
        reference = wanted.reference or await _created(client, wanted)
    except stripe.InvalidRequestError as error:
        return Result(Outcome.DECLINED, reason=answers.refusal_reason(error.code, error.param))
    return answers.of_session(await retrieved(client, reference))


async def lookup(client: Client, wanted: Charge) -> Result:
    """What became of the page. Without a reference nobody was sent to it: opening it again gives the same one."""
    if wanted.reference is None:
        return Result(Outcome.NOT_FOUND)
    return answers.of_session(await retrieved(client, wanted.reference))


async def cancel(client: Client, wanted: Charge) -> Result:
    """Close the page; where it was left paid, that is the answer."""
    try:
        reference = wanted.reference or await _created(client, wanted)
    except stripe.InvalidRequestError:  # neither would Stripe have opened it
        return Result(Outcome.CANCELLED)
    session = await retrieved(client, reference)
    if session["status"] == "open":
        with contextlib.suppress(stripe.InvalidRequestError):  # it is not open any more: look what happened
            await client.v1.checkout.sessions.expire_async(
                session["id"], {}, {"idempotency_key": operation_key(wanted.key, "cancel")}
            )
        session = await retrieved(client, session["id"])
    became = answers.of_session(session)
    closed_unpaid = session["status"] == "expired" and became.outcome is Outcome.DECLINED
    return Result(Outcome.CANCELLED, reference=session["id"]) if closed_unpaid else became


async def retrieved(client: Client, reference: str) -> Session:
    return (
        await client.v1.checkout.sessions.retrieve_async(reference, {"expand": ["payment_intent.latest_charge"]})
    ).to_dict()


async def _created(client: Client, wanted: Charge) -> str:
    metadata = answers.metadata(wanted.key, wanted.tenant_id)
    line: Any = {
        "quantity": 1,
        "price_data": {
            "currency": wanted.currency.lower(),
            "unit_amount": wanted.amount_minor,
            "product_data": {"name": wanted.description},
        },
    }
    created = await client.v1.checkout.sessions.create_async(
        {
            "mode": "payment",
            "line_items": [line],
            "success_url": wanted.return_url,
            "cancel_url": wanted.return_url,
            "client_reference_id": wanted.description,
            "metadata": metadata,
            "payment_intent_data": {"description": wanted.description, "metadata": metadata},
        },
        {"idempotency_key": operation_key(wanted.key, "create")},
    )
    return created.id
