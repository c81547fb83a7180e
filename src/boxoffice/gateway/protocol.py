"""HTTP/1.1 at the edge: what must be settled while a request is still being read, before there is a request at all."""

import asyncio
from asyncio import TimerHandle
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from boxoffice.doors import problem
from boxoffice.gateway.answers import SECURITY_HEADERS
from boxoffice.kernel.errors import Malformed, Refusal

HEADER_BYTES = 64 * 1024
HEADER_FIELDS = 200
KEPT_BYTES = 64 * 1024
HEADER_SECONDS = 10.0
AUTHORITY = "boxoffice.authority"


class HeadTooLarge(Refusal):
    status, title = 431, "Request header fields too large"


class JoiningTransport:
    """A transport that writes what is said in one turn of the loop in one piece: head and body of an answer.

    More than 64 KiB it does not keep, so that a long stream is slowed down by a slow reader as ever.
    """

    __slots__ = ("_inner", "_parts", "_size")

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > KEPT_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        if self._parts:
            said = b"".join(self._parts)
            self._parts, self._size = [], 0
            self._inner.write(said)


class EdgeProtocol(HttpToolsProtocol):
    """uvicorn's protocol, stricter.

    The head of a request arrives within ten seconds and 64 KiB; the authority of an absolute target is kept for the
    gateway to compare with Host (uvicorn drops it); what cannot be parsed is answered by a problem document.
    """

    head_seconds = HEADER_SECONDS
    _head_bytes = 0
    _head_deadline: TimerHandle | None = None
    _refusal: Refusal | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(JoiningTransport(transport))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._head_deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.strip(b" \t"))  # no part of the value (RFC 9110, section 5.5)
        self._count(len(name) + len(value) + 4)
        if len(self.headers) > HEADER_FIELDS:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        if not self.url.startswith(b"/"):
            self._keep_authority()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        refusal = self._refusal or Malformed("malformed_request", "This is not a valid HTTP/1.1 request.")
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # in the middle of an answer nothing else can be said
            return
        content = msgspec.json.encode(problem.document(refusal))
        lines = [STATUS_LINE.get(refusal.status, STATUS_LINE[400])]
        fields = (
            (b"content-type", problem.CONTENT_TYPE.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
        )
        lines += [name + b": " + value + b"\r\n" for name, value in fields]
        self.transport.write(b"".join([*lines, b"\r\n", content]))
        self.transport.close()

    def _keep_authority(self) -> None:
        parsed: Any = httptools.parse_url(self.url)
        if parsed.host is not None:
            port = f":{parsed.port}" if parsed.port else ""
            self.scope["extensions"] = {AUTHORITY: parsed.host.decode("latin-1").lower() + port}

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEADER_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        """Stop the parser; it reports an error, and that is answered by this refusal."""
        self._refusal = HeadTooLarge("headers_too_large", f"The header fields exceed {HEADER_BYTES // 1024} KiB.")
        raise ValueError("header fields too large")

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_is_here(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        self._head_deadline = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
