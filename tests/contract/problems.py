"""What every refusal has in common, and requests that no HTTP client would make."""

import asyncio
from typing import Any

from tests.support.platform import Platform, Reply

MEMBERS = {"type", "title", "status", "detail", "code"}
PROBLEM = "application/problem+json"


def problem(reply: Reply) -> tuple[int, str]:
    """The status and code of a problem document, which is complete (RFC 9457) and says nothing of our insides."""
    assert reply.headers["Content-Type"] == PROBLEM, reply
    assert set(reply.json) >= MEMBERS, reply
    assert reply.json["status"] == reply.status, reply
    assert all(isinstance(reply.json[name], str) and reply.json[name] for name in MEMBERS - {"status"}), reply
    for inside in (b"Traceback", b"asyncpg", b"SELECT", b".py"):
        assert inside not in reply.body, reply
    return reply.status, str(reply.json["code"])


def wrong_paths(reply: Reply) -> list[str]:
    """Where a 422 found something wrong."""
    assert reply.status == 422, reply
    problem(reply)
    assert all(set(error) >= {"path", "code", "detail"} for error in reply.json["errors"]), reply
    return [error["path"] for error in reply.json["errors"]]


async def say(platform: Platform, request: str | bytes) -> tuple[int, bytes]:
    """Write these very bytes to the platform's socket; the status and the body of what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.port)
    try:
        writer.write(request.encode("latin-1") if isinstance(request, str) else request)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
            }
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        return int(head.split()[1]), body
    finally:
        writer.close()


def fields(value: Any) -> set[str]:
    """The member names of an object."""
    assert isinstance(value, dict), value
    return set(value)
