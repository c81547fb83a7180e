"""What a log never says: passwords, tokens, tickets, card numbers and the passwords inside of addresses."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "[redacted]"
SECRET_NAMES = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|authorization|cookie|pepper|api_?key|card|cvc|cvv|\bpan$|private", re.I
)
TOKENS = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\bT1\.[\w-]{16,}\.[\w-]{16,}|(?i:\bbearer\s+)[\w.~+/=-]{8,}")
ADDRESS_PASSWORDS = re.compile(r"(://[^/\s:@]*:)[^@\s/]+@")
DIGIT_RUNS = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
UUIDS = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I)
CARD_GROUPS = re.compile(r"(?<!\w)\d{3,}(?:[ \u00a0\u2010-\u2015-]\d{3,})*(?!\w)")
NO_CARDS = ("0", "1")  # no card that is accepted begins so; times in milliseconds do
LONGEST_TEXT = 20_000
DEEPEST = 6


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor; it runs after tracebacks became text, so those are covered too."""
    for name, value in event.items():
        event[name] = HIDDEN if _is_secret(name, value) else _clean(value, 0)
    return event


def clean_text(text: str) -> str:
    """`text` without what must not be written down."""
    text = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    text = TOKENS.sub(HIDDEN, text)
    text = ADDRESS_PASSWORDS.sub(rf"\1{HIDDEN}@", text)
    return DIGIT_RUNS.sub(_hide_card, text)


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits satisfy the Luhn check, as every card number does."""
    if not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def holds_card_number(text: str) -> bool:
    """Whether somebody wrote a card number in `text`: 13 to 19 digits, in one piece or in groups of three and more."""
    for found in CARD_GROUPS.finditer(UUIDS.sub(" ", text)):
        groups = re.findall(r"\d+", found[0])
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) > 19:
                    break
                if is_card_number(digits) and str(int(digits[0])) not in NO_CARDS:
                    return True
    return False


def _is_secret(name: str, value: Any) -> bool:
    return value is not None and not isinstance(value, bool) and SECRET_NAMES.search(name) is not None


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bytes):
        return clean_text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return HIDDEN if is_card_number(str(value)) else value
    if depth < DEEPEST and isinstance(value, Mapping):
        return {
            key: HIDDEN if _is_secret(str(key), inner) else _clean(inner, depth + 1) for key, inner in value.items()
        }
    if depth < DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner, depth + 1) for inner in value]
    return value if isinstance(value, float) else clean_text(str(value))


def _hide_card(found: re.Match[str]) -> str:
    return HIDDEN if is_card_number(re.sub(r"\D", "", found[0])) else found[0]
