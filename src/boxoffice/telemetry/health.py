"""The admin port: whether this process lives, whether it is ready, and its metrics; for the machine's own eyes only."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
import uvicorn

from boxoffice.telemetry import metrics

CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[bool]]


class Health:
    """An ASGI application: `/health/live`, `/health/ready` (503 while a check fails), `/metrics`."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, content = await self._answer(scope["path"])
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content if scope["method"] != "HEAD" else b""})

    async def _answer(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/health/live":
                return 200, "application/json", b'{"status":"live"}'
            case "/health/ready":
                found = dict(zip(self._checks, await asyncio.gather(*map(_holds, self._checks.values())), strict=True))
                status = "ready" if all(found.values()) else "not_ready"
                content = msgspec.json.encode({"status": status, "checks": found})
                return (200 if status == "ready" else 503), "application/json", content
            case "/metrics":
                return 200, metrics.EXPOSITION_TYPE, await asyncio.to_thread(metrics.exposition)
            case _:
                return 404, "application/json", b'{"status":"not_found"}'


async def _holds(check: Check) -> bool:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except Exception:
        return False


class _Server(uvicorn.Server):
    """Leaves signals to the process around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(health: Health, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a listening socket until `stop`; it is closed then."""
    config = uvicorn.Config(health, lifespan="off", access_log=False, log_config=None, server_header=False)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await stop.wait()
    finally:
        server.should_exit = True
        await serving
        listening.close()
