"""WebSockets that are not open yet: they can still be answered by HTTP."""

from typing import Any

from boxoffice.doors.request import Send

MESSAGE_BYTES = 1024 * 1024


def answering(send: Send) -> Send:
    """A `send` for an HTTP answer in place of the handshake's."""

    async def answer(message: dict[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return answer
