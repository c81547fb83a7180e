"""A small real SMTP server (RFC 5321): keeps what it takes, and can be stopped and started on the same port."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

Verdict = Callable[[str], str | None]


class TinyMailServer:
    """`verdict` may answer a recipient with a reply of its own ("550 no such user"), or None to take the mail.

    After "hang up" as a verdict the connection ends at once; after "crash" it ends when the mail has been taken.
    """

    def __init__(self, verdict: Verdict = lambda recipient: None) -> None:
        self.verdict = verdict
        self.taken: list[tuple[str, EmailMessage]] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, recipient: str) -> list[EmailMessage]:
        return [mail for to, mail in self.taken if to == recipient]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            writer.write(b"220 tiny\r\n")
            recipient = ""
            while line := (await reader.readline()).decode().strip():
                verb = line[:4].upper()
                if verb == "RCPT":
                    recipient = line[line.index("<") + 1 : line.index(">")]
                    answer = self.verdict(recipient) or "250 ok"
                    if answer == "hang up":
                        break
                    writer.write(("250 ok" if answer == "crash" else answer).encode() + b"\r\n")
                elif verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    self.taken.append((recipient, await _read_mail(reader)))
                    if self.verdict(recipient) == "crash":
                        break
                    writer.write(b"250 taken\r\n")
                else:
                    writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 tiny\r\n")
                    if verb == "QUIT":
                        break
                await writer.drain()
        writer.close()


async def _read_mail(reader: asyncio.StreamReader) -> EmailMessage:
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line[1:] if line.startswith(b"..") else line)
    return message_from_bytes(b"".join(lines), policy=default)
