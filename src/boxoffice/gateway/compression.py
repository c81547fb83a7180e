"""Compression of answers on their way out: of those that are for everybody, and of no others.

A secret that is compressed together with something of an attacker's choice can be guessed by the length of the answer
(BREACH). What a service calls public has no secret in it; the plans of large halls, which are what is long, are public.
"""

import re
import zlib
from typing import Any

from boxoffice.doors.request import Send
from boxoffice.gateway.exchange import Exchange, Header

LEAST_BYTES = 1024  # less fits into one packet anyhow
LEVEL = 5
GZIP_WINDOW = 31  # zlib's word for: with gzip's frame
REFUSED = re.compile(rb"q=0(\.0*)?")
TYPES = (b"application/json", b"text/html", b"text/css", b"text/javascript", b"image/svg+xml")


def compressed(exchange: Exchange, start: dict[str, Any], send: Send) -> tuple[dict[str, Any], Send]:
    """The head of an answer and the `send` for it and its body: compressed ones where that is wanted and safe."""
    said: dict[bytes, bytes] = dict(start["headers"])
    if not _may_be(start["status"], said):
        return start, send
    headers: list[Header] = [*start["headers"], (b"vary", b"accept-encoding")]
    if exchange.method != "GET" or not accepts_gzip(exchange.given.get(b"accept-encoding", b"")):
        return {**start, "headers": headers}, send
    kept = [(name, _weak(value) if name == b"etag" else value) for name, value in headers if name != b"content-length"]
    return {**start, "headers": [*kept, (b"content-encoding", b"gzip")]}, _Packing(send)


def accepts_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip (or everything) and does not rule it out."""
    for part in accepted.lower().split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            return REFUSED.fullmatch(weight.strip()) is None
    return False


def _may_be(status: int, said: dict[bytes, bytes]) -> bool:
    public = b"public" in said.get(b"cache-control", b"").lower().replace(b" ", b"").split(b",")
    plain = b"content-encoding" not in said and b"set-cookie" not in said
    size = said.get(b"content-length", b"")
    long = not size.isdigit() or int(size) >= LEAST_BYTES
    return status == 200 and public and plain and long and said.get(b"content-type", b"").startswith(TYPES)


def _weak(tag: bytes) -> bytes:
    """The same content in other bytes: equal, but not byte for byte (RFC 9110, section 8.8.1)."""
    return tag if tag.startswith(b"W/") else b"W/" + tag


class _Packing:
    """A `send` that packs bodies; what a service sends in parts leaves in parts."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            more = message.get("more_body", False)
            body = self._packer.compress(message.get("body", b""))
            body += self._packer.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
            message = {**message, "body": body}
        await self._send(message)
