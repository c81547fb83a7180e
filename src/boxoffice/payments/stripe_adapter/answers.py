"""What Stripe's objects and errors mean in the port's words. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from boxoffice.payments.domain import Outcome, RefundResult, Result

KEY = "boxoffice_key"  # the metadata by which an object of Stripe's names the charge or refund that it is for
UNTRIED = frozenset({"requires_confirmation", "requires_payment_method"})
STOPPABLE = frozenset({*UNTRIED, "requires_action", "requires_capture", "processing"})
# Another card, or the same card later or after a word with the bank, may do; with any other code nothing will.
RETRYABLE = frozenset(
    {
        "approve_with_id", "authentication_required", "card_not_supported", "card_velocity_exceeded",
        "currency_not_supported", "expired_card", "incorrect_cvc", "incorrect_number", "incorrect_zip",
        "insufficient_funds", "invalid_cvc", "invalid_expiry_month", "invalid_expiry_year", "issuer_not_available",
        "payment_intent_authentication_failure", "processing_error", "reenter_transaction", "try_again_later",
        "withdrawal_count_limit_exceeded",
    }
)  # fmt: skip

Object = Mapping[str, Any]


def of_intent(intent: Object) -> Result:
    """What a PaymentIntent says of its charge."""
    reference = str(intent["id"])
    match intent["status"]:
        case "succeeded":
            return Result(Outcome.CAPTURED, reference=reference, refunded_minor=_refunded(intent))
        case "canceled":
            return Result(Outcome.CANCELLED, reference=reference)
        case "requires_action":
            action = intent.get("next_action") or {}
            url = (action.get("redirect_to_url") or {}).get("url")
            return Result(Outcome.ACTION_REQUIRED, reference=reference, url=url)
        case "requires_payment_method" if intent.get("last_payment_error"):
            return of_decline(intent["last_payment_error"], reference)
        case "requires_payment_method" | "requires_confirmation":
            return Result(Outcome.NOT_FOUND, reference=reference)  # it is there, and nobody has tried it yet
        case _:
            return Result(Outcome.PENDING, reference=reference)


def is_untried(intent: Object) -> bool:
    return intent["status"] in UNTRIED and not intent.get("last_payment_error")


def of_decline(error: Object, reference: str | None) -> Result:
    code = error.get("code") or "card_declined"
    decline = error.get("decline_code")
    reason = decline if decline and decline != "generic_decline" else code
    return Result(
        Outcome.DECLINED, reference=reference, reason=reason, retryable=reason in RETRYABLE or code in RETRYABLE
    )  # fmt: skip


def of_session(session: Object) -> Result:
    """What a Checkout Session, with its PaymentIntent in it, says of its charge: money first."""
    reference = str(session["id"])
    intent = session.get("payment_intent")
    paid = of_intent(intent) if isinstance(intent, Mapping) else Result(Outcome.NOT_FOUND)
    match session["status"]:
        case _ if paid.outcome is Outcome.CAPTURED:
            return replace(paid, reference=reference)
        case "complete":
            return Result(Outcome.PENDING, reference=reference)
        case "expired" if paid.outcome is Outcome.PENDING:  # it closed while a bank was still thinking
            return Result(Outcome.PENDING, reference=reference)
        case "expired":
            return Result(Outcome.DECLINED, reference=reference, reason="checkout_expired", retryable=True)
        case _:
            return Result(Outcome.ACTION_REQUIRED, reference=reference, url=session.get("url"))


def of_refund(refund: Object) -> RefundResult:
    match refund["status"]:
        case "succeeded":
            return RefundResult(True)
        case "failed" | "canceled":
            return RefundResult(False, refund.get("failure_reason") or "refund_failed")
        case _:
            return RefundResult(None)


def refusal_reason(code: str | None, parameter: str | None) -> str:
    """Why a request was not valid, in one word of the simulated provider's where it has one."""
    match code, parameter:
        case (("resource_missing" | "payment_method_invalid_parameter"), "payment_method"):
            return "unknown_method"
        case "charge_already_refunded", _:
            return "exceeds_charge"
        case None, "amount":
            return "exceeds_charge"
        case _:
            return code or "invalid_request"


def operation_key(charge_key: str, operation: str) -> str:
    """The idempotency key of one operation upon a charge: tenant:booking:attempt:operation."""
    return f"{charge_key.removesuffix(':charge')}:{operation}"


def metadata(key: str, tenant_id: UUID) -> dict[str, str]:
    return {KEY: key, "tenant": str(tenant_id)}


def _refunded(intent: Object) -> int:
    charge = intent.get("latest_charge")
    return int(charge["amount_refunded"]) if isinstance(charge, Mapping) else 0
