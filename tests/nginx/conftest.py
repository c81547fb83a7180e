"""The real nginx with our configuration, in front of a gateway that only notes and tells what reached it."""

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.listening import is_open, listening
from tests.support.platform import free_ports
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

DOMAIN = "tickets.example"


class Behind:
    """What stands behind nginx: tells the caller, as JSON would, what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], int]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.seen.append((scope["method"], scope["path"], headers, size))
        body = headers.get("host", "").encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Street:
    """A way to say to nginx whatever one likes."""

    def __init__(self, port: int, trust: ssl.SSLContext, behind: Behind) -> None:
        self.port = port
        self.trust = trust
        self.behind = behind

    async def connect(self, name: str = f"acme.{DOMAIN}") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust, server_hostname=name)

    async def say(self, said: bytes, name: str = f"acme.{DOMAIN}") -> Answer:
        """Say something and read one answer; status 0 when the connection is closed without one."""
        reader, writer = await self.connect(name)
        try:
            writer.write(said)
            return await read_answer(reader)
        finally:
            writer.close()

    async def get(self, path: str = "/", host: str = f"acme.{DOMAIN}", more: str = "") -> Answer:
        return await self.say(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode("latin-1"))


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0, {}, b"")
    status, *fields = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    body = b""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(status.split()[1]), headers, body)


class Nginx(NamedTuple):
    """Where it listens, how it is trusted, what keeps it, and where its files are."""

    port: int
    trust: ssl.SSLContext
    process: asyncio.subprocess.Process
    data: Path


@asynccontextmanager
async def nginx_before(url: str) -> AsyncIterator[Nginx]:
    """Our nginx before what listens there."""
    (port,) = free_ports(1)
    with temporary_folder() as folder:
        environment = {
            "PATH": os.defpath, "PYTHONPATH": str(Path("src").absolute()), "BOXOFFICE_DATA": str(folder / "data"),
            "BOXOFFICE_TLS_PORT": str(port), "BOXOFFICE_DOMAIN": DOMAIN, "BOXOFFICE_DEMO": "0",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "boxoffice", "nginx", "--gateway", url.removeprefix("http://"),
            cwd="/", env=environment,
        )  # fmt: skip
        authority = folder / "data" / "secrets" / "tls" / "authority.pem"
        await eventually(lambda: is_open(port), within=60)
        yield Nginx(port, ssl.create_default_context(cafile=str(authority)), process, folder / "data")
        process.terminate()
        assert await process.wait() == 0


@pytest.fixture(scope="session")
async def street() -> AsyncIterator[Street]:
    behind = Behind()
    async with listening(behind) as url, nginx_before(url) as nginx:
        yield Street(nginx.port, nginx.trust, behind)
