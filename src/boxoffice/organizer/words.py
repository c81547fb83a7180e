"""States, times and amounts in an organizer's words: pure functions, on the venue's clock."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from boxoffice.organizer.answers import Event, Progress
from boxoffice.pages import words

# fmt: off
EVENT_STATES: Mapping[str, tuple[str, str]] = {  # status, or what the sale says of a published one → look, words
    "DRAFT":      ("closed", "Draft"),
    "PUBLISHING": ("soon", "Going on sale"),
    "CANCELLED":  ("cancelled", "Cancelled"),
    "ENDED":      ("closed", "Over"),
    "open":       ("good", "On sale"),
    "not_yet":    ("soon", "Not on sale yet"),
    "sold_out":   ("sold-out", "Sold out"),
    "closed":     ("closed", "Sale ended"),
    "cancelled":  ("cancelled", "Cancelled"),
}
ORDER_STATES: Mapping[str, tuple[str, str]] = {
    "PENDING_PAYMENT": ("soon", "Awaiting payment"),
    "CANCELLING":      ("few", "Being called off"),
    "CONFIRMED":       ("good", "Paid"),
    "REFUNDING":       ("few", "Refund on its way"),
    "REFUND_STUCK":    ("cancelled", "Refund needs a person"),
    "EXPIRED":         ("closed", "Time ran out"),
    "FAILED":          ("closed", "Not paid"),
    "CANCELLED":       ("closed", "Given back"),
}
SEAT_STATES: Mapping[str, str] = {"REFUNDING": "refund on its way", "REFUNDED": "given back"}
DONE: Mapping[str, str] = {
    "cancelled": "The event is called off. Nothing more is sold, and every order is being refunded.",
    "refunded":  "The seats are being given back, and their money returned.",
}
PROBLEMS: Mapping[str, str] = {
    "not_published":       "Only an event that is on sale can be called off.",
    "cancellation_closed": "That order cannot be given back any more: somebody may have been faster.",
    "unknown_seat":        "One of those seats is no longer part of the order.",
    "not_confirmed_by_hand": "Nothing was done. Tick the box to confirm that you mean it.",
    "no_seat_chosen":      "Nothing was done. Choose at least one seat.",
    "invalid_body":        "Nothing was done: please say why.",
}
# fmt: on


def event_state(event: Event) -> tuple[str, str]:
    """The look of an event's badge, and its words."""
    return EVENT_STATES.get(event.sale if event.status == "PUBLISHED" else event.status, ("soon", event.status))


def order_state(status: str) -> tuple[str, str]:
    return ORDER_STATES.get(status, ("soon", status))


def seat_state(state: str) -> str | None:
    return SEAT_STATES.get(state)


def by_status(progress: Progress) -> list[tuple[str, int]]:
    """How many orders of a cancelled event are where, in words, in the order of their way."""
    known = [status for status in ORDER_STATES if progress.by_status.get(status)]
    return [(order_state(status)[1], progress.by_status[status]) for status in known]


def share(part: int, whole: int) -> int:
    """Per cent, rounded down, so that only all is 100."""
    return 100 * part // whole if whole else 0


def when(instant: datetime, zone: str) -> str:
    return words.date_and_time(instant, zone)


def short(instant: datetime, zone: str) -> str:
    return words.short_date_and_time(instant, zone)


def done(code: str) -> str | None:
    return DONE.get(code)


def problem(code: str) -> str | None:
    """Why an act was refused, by the refusal's code."""
    return PROBLEMS.get(code, "That did not work. Nothing was changed.") if code else None


FILTERS: Mapping[str, Callable[..., Any]] = {
    "when": when, "short": short, "money": words.amount, "event_state": event_state, "order_state": order_state,
    "seat_state": seat_state, "by_status": by_status, "share": share,
}  # fmt: skip
