"""What stands before a service in a process of its own: its health, and the question whether one of us is calling."""

from collections.abc import Mapping
from typing import Any

import msgspec

from boxoffice.doors import deadline, problem
from boxoffice.doors.identity import Verifier, invalid_token
from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.doors.sockets import answering
from boxoffice.kernel.caller import Kind
from boxoffice.kernel.errors import Refusal
from boxoffice.remote.upstream import ANSWER_SECONDS, PASS
from boxoffice.telemetry.health import Check, Health

NOTICE_SECONDS = 1.0  # how long a process that is to end goes on serving, and says with every answer that it leaves
INSIDE = ("/health/", "/metrics")


def parting(send: Send) -> Send:
    """The `send` of a process that is about to end: every answer asks for no further request."""

    async def last(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return last


class Entrance:
    """Lets in who brings a pass: a token of one of our own services for this one.

    On whose behalf they come is for the service to ask, which believes no header that merely names somebody.
    """

    def __init__(self, name: str, service: Any, verifier: Verifier, checks: Mapping[str, Check]) -> None:
        self._name = name
        self._service = service
        self._verifier = verifier
        self._health = Health(checks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(INSIDE):
            await self._health(scope, receive, send)
            return
        given = dict(scope["headers"]) if scope["type"] in ("http", "websocket") else {}
        if not await self._knows(given.get(PASS.encode(), b"")):
            await _refuse(send if scope["type"] == "http" else answering(send), invalid_token())
            return
        if scope["type"] != "http":  # a socket stays open for as long as both sides like
            await self._service(scope, receive, send)
            return
        left = given.get(deadline.HEADER.encode(), b"")
        with deadline.within(int(left) / 1000 if left.isdigit() else ANSWER_SECONDS):
            await self._service(scope, receive, send)

    async def _knows(self, token: bytes) -> bool:
        try:
            caller = await self._verifier.bearer(token.decode("latin-1"), tenant=None, service=self._name)
        except Refusal:
            return False
        return caller.kind is Kind.PEER


async def _refuse(send: Send, refusal: Refusal) -> None:
    content = msgspec.json.encode(problem.document(refusal))
    headers = [(b"content-type", problem.CONTENT_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
