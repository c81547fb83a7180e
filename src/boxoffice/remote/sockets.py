"""A WebSocket of a service in another process, open on both sides: carried both ways until one side ends it."""

import asyncio

import aiohttp

from boxoffice.doors.request import Receive, Send

CLOSE_SECONDS = 5.0  # that the other side gets to answer a close
NORMAL, NO_CODE, GONE_WRONG = 1000, 1005, 1011
NEVER_SENT = frozenset({1004, NO_CODE, 1006, 1015})  # they only describe (RFC 6455, section 7.4.1)


async def carry(far: aiohttp.ClientWebSocketResponse, receive: Receive, send: Send) -> None:
    """Messages as they are, and the code by which one side closes; pings are each side's own."""
    ways = [asyncio.create_task(_onward(receive, far)), asyncio.create_task(_back(far, send))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _onward(receive: Receive, far: aiohttp.ClientWebSocketResponse) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await far.send_str(message["text"])
        else:
            await far.send_bytes(message["bytes"])
    await far.close(code=_sendable(message.get("code")))


async def _back(far: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    async for message in far:
        kind = "text" if message.type is aiohttp.WSMsgType.TEXT else "bytes"
        await send({"type": "websocket.send", kind: message.data})
    await send({"type": "websocket.close", "code": _sendable(far.close_code)})


def _sendable(code: int | None) -> int:
    """The code to close one side with after the other was closed with this one, or was cut."""
    if code in (None, NO_CODE):
        return NORMAL
    return GONE_WRONG if code in NEVER_SENT else int(code or NORMAL)
