"""Requests straight to an ASGI application, as a server would make them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.content)

    @property
    def code(self) -> str:
        return str(self.json["code"])


async def request(
    app: Application,
    method: str,
    path: str,
    *,
    host: str | None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    json: Any = None,
    body: bytes | Sequence[bytes] = b"",
    query: str = "",
    disconnect: bool = False,
    until: asyncio.Event | None = None,
) -> Response | None:
    """What the application answers, or None if it sends nothing. A `body` of several parts comes in several messages.

    With `disconnect` the client goes away where the last part would have ended; with `until` it does not before that.
    """
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if host is not None:
        pairs.insert(0, ("host", host))
    if json is not None:
        body = msgspec.json.encode(json)
        pairs.append(("content-type", "application/json"))
    parts = [body] if isinstance(body, bytes) else list(body)
    messages = [
        {"type": "http.request", "body": part, "more_body": disconnect or place < len(parts)}
        for place, part in enumerate(parts, start=1)
    ]
    incoming = iter(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        message = next(incoming, None)
        if message is None and until is not None:
            await until.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
    }  # fmt: skip
    await app(scope, receive, send)
    if not sent:
        return None
    answered = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Response(sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:]))
