"""What the edge says itself: problem documents for programs, pages for people, and the fields on every answer."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from boxoffice.doors import problem
from boxoffice.doors.request import Send
from boxoffice.gateway.exchange import Exchange, Header
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.tenancy import Tenant

# On every answer unless the service chose otherwise; pages bring a stricter Content-Security-Policy of their own.
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=(), payment=()"),
)
STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# Said by the edge alone: a service behind it has no word in these.
OWN_HEADERS = frozenset({b"server", b"date", b"x-request-id", b"connection", b"keep-alive"})

HTML = b"text/html; charset=utf-8"
# Fields of a problem document that the page in its place says anew.
SAID_ANEW = frozenset({b"content-type", b"content-length", b"content-security-policy", STRICT_TRANSPORT[0]})

RenderError = Callable[[int, str, Tenant | None], bytes]


def finish(headers: Iterable[Header], exchange: Exchange) -> list[Header]:
    """A service's header fields with the edge's own added."""
    kept = [(name, value) for name, value in headers if name not in OWN_HEADERS]
    said = {name for name, _ in kept}
    kept += [header for header in exchange.answer_headers if header[0] not in said]
    kept += [header for header in SECURITY_HEADERS if header[0] not in said]
    if exchange.scope.get("scheme") == "https":
        kept.append(STRICT_TRANSPORT)
    return kept


async def send_refusal(exchange: Exchange, refusal: Refusal, send: Send, render: RenderError) -> None:
    """A refusal of the edge, as a page for a person who asked for a page, else as a problem document."""
    extra = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in refusal.headers.items()]
    if exchange.for_a_person:
        content, kind = render(refusal.status, refusal.code, exchange.tenant), HTML
        extra.append((b"content-security-policy", PAGE_POLICY))
    else:
        content, kind = msgspec.json.encode(problem.document(refusal)), problem.CONTENT_TYPE.encode()
    if refusal.status == 413 and not _will_end(exchange):
        extra.append((b"connection", b"close"))
    await send_content(exchange, refusal.status, content, kind, send, [*extra, (b"cache-control", b"no-store")])


async def send_page(
    exchange: Exchange, status: int, problem_document: bytes, headers: Iterable[Header], send: Send, render: RenderError
) -> None:
    """A service's problem document as the page that a person asked for."""
    try:
        code = msgspec.json.decode(problem_document, type=_Code).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = ""
    content = render(status, code, exchange.tenant)
    kept = [header for header in headers if header[0] not in SAID_ANEW]
    await send_content(exchange, status, content, HTML, send, [*kept, (b"content-security-policy", PAGE_POLICY)])


async def send_fault(exchange: Exchange, send: Send) -> None:
    """A fault of the edge: nothing about it leaves the log."""
    content = msgspec.json.encode(problem.fault_document(exchange.request_id))
    await send_content(exchange, 500, content, problem.CONTENT_TYPE.encode(), send)


async def send_content(
    exchange: Exchange, status: int, content: bytes, kind: bytes, send: Send, extra: Sequence[Header] = ()
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), *extra]
    closes = [header for header in extra if header[0] == b"connection"]  # `finish` drops a service's, not ours
    await send({"type": "http.response.start", "status": status, "headers": finish(headers, exchange) + closes})
    await send({"type": "http.response.body", "body": content if exchange.method != "HEAD" else b""})


PAGE_POLICY = (
    b"default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; script-src 'self'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
DRAINED_BYTES = 64 * 1024 * 1024


def _will_end(exchange: Exchange) -> bool:
    """Whether reading the rest of the body is worth it: closing at once would cut off the answer for many clients."""
    length = exchange.given.get(b"content-length", b"")
    return length.isdigit() and int(length) <= DRAINED_BYTES


class _Code(msgspec.Struct):
    code: str = ""
