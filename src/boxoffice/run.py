"""One process of the platform: web (all services behind the gateway), worker, or both, until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn
import uvloop

from boxoffice import app
from boxoffice.gateway.protocol import EdgeProtocol
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

ROLES = ("web", "worker")
DRAIN_SECONDS = 20
BACKLOG = 2048
# Hundreds of requests in flight are garbage to nobody: young objects are looked through less often than by default.
GARBAGE_THRESHOLDS = (20_000, 20, 20)


def run(settings: Settings, roles: Sequence[str], *, listening_fd: int | None, lifeline_fd: int | None) -> None:
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise StartupProblem(f"there is no role {unknown[0]!r}: choose of {', '.join(ROLES)}")
    if not (settings.database_url and settings.valkey_url):
        raise StartupProblem(
            "set BOXOFFICE_DATABASE_URL and BOXOFFICE_VALKEY_URL to the servers, or let `boxoffice up` start all"
        )
    uvloop.run(_run(settings, roles, listening_fd, lifeline_fd))


async def _run(settings: Settings, roles: Sequence[str], listening_fd: int | None, lifeline_fd: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if lifeline_fd is not None:
        loop.add_reader(lifeline_fd, _supervisor_died, loop, lifeline_fd, stop)
    gc.freeze()  # what is imported by now stays: no collection need look at it again
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    async with asyncio.TaskGroup() as tasks:
        if "web" in roles:
            tasks.create_task(_serve_web(settings, listening_fd, stop))
        if "worker" in roles:
            tasks.create_task(app.run_worker(settings, stop))


def _supervisor_died(loop: asyncio.AbstractEventLoop, lifeline_fd: int, stop: asyncio.Event) -> None:
    """The pipe is readable only when its other end, held by the supervisor alone, is closed."""
    loop.remove_reader(lifeline_fd)
    os.close(lifeline_fd)
    stop.set()


async def _serve_web(settings: Settings, listening_fd: int | None, stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        app.build_web(settings),
        http=EdgeProtocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=BACKLOG,
    )
    server = WebServer(config)
    listening = socket.socket(fileno=listening_fd) if listening_fd is not None else _listen(settings)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listening]))
        stopping = tasks.create_task(_stop_when(stop, server))
        await serving
        stopping.cancel()
    if not server.started:
        raise StartupProblem("the web process could not start; the log says why")
    stop.set()


class WebServer(uvicorn.Server):
    """Leaves the signals to `run`, which may have a worker to stop as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _listen(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.bind, settings.port), backlog=BACKLOG)
    except OSError as error:
        raise StartupProblem(f"cannot listen on {settings.bind} port {settings.port}: {error.strerror}") from error
