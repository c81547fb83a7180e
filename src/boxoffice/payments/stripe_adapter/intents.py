"""A card, charged by one PaymentIntent per attempt: created, then confirmed, so that each step can be repeated."""

from typing import Any

import stripe

from boxoffice.payments.domain import Outcome, Result
from boxoffice.payments.provider import Charge
from boxoffice.payments.stripe_adapter import answers
from boxoffice.payments.stripe_adapter.answers import KEY, operation_key

Client = stripe.StripeClient
Intent = dict[str, Any]
UNEXPECTED_STATE = "payment_intent_unexpected_state"  # somebody else was faster


async def charge(client: Client, wanted: Charge) -> Result:
    """Open the intent, or find it, and confirm it unless that was tried already."""
    try:
        reference = wanted.reference or await _created(client, wanted)
    except stripe.InvalidRequestError as error:  # an amount too small, a currency that the account does not take …
        return _refused(error, None)
    intent = await _retrieved(client, reference)
    return await _confirmed(client, wanted, reference) if answers.is_untried(intent) else answers.of_intent(intent)


async def lookup(client: Client, wanted: Charge) -> Result:
    """What became of the intent; without a reference (the answer was lost) it is found by its metadata."""
    reference = wanted.reference
    if reference is None:
        query = f"metadata['{KEY}']:'{wanted.key}'"
        found = await client.v1.payment_intents.search_async({"query": query, "limit": 1})
        reference = found.data[0].id if found.data else None
    return Result(Outcome.NOT_FOUND) if reference is None else answers.of_intent(await _retrieved(client, reference))


async def cancel(client: Client, wanted: Charge) -> Result:
    """Cancel the intent. One that nobody has seen is opened first: what is cancelled can not be confirmed later."""
    known = wanted.reference or (await lookup(client, wanted)).reference
    try:
        reference = known or await _created(client, wanted)
    except stripe.InvalidRequestError:  # neither would Stripe have charged it
        return Result(Outcome.CANCELLED)
    intent = await _retrieved(client, reference)
    if intent["status"] in answers.STOPPABLE:
        try:
            await client.v1.payment_intents.cancel_async(
                reference, {}, {"idempotency_key": operation_key(wanted.key, "cancel")}
            )
        except stripe.InvalidRequestError as error:
            if error.code != UNEXPECTED_STATE:
                raise
        intent = await _retrieved(client, reference)
    return answers.of_intent(intent)


async def _confirmed(client: Client, wanted: Charge, reference: str) -> Result:
    try:
        await client.v1.payment_intents.confirm_async(
            reference,
            {"payment_method": wanted.method, "return_url": wanted.return_url},
            {"idempotency_key": operation_key(wanted.key, "confirm")},
        )
    except stripe.CardError:
        pass  # the intent says why
    except stripe.InvalidRequestError as error:
        if error.code != UNEXPECTED_STATE:
            return _refused(error, reference)
    return answers.of_intent(await _retrieved(client, reference))


async def _created(client: Client, wanted: Charge) -> str:
    """The intent's id. A repeated question gets the first answer, which may be old: look what it is now."""
    created = await client.v1.payment_intents.create_async(
        {
            "amount": wanted.amount_minor,
            "currency": wanted.currency.lower(),
            "description": wanted.description,
            "allowed_payment_method_types": ["card"],
            "metadata": answers.metadata(wanted.key, wanted.tenant_id),
        },
        {"idempotency_key": operation_key(wanted.key, "create")},
    )
    return created.id


async def _retrieved(client: Client, reference: str) -> Intent:
    return (await client.v1.payment_intents.retrieve_async(reference, {"expand": ["latest_charge"]})).to_dict()


def _refused(error: stripe.InvalidRequestError, reference: str | None) -> Result:
    return Result(Outcome.DECLINED, reference=reference, reason=answers.refusal_reason(error.code, error.param))
