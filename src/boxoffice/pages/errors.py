"""Error pages: what happened, in a visitor's words, by code or else by status. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorView:
    """An error page: what happened, in a visitor's words, and whether waiting helps."""

    status: int
    title: str
    text: str


ERROR_TEXTS = {
    "tenant_not_found": ("Nobody sells here", "There is no box office at this address. Please check the link."),
    "tenant_suspended": (
        "Sales are paused",
        "This organizer is not selling tickets at the moment. Tickets that you have stay valid.",
    ),
    "tenant_provisioning": ("Almost ready", "This box office is being set up. Please try again in a moment."),
    "rate_limited": ("A little too fast", "Please wait a moment before you try again."),
    "overloaded": ("There is a rush right now", "Many people are buying. Please try again in a moment."),
}
STATUS_TEXTS = {
    401: ("Please sign in", "This page is for the person it belongs to."),
    403: ("Not for you", "You may not open this page."),
    404: ("Nothing here", "This page does not exist, or it is not yours to see."),
    405: ("Not like this", "This address does not take that kind of request."),
    429: ("A little too fast", "Please wait a moment before you try again."),
    503: ("Back in a moment", "Something needs a moment of rest. Please try again."),
}
OTHER_TEXT = ("Something went wrong", "This is our fault, not yours. Please try again.")


def error_view(status: int, code: str) -> ErrorView:
    title, text = ERROR_TEXTS.get(code) or STATUS_TEXTS.get(status) or OTHER_TEXT
    return ErrorView(status, title, text)
