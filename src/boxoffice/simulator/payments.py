"""What a merchant can ask for, and what its buyers do, in one account: each verb changes the books and tells of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from boxoffice.simulator import objects
from boxoffice.simulator.books import Books
from boxoffice.simulator.cards import Card, card_of
from boxoffice.simulator.chaos import Demon
from boxoffice.simulator.objects import Object

SMALLEST = 50
LARGEST = 99_999_999
REORDERED_SECONDS = 1.0
WAITING = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")
REFUSED_BY_BUYER = Card(code="payment_intent_authentication_failure")


class Refused(Exception):
    """An error as Stripe answers it."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None, **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error: Object = {"type": kind, "message": message} | ({"code": code} if code else {}) | members


def invalid(message: str, code: str | None = None, param: str | None = None, status: int = 400) -> Refused:
    return Refused(status, "invalid_request_error", message, code, **({"param": param} if param else {}))


@dataclass(frozen=True)
class Merchant:
    """One account's verbs."""

    books: Books
    account: str
    demon: Demon
    public_url: str
    clock: Callable[[], float]

    # ── the merchant ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create_intent(self, wanted: Object) -> Object:
        amount, currency = _money(wanted, "amount")
        intent = objects.payment_intent(wanted | {"amount": amount, "currency": currency}, self.clock())
        self._save(intent)
        self.tell("payment_intent.created", intent)
        if method := wanted.get("payment_method"):
            intent |= {"payment_method": method, "status": "requires_confirmation"}
            self._save(intent)
        return self.confirm(intent["id"], wanted) if wanted.get("confirm") == "true" else intent

    def intent(self, id: str) -> Object:
        return self._get("payment_intent", id)

    def confirm(self, id: str, wanted: Object) -> Object:
        intent = self.intent(id)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise _unexpected(intent, "confirm")
        method = wanted.get("payment_method") or intent["payment_method"]
        if "payment_method_data" in wanted:
            raise Refused(402, "card_error", "Sending credit card numbers directly to the API is unsafe.")
        card = card_of(method) if isinstance(method, str) else None
        if card is None:
            raise invalid(f"No such PaymentMethod: '{method}'", "resource_missing", "payment_method")
        intent |= {"payment_method": method, "last_payment_error": None}
        if card.asks:
            url = f"{self.public_url}/pay/{id}"
            action = {
                "type": "redirect_to_url",
                "redirect_to_url": {"url": url, "return_url": wanted.get("return_url")},
            }
            self._save(intent | {"status": "requires_action", "next_action": action})
            self.tell("payment_intent.requires_action", self.intent(id))
        elif card.slow:
            self._save(intent | {"status": "processing"}, due=self.clock() + self.demon.chaos.slow_seconds)
            self.tell("payment_intent.processing", self.intent(id))
        elif card.code is not None:
            declined = self._decline(intent, card)
            raise Refused(402, payment_intent=declined, **_error(declined))
        else:
            self._capture(intent, card)
        return self.intent(id)

    def cancel_intent(self, id: str) -> Object:
        intent = self.intent(id)
        if intent["status"] not in WAITING:
            raise _unexpected(intent, "cancel")
        gone = {"status": "canceled", "canceled_at": int(self.clock()), "next_action": None}
        self._save(intent | gone)
        self.tell("payment_intent.canceled", self.intent(id))
        return self.intent(id)

    def refund(self, wanted: Object) -> Object:
        intent = self.intent(str(wanted.get("payment_intent", "")))
        if intent["status"] != "succeeded":
            raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                          "charge_not_captured")  # fmt: skip
        charge = self._get("charge", intent["latest_charge"])
        left = charge["amount"] - charge["amount_refunded"]
        amount = _whole(wanted, "amount") if "amount" in wanted else left
        if left == 0:
            raise invalid("The charge has already been refunded.", "charge_already_refunded")
        if not 0 < amount <= left:
            raise invalid("Refund amount is greater than unrefunded amount on charge.", param="amount")
        fate = self._fate_of_refund(intent)
        born = {"refused": "failed", "pending": "pending"}.get(fate, "succeeded")
        made = objects.refund(intent, amount, born, wanted, self.clock())
        later = self.clock() + self.demon.chaos.slow_seconds if fate in ("pending", "failed") else None
        self.books.save(self.account, made, parent=intent["id"], due=later)
        if born != "failed":
            self._returned(charge, amount)
        self.tell("refund.created", made)
        return made

    def get_refund(self, id: str) -> Object:
        return self._get("refund", id)

    def create_session(self, wanted: Object) -> Object:
        if wanted.get("mode") != "payment":
            raise invalid("Only payments can be made here.", param="mode")
        lines = wanted.get("line_items") or []
        priced = [(line.get("price_data") or {}, _whole(line, "quantity")) for line in lines]
        currencies = {str(price.get("currency", "")).lower() for price, _ in priced}
        if len(currencies) != 1:
            raise invalid("The line items need prices in one currency.", param="line_items")
        total = sum(_whole(price, "unit_amount") * quantity for price, quantity in priced)
        made = objects.session(wanted, total, currencies.pop(), self.public_url, self.clock())
        self.books.save(self.account, made)
        later = {"id": f"{made['id']}:intent", "object": "checkout.intent", **(wanted.get("payment_intent_data") or {})}
        self.books.save(self.account, later)
        return made

    def session(self, id: str) -> Object:
        return self._get("checkout.session", id)

    def expire_session(self, id: str) -> Object:
        session = self.session(id)
        if session["status"] != "open":
            raise invalid(f"Only open sessions can be expired; this one is {session['status']}.")
        self._save(session | {"status": "expired", "url": None})
        self.tell("checkout.session.expired", self.session(id))
        return self.session(id)

    # ── the buyer ────────────────────────────────────────────────────────────────────────────────────────────────────
    def answer_bank(self, id: str, *, approved: bool) -> Object:
        """What the buyer said to the bank; only an intent that waits for it is changed."""
        intent = self.intent(id)
        if intent["status"] == "requires_action":
            card = card_of(intent["payment_method"]) or Card()
            intent |= {"next_action": None}
            if approved:
                self._capture(intent, card)
            else:
                self._decline(intent, replace(card, code=REFUSED_BY_BUYER.code, decline_code=None))
            self._close_session_of(id)
        return self.intent(id)

    def pay_session(self, id: str, method: str) -> Object:
        """The buyer gives a card on the hosted page; one that is declined may be followed by another."""
        session = self.session(id)
        if session["status"] != "open":
            return session
        if session["payment_intent"] is None:
            price = {"amount": session["amount_total"], "currency": session["currency"]}
            intent = objects.payment_intent(self._get("checkout.intent", f"{id}:intent") | price, self.clock())
            self._save(intent)
            self.tell("payment_intent.created", intent)
            session |= {"payment_intent": intent["id"]}
            self._save(session)
        intent_id = session["payment_intent"]
        if self.intent(intent_id)["status"] == "requires_payment_method":
            try:
                self.confirm(intent_id, {"payment_method": method, "return_url": session["success_url"]})
            except Refused as refused:
                if refused.status != 402:
                    raise
        self._close_session_of(intent_id)
        return self.session(id)

    # ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────
    def mature(self, body: Object) -> None:
        """What becomes of an object whose time has come."""
        if body["object"] == "payment_intent":
            if body["status"] in ("processing", "requires_payment_method"):
                self._capture(body | {"last_payment_error": None}, card_of(body["payment_method"]) or Card())
                self._close_session_of(body["id"])
            return
        intent = self.intent(body["payment_intent"])
        if body["status"] == "pending":
            body |= {"status": "succeeded"}
            self.books.save(self.account, body)
            self.tell("refund.updated", body)
        else:
            body |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
            self.books.save(self.account, body)
            self._returned(self._get("charge", intent["latest_charge"]), -body["amount"])
            self.tell("refund.failed", body)

    def tell(self, kind: str, about: Object) -> None:
        """Write an event and have it delivered to the endpoints that want it."""
        now = self.clock()
        wanting = [
            endpoint
            for endpoint in self.books.all(self.account, "webhook_endpoint")
            if {"*", kind} & set(endpoint["enabled_events"])
        ]
        event = objects.event(kind, about, len(wanting), now)
        self.books.save(self.account, event)
        due = now + self.demon.chaos.delay_webhooks_seconds
        if wanting and self.demon.strikes("reorder_webhooks"):
            due += REORDERED_SECONDS
        copies = 2 if wanting and self.demon.strikes("duplicate_webhooks") else 1
        for endpoint in wanting * copies:
            self.books.deliver(event["id"], endpoint["id"], due)

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _capture(self, intent: Object, card: Card) -> None:
        charge = objects.charge(intent, replace(card, code=None), intent["payment_method"], self.clock())
        self.books.save(self.account, charge, parent=intent["id"])
        paid = {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
        self._save(intent | paid | {"next_action": None})
        self.tell("charge.succeeded", charge)
        self.tell("payment_intent.succeeded", self.intent(intent["id"]))

    def _decline(self, intent: Object, card: Card) -> Object:
        charge = objects.charge(intent, card, intent["payment_method"], self.clock())
        self.books.save(self.account, charge, parent=intent["id"])
        error = objects.declined(card, intent["payment_method"], charge["id"])
        gone = {"status": "requires_payment_method", "last_payment_error": error, "latest_charge": charge["id"]}
        late = self.clock() + self.demon.chaos.slow_seconds if self.demon.strikes("capture_declined") else None
        self._save(intent | gone, due=late)
        self.tell("charge.failed", charge)
        self.tell("payment_intent.payment_failed", self.intent(intent["id"]))
        return self.intent(intent["id"])

    def _fate_of_refund(self, intent: Object) -> str:
        """refused at once, succeeded, pending (succeeds later), or failed (after it seemed to succeed)."""
        return "refused" if self.demon.strikes("fail_refunds") else (card_of(intent["payment_method"]) or Card()).refund

    def _returned(self, charge: Object, amount: int) -> None:
        refunded = charge["amount_refunded"] + amount
        charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
        self.books.save(self.account, charge)
        self.tell("charge.refunded", charge)

    def _close_session_of(self, intent_id: str) -> None:
        """A session is complete once its intent has succeeded."""
        for session in self.books.all(self.account, "checkout.session"):
            paid = session["payment_intent"] == intent_id and self.intent(intent_id)["status"] == "succeeded"
            if paid and session["status"] == "open":
                self._save(session | {"status": "complete", "payment_status": "paid", "url": None})
                self.tell("checkout.session.completed", self.session(session["id"]))

    def _get(self, kind: str, id: str) -> Object:
        found = self.books.find(self.account, kind, id)
        if found is None:
            raise invalid(f"No such {kind}: '{id}'", "resource_missing", "id", status=404)
        return found

    def _save(self, body: Object, *, due: float | None = None) -> None:
        self.books.save(self.account, body, due=due)


def _money(wanted: Object, name: str) -> tuple[int, str]:
    amount, currency = _whole(wanted, name), str(wanted.get("currency", "")).lower()
    if len(currency) != 3 or not currency.isalpha():
        raise invalid("Invalid currency.", "parameter_invalid", "currency")
    if amount < SMALLEST:
        raise invalid("Amount must convert to at least 50 cents.", "amount_too_small", name)
    if amount > LARGEST:
        raise invalid("Amount must be no more than 999,999.99.", "amount_too_large", name)
    return amount, currency


def _whole(wanted: Object, name: str) -> int:
    value = str(wanted.get(name, ""))
    if not value:
        raise invalid(f"Missing required param: {name}.", "parameter_missing", name)
    if not (value.isascii() and value.isdecimal() and len(value) < 16):
        raise invalid(f"Invalid integer: {value}", "parameter_invalid_integer", name)
    return int(value)


def _unexpected(intent: Object, verb: str) -> Refused:
    message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    return Refused(
        400, "invalid_request_error", message, "payment_intent_unexpected_state", payment_intent=intent
    )  # fmt: skip


def _error(intent: Object) -> Object:
    """The error of a declined intent, as arguments of Refused."""
    error = dict(intent["last_payment_error"])
    return {"kind": error.pop("type"), "message": error.pop("message"), **error}
