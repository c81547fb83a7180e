"""Times, spans, amounts and states in words, as an operator's pages show them: pure functions, always in UTC."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from boxoffice.operations.domain import Kind
from boxoffice.pages import words

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
CODE = re.compile(r"[a-z_]{1,40}")
# fmt: off
LOOKS: Mapping[str, str] = {  # state → how its badge looks
    "CONFIRMED": "good", "ACTIVE": "good", "captured": "good", "VALID": "good", "done": "good",
    "REFUND_STUCK": "cancelled", "DELETED": "cancelled", "declined": "cancelled",
    "SUSPENDED": "few", "REFUNDING": "few", "CANCELLING": "few",
    "EXPIRED": "closed", "FAILED": "closed", "CANCELLED": "closed", "REFUNDED": "closed", "cancelled": "closed",
}
KINDS: Mapping[Kind, str] = {
    Kind.CAPTURED_WITHOUT_BOOKING: "Money without a booking",
    Kind.BOOKING_WITHOUT_CAPTURE:  "Booking without money",
    Kind.REFUND_MISSING:           "Refund missing",
    Kind.REFUND_UNKNOWN:           "Refund nobody asked for",
    Kind.PROVIDER_DIFFERS:         "Provider says otherwise",
    Kind.SEAT_DIFFERS:             "Seats differ",
}
DONE: Mapping[str, str] = {
    "retried":     "Its refunds are being asked for again.",
    "compensated": "It is being undone; its money goes back.",
    "recorded":    "The refund is recorded as returned by hand.",
    "redriven":    "The message is being tried again.",
    "discarded":   "The message was given up; what waited behind it goes on.",
    "suspended":   "The tenant is suspended.",
    "activated":   "The tenant is active again.",
}
PROBLEMS: Mapping[str, str] = {
    "dead_letter_not_found": "That dead letter is no longer here: somebody may have been faster.",
    "nothing_to_retry":      "There is no open refund to ask for.",
    "cancellation_closed":   "There is nothing left to undo.",
    "refund_not_found":      "That refund is not open any more.",
    "invalid_body":          "Nothing was done: please fill in the field.",
    "tenant_provisioning":   "The tenant is still being made. Please try again in a moment.",
}
# fmt: on


def moment(instant: datetime) -> Markup:
    """`22 Nov 2026, 20:31:05 UTC`, readable for programs too."""
    local = instant.astimezone(UTC)
    says = f"{local.day} {local:%b %Y, %H:%M:%S} UTC"
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(), says)  # format escapes


def span(seconds: int) -> str:
    """The two largest units: `3 minutes`, `2 hours 5 minutes`."""
    parts = []
    left = max(0, seconds)
    for name, size in UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(words.count(number, name, f"{name}s"))
    return " ".join(parts[:2]) or "just now"


def money(minor: int, currency: str | None) -> str:
    """An amount; without a currency its minor units."""
    return words.amount(minor, currency) if currency else f"{minor:,}"


def indented(value: Any) -> Markup:
    """A value as JSON for people to read."""
    return escape(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def look(state: str) -> str:
    """The look of a state's badge."""
    return LOOKS.get(state, "soon")


def kind(value: Kind) -> str:
    return KINDS[value]


def done(code: str) -> str | None:
    """What an act led to; an unknown code says nothing."""
    return DONE.get(code)


def problem(code: str) -> str | None:
    """Why an act was refused, by the refusal's code."""
    if not code:
        return None
    named = f" ({code})" if CODE.fullmatch(code) else ""
    return PROBLEMS.get(code) or f"That did not work{named}. Nothing was changed."


FILTERS: Mapping[str, Callable[..., Any]] = {
    "moment": moment, "span": span, "money": money, "json": indented, "look": look, "kind": kind,
}  # fmt: skip
