"""Money, dates and problems in words, as pages show them: pure functions, the venue's clock, never the server's."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINOR_DIGITS = {"BHD": 3, "CLP": 0, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥", "INR": "₹"}
NO_BREAK_SPACE = "\u00a0"

PROBLEMS = {
    "bad_credentials": "That e-mail address and password do not belong together.",
    "email_taken": "There is already an account with this e-mail address. Sign in instead?",
    "invalid_body": "Please check the fields marked below.",
    "rate_limited": "Too many tries. Please wait a moment.",
    "hold_gone": "The time for these seats has run out. They may still be free.",
    "hold_consumed": "These seats have already been booked.",
    "overloaded": "There is a rush right now. Please try again in a moment.",
}
FIELD_PROBLEMS = {
    "email": "Please enter an e-mail address like name@example.com.",
    "password": "Please choose a longer password.",
    "first_name": "Please enter your first name.",
    "last_name": "Please enter your last name.",
}


def amount(minor: int, currency: str) -> str:
    """`4500, "EUR"` → `€45.00`."""
    digits = MINOR_DIGITS.get(currency, 2)
    number = f"{minor / 10**digits:,.{digits}f}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency}{NO_BREAK_SPACE}{number}"


def price(minor: int, currency: str) -> str:
    """An amount, with zero called by its name."""
    return "Free" if minor == 0 else amount(minor, currency)


def venue_time(instant: datetime, time_zone: str) -> datetime:
    """The instant on the venue's own clock; an unknown zone is shown in UTC."""
    try:
        return instant.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        return instant.astimezone(ZoneInfo("UTC"))


def date_and_time(instant: datetime, time_zone: str) -> str:
    """`Friday 12 March 2027, 19:30`."""
    local = venue_time(instant, time_zone)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M}"


def short_date_and_time(instant: datetime, time_zone: str) -> str:
    """`Fri 12 Mar, 19:30`."""
    local = venue_time(instant, time_zone)
    return f"{local:%a} {local.day} {local:%b, %H:%M}"


def zone_words(time_zone: str) -> str:
    """`Europe/Berlin` → `Berlin time`."""
    return f"{time_zone.rsplit('/', 1)[-1].replace('_', ' ')} time"


def count(number: int, one: str, many: str) -> str:
    """`1 ticket`, `2 tickets`, `1,200 tickets`."""
    return f"{number:,} {one if number == 1 else many}"


def problem_words(code: str, detail: str | None) -> str:
    """What went wrong, in words a buyer can act on."""
    return PROBLEMS.get(code) or detail or "That did not work. Please try again."


def field_words(errors: list[dict[str, str]]) -> dict[str, str]:
    """Field errors of a refused form: field → words."""
    return {error["path"]: FIELD_PROBLEMS.get(error["path"], error.get("detail", "")) for error in errors}
