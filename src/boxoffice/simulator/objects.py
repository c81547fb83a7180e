"""Stripe's objects as they are born, with every member that Stripe's description asks for. Pure."""

import secrets
from collections.abc import Mapping
from typing import Any

from boxoffice.simulator.cards import MESSAGES, Card

Object = dict[str, Any]
API_VERSION = "2026-10-28.endive"


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def payment_intent(wanted: Mapping[str, Any], now: float) -> Object:
    id = new_id("pi")
    types = wanted.get("allowed_payment_method_types") or wanted.get("payment_method_types")
    return {
        "id": id, "object": "payment_intent", "amount": wanted["amount"], "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": None, "application_fee_amount": None,
        "allowed_payment_method_types": types, "automatic_payment_methods": None, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic", "client_secret": f"{id}_secret_{new_id('x')[2:]}",
        "confirmation_method": "automatic", "created": int(now), "currency": wanted["currency"], "customer": None,
        "customer_account": None, "description": wanted.get("description"), "excluded_payment_method_types": None,
        "last_payment_error": None, "latest_charge": None, "livemode": False, "metadata": wanted.get("metadata") or {},
        "next_action": None, "on_behalf_of": None, "payment_method": None,
        "payment_method_configuration_details": None, "payment_method_options": {},
        "payment_method_types": types or ["card"], "processing": None, "receipt_email": None, "review": None,
        "setup_future_usage": None, "shipping": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": "requires_payment_method", "transfer_data": None,
        "transfer_group": None,
    }  # fmt: skip


def charge(intent: Object, card: Card, method: str, now: float) -> Object:
    """The charge of an intent; whether it succeeded is the card's matter."""
    declined = card.code is not None
    return {
        "id": new_id("ch"), "object": "charge", "amount": intent["amount"],
        "amount_captured": 0 if declined else intent["amount"], "amount_refunded": 0, "application": None,
        "application_fee": None, "application_fee_amount": None, "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "BOXOFFICE TEST", "captured": not declined, "created": int(now),
        "currency": intent["currency"], "customer": None, "description": intent["description"], "disputed": False,
        "failure_balance_transaction": None, "failure_code": card.code,
        "failure_message": MESSAGES[card.code] if card.code else None, "fraud_details": {}, "livemode": False,
        "metadata": intent["metadata"], "on_behalf_of": None, "outcome": None, "paid": not declined,
        "payment_intent": intent["id"], "payment_method": method, "payment_method_details": None,
        "receipt_email": None, "receipt_number": None, "receipt_url": None, "refunded": False, "review": None,
        "shipping": None, "source_transfer": None, "statement_descriptor": None, "statement_descriptor_suffix": None,
        "status": "failed" if declined else "succeeded", "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def refund(intent: Object, amount: int, status: str, wanted: Mapping[str, Any], now: float) -> Object:
    failed = {"failure_reason": "unknown"} if status == "failed" else {}
    return {
        "id": new_id("re"), "object": "refund", "amount": amount, "balance_transaction": None,
        "charge": intent["latest_charge"], "created": int(now), "currency": intent["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": wanted.get("metadata") or {}, "payment_intent": intent["id"], "reason": wanted.get("reason"),
        "receipt_number": None, "source_transfer_reversal": None, "status": status, "transfer_reversal": None,
        **failed,
    }  # fmt: skip


def session(wanted: Mapping[str, Any], total: int, currency: str, public_url: str, now: float) -> Object:
    id = new_id("cs_test")
    return {
        "id": id, "object": "checkout.session", "adaptive_pricing": None, "after_expiration": None,
        "allow_promotion_codes": None, "amount_subtotal": total, "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None, "cancel_url": wanted.get("cancel_url"),
        "client_reference_id": wanted.get("client_reference_id"), "client_secret": None,
        "collected_information": None, "consent": None, "consent_collection": None, "created": int(now),
        "currency": currency, "currency_conversion": None, "custom_fields": [],
        "custom_text": {
            "after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None,
        },
        "customer": None, "customer_account": None, "customer_creation": "if_required", "customer_details": None,
        "customer_email": None, "discounts": [], "expires_at": int(now) + 24 * 3600, "invoice": None,
        "invoice_creation": None, "livemode": False, "locale": None, "metadata": wanted.get("metadata") or {},
        "mode": "payment", "origin_context": None, "payment_intent": None, "payment_link": None,
        "payment_method_collection": "if_required", "payment_method_configuration_details": None,
        "payment_method_options": {}, "payment_method_types": ["card"], "payment_status": "unpaid",
        "permissions": None, "phone_number_collection": {"enabled": False}, "recovered_from": None,
        "saved_payment_method_options": None, "setup_intent": None, "shipping_address_collection": None,
        "shipping_cost": None, "shipping_options": [], "status": "open", "submit_type": None, "subscription": None,
        "success_url": wanted.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": f"{public_url}/pay/{id}", "wallet_options": None,
    }  # fmt: skip


def event(kind: str, about: Object, endpoints: int, now: float) -> Object:
    return {
        "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": int(now),
        "data": {"object": about}, "livemode": False, "pending_webhooks": endpoints,
        "request": {"id": None, "idempotency_key": None}, "type": kind,
    }  # fmt: skip


def webhook_endpoint(url: str, events: list[str], now: float) -> Object:
    return {
        "id": new_id("we"), "object": "webhook_endpoint", "api_version": None, "application": None,
        "created": int(now), "description": None, "enabled_events": events, "livemode": False, "metadata": {},
        "secret": f"whsec_{secrets.token_hex(16)}", "status": "enabled", "url": url,
    }  # fmt: skip


def page_of(items: list[Object], url: str, *, kind: str = "list", more: bool = False) -> Object:
    listed: Object = {"object": kind, "data": items, "has_more": more, "url": url}
    return listed if kind == "list" else listed | {"next_page": None}


def declined(card: Card, method: str, charge_id: str | None) -> Object:
    """The `last_payment_error` of an intent whose card said no."""
    code = card.code or "card_declined"
    error: Object = {
        "type": "card_error", "code": code, "message": MESSAGES[code],
        "payment_method": {
            "id": method, "object": "payment_method", "billing_details": {
                "address": None, "email": None, "name": None, "phone": None, "tax_id": None,
            },
            "created": 0, "customer": None, "livemode": False, "metadata": {}, "type": "card",
        },
    }  # fmt: skip
    if card.decline_code:
        error["decline_code"] = card.decline_code
    if charge_id:
        error["charge"] = charge_id
    return error
