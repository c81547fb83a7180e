"""Requests: headers, query and body taken from ASGI, each with a limit, each refusal the caller's to mend."""

import string
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from boxoffice.doors import body
from boxoffice.kernel.errors import Invalid, Malformed, TooLarge, UnsupportedMediaType

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Headers that must come once: read twice by two readers, they are two requests.
SINGLE = frozenset(
    {
        "host", "authorization", "guest-token", "idempotency-key", "content-type", "content-length",
        "content-encoding", "origin", "x-request-id", "traceparent",
    }
)  # fmt: skip
JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
MOST_QUERY_FIELDS = 100
MOST_WAIT_SECONDS = 15  # less than a gateway waits for the answer of a service in another process
VISIBLE = frozenset(string.digits + string.ascii_letters + string.punctuation)


class ClientGone(Exception):
    """The client went away before its request was complete."""


def headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name, repeated ones joined. Raises Malformed `malformed_headers`."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in found:
            if name in SINGLE:
                raise Malformed("malformed_headers", f"The header {name} came more than once.")
            value = found[name] + ("; " if name == "cookie" else ", ") + value
        found[name] = value
    if "host" not in found:
        raise Malformed("malformed_headers", "The header host is missing.")
    return found


def idempotency_key(value: str | None, required: bool) -> str | None:
    """The Idempotency-Key. Raises Malformed `idempotency_key_required` or `idempotency_key_invalid`."""
    if value is None:
        if required:
            raise Malformed("idempotency_key_required", "This request needs an Idempotency-Key.")
        return None
    if not 1 <= len(value) <= 255 or not VISIBLE.issuperset(value):
        raise Malformed("idempotency_key_invalid", "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return value


def preferred_wait(value: str | None) -> int:
    """For how many seconds the answer may wait (`Prefer: wait=N`, RFC 7240), at most 15; what cannot be read is 0."""
    for preference in (value or "").split(","):
        name, _, seconds = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            seconds = seconds.strip().strip('"')
            return min(int(seconds[:9]), MOST_WAIT_SECONDS) if seconds.isascii() and seconds.isdecimal() else 0
    return 0


def require_json(headers: Mapping[str, str]) -> None:
    """Raises UnsupportedMediaType `unsupported_media_type` for any body but JSON in UTF-8."""
    value = headers.get("content-type", "").lower()
    if value not in JSON_TYPES:
        kind, _, parameters = value.partition(";")
        if kind.strip() != "application/json" or parameters.replace(" ", "").strip('"') not in ("", "charset=utf-8"):
            raise UnsupportedMediaType("unsupported_media_type", "Send application/json in UTF-8.")


def require_plain(headers: Mapping[str, str]) -> None:
    """Raises UnsupportedMediaType for a compressed body: nobody unpacks a stranger's archive here."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("unsupported_media_type", "Send the body without Content-Encoding.")


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to exceed `limit` bytes, ClientGone if it never ends."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        content: bytes = message.get("body", b"")
        if len(content) > limit:
            raise _too_large(limit)
        return content
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def _too_large(limit: int) -> TooLarge:
    return TooLarge("too_large", f"The body is larger than {limit // 1024} KiB.", limit_bytes=limit)


class QueryReader:
    """Reads query strings into one struct; made once per door. Parameters that the struct lacks are passed over."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind
        described = msgspec.inspect.type_info(kind)
        assert isinstance(described, msgspec.inspect.StructType)
        self._many = {each.encode_name: _is_list(each.type) for each in described.fields}
        self._empty = body.accepts(kind, {})

    def read(self, query: bytes) -> Any:
        """Raises Invalid `invalid_query`."""
        if not query and self._empty:
            return self._kind()
        found: dict[str, Any] = {}
        try:
            # NUL is the one character that PostgreSQL's text cannot hold: as U+FFFD it is found nowhere either.
            text = query.decode("latin-1").replace("%00", "%EF%BF%BD").replace("\x00", "%EF%BF%BD")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS)
        except ValueError:
            raise invalid("", "bad_value", "There are too many parameters.") from None
        for name, value in pairs:
            many = self._many.get(name)
            if many is None:
                continue
            if many:
                found.setdefault(name, []).append(value)
            elif name in found:
                raise invalid(name, "bad_value", "This parameter can be given once only.")
            else:
                found[name] = value
        try:
            return msgspec.convert(found, type=self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid("invalid_query", "A parameter cannot be accepted.", [body.explain(error)]) from None


def invalid(path: str, code: str, detail: str) -> Invalid:
    """A parameter that cannot be accepted."""
    error = {"path": path, "code": code, "detail": detail}
    return Invalid("invalid_query", "A parameter cannot be accepted.", [error])


def _is_list(kind: msgspec.inspect.Type) -> bool:
    lists = (msgspec.inspect.ListType, msgspec.inspect.SetType, msgspec.inspect.FrozenSetType)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_list(each) for each in kind.types)
    return isinstance(kind, (*lists, msgspec.inspect.VarTupleType))
