"""Bodies: JSON read strictly from raw bytes; the only answers to a bad one are 400 and 422, and none repeats it."""

import asyncio
import json
import re
from datetime import datetime
from functools import cache
from typing import Annotated, Any, NoReturn

import msgspec

from boxoffice.kernel.errors import Invalid, Malformed
from boxoffice.telemetry.redaction import holds_card_number

DEEPEST = 32
READ_AT_ONCE = 1024 * 1024
LARGEST_INTEGER = 2**53 - 1  # what every JSON reader holds exactly (RFC 7493, section 2.2)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

# Only bodies with one of these need their values looked at: an escape, which may hide anything, 13 digits (the least of
# a card number, or an integer that is too long), or a run of characters beyond ASCII, which has digits of its own.
SUSPICIOUS = re.compile(rb"\\u|[0-9](?:(?:[ -]|[\x80-\xff]{2,3})?[0-9]){12}|[\x80-\xff]{26}")
PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
NAMED = re.compile(r"(?:unknown|required) field `(.*)`$", re.DOTALL)
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
# fmt: off
CODES = (  # the beginning of msgspec's message → the code of our error
    ("Object contains unknown",        "unknown_field"),
    ("Object missing required",        "missing_field"),
    ("Invalid",                        "bad_value"),
    ("Expected `str` of length",       "bad_length"),
    ("Expected `array` of length",     "bad_length"),
    ("Expected `object` of length",    "bad_length"),
    ("Expected `str` matching",        "bad_value"),
    ("Expected `datetime` with",       "bad_value"),
    ("Expected `int` ",                "out_of_range"),
    ("Expected `float` ",              "out_of_range"),
    ("Integer value out of range",     "out_of_range"),
    ("Number out of range",            "out_of_range"),
    ("Expected",                       "wrong_type"),
)
# fmt: on


class Reader:
    """Reads bodies of one type; made once per door."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self.may_be_empty = accepts(kind, {}) or accepts(kind, None)
        self._empty = b"{}" if accepts(kind, {}) else b"null"

    async def read(self, raw: bytes) -> Any:
        """The value of a body; a large one is read in a thread, so that others are served meanwhile."""
        return self.parse(raw) if len(raw) <= READ_AT_ONCE else await asyncio.to_thread(self.parse, raw)

    def parse(self, raw: bytes) -> Any:
        """The value of a body. Raises Malformed `malformed_body` (400) or Invalid `invalid_body` (422)."""
        if not raw and self.may_be_empty:
            raw = self._empty
        tree = _scan(raw)
        if raw.count(b"[") + raw.count(b"{") > DEEPEST:
            _require_shallow(tree)
        if SUSPICIOUS.search(raw) is not None:
            _require_plain(tree)
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise Invalid("invalid_body", "The body has a value that cannot be accepted.", [explain(error)]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("The body is not JSON.") from None


@cache
def _reader(kind: Any) -> Reader:
    return Reader(kind)


def parse(raw: bytes, kind: Any) -> Any:
    """The value of a body of type `kind`; see Reader.parse."""
    return _reader(kind).parse(raw)


def malformed(detail: str) -> Malformed:
    return Malformed("malformed_body", detail)


def explain(error: msgspec.ValidationError) -> dict[str, str]:
    """What was wrong and where, without the value that was sent."""
    message = str(error)
    path = ""
    place = PLACE.search(message)
    if place is not None:
        path, message = place[1], message[: place.start()]
    named = NAMED.search(message)
    if named is not None:
        if FIELD_NAME.fullmatch(named[1]):
            path = f"{path}.{named[1]}" if path else named[1]
        message = "This field is not known." if "unknown" in message else "This field is missing."
        return {"path": path, "code": "unknown_field" if "not known" in message else "missing_field", "detail": message}
    if message.startswith("Invalid enum value"):
        return {"path": path, "code": "bad_value", "detail": "This is not one of the values that can be given."}
    if message.startswith("Expected `str` matching"):
        return {"path": path, "code": "bad_value", "detail": "This does not have the expected form."}
    code = next((code for beginning, code in CODES if message.startswith(beginning)), "bad_value")
    return {"path": path, "code": code, "detail": message.replace("`", "") + "."}


def accepts(kind: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, type=kind)
    except msgspec.ValidationError:
        return False
    return True


def _scan(raw: bytes) -> Any:
    """The plain tree of a JSON text (RFC 8259) whose objects name no member twice."""
    try:
        return _SCANNER.decode(raw.decode())
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or an integer of thousands of digits
        raise malformed("The body is not JSON.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise malformed("An object in the body names a member twice.")
    return members


def _no_such_number(_: str) -> NoReturn:
    raise malformed("The body has a number that JSON does not know.")


_SCANNER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_such_number)


def _require_shallow(tree: Any) -> None:
    level = [tree]
    for _ in range(DEEPEST):
        level = [
            child
            for value in level
            for child in (value.values() if type(value) is dict else value if type(value) is list else ())
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise malformed("The body is nested too deeply.")


def _require_plain(tree: Any) -> None:
    """No NUL, which PostgreSQL's text cannot hold, no integer that a reader may round, and nobody's card number."""
    waiting = [("", tree)]
    while waiting:
        path, value = waiting.pop()
        if type(value) is dict:
            waiting.extend((path, name) for name in value)
            waiting.extend((_inside(path, name), inner) for name, inner in value.items())
        elif type(value) is list:
            waiting.extend((f"{path}[{place}]", inner) for place, inner in enumerate(value))
        elif type(value) is str:
            if "\x00" in value:
                raise malformed("The body has a NUL character in a text.")
            if len(value) >= 13 and holds_card_number(value):
                said = "The body has a card number in a text; nobody here may know it."
                raise _unacceptable(said, path, "card_number", "Card numbers belong on the payment provider's page.")
        elif type(value) is int and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise _unacceptable(
                "The body has an integer that is too large.", "", "out_of_range", "Integer value out of range."
            )


def _inside(path: str, name: str) -> str:
    """The path of a member; a name that is none of ours is not repeated."""
    shown = name if FIELD_NAME.fullmatch(name) and not holds_card_number(name) else "…"
    return f"{path}.{shown}" if path else shown


def _unacceptable(said: str, path: str, code: str, detail: str) -> Invalid:
    return Invalid("invalid_body", said, [{"path": path, "code": code, "detail": detail}])
