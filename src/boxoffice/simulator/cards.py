"""Test cards: what becomes of a payment with each of Stripe's test payment methods. A table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """`code` and `decline_code`: it is declined with these. `refund`: what becomes of refunds."""

    brand: str = "visa"
    last4: str = "4242"
    code: str | None = None
    decline_code: str | None = None
    asks: bool = False  # the buyer has to approve at the bank first (3-D Secure)
    slow: bool = False  # processing for a while, captured then
    refund: str = "succeeded"


# fmt: off
CARDS = {
    "pm_card_visa":                            Card(),
    "pm_card_visa_debit":                      Card(last4="5556"),
    "pm_card_mastercard":                      Card("mastercard", "4444"),
    "pm_card_amex":                            Card("amex", "8431"),
    "pm_card_authenticationRequired":          Card(last4="3184", asks=True),
    "pm_card_threeDSecure2Required":           Card(last4="3220", asks=True),
    "pm_card_threeDSecureRequired":            Card(last4="3063", asks=True),
    "pm_card_chargeDeclined":                  Card("visa", "0002", "card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": Card("visa", "9995", "card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard":          Card("visa", "9987", "card_declined", "lost_card"),
    "pm_card_chargeDeclinedStolenCard":        Card("visa", "9979", "card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard":       Card(last4="0069", code="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc":      Card(last4="0127", code="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError":   Card(last4="0119", code="processing_error"),
    "pm_card_pendingRefund":                   Card(last4="7726", refund="pending"),
    "pm_card_refundFail":                      Card(last4="5126", refund="failed"),
    "pm_sim_slow":                             Card(slow=True),  # Stripe has no such card
}
# fmt: on
MESSAGES = {
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "payment_intent_authentication_failure": "The provided PaymentMethod has failed authentication.",
}


def card_of(payment_method: str) -> Card | None:
    """The card of a payment method; Stripe writes some with the brand in the name too."""
    return CARDS.get(payment_method) or CARDS.get(payment_method.replace("pm_card_visa_", "pm_card_"))
