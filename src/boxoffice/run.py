"""One process of the platform, whatever its roles, until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import uvicorn
import uvloop

from boxoffice import app
from boxoffice.gateway.protocol import EdgeProtocol
from boxoffice.kernel.worker import State
from boxoffice.remote.entrance import NOTICE_SECONDS
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem
from boxoffice.telemetry import logs
from boxoffice.telemetry.health import Check

DRAIN_SECONDS = 20
BACKLOG = 2048
# Hundreds of requests in flight are garbage to nobody: young objects are looked through less often than by default.
GARBAGE_THRESHOLDS = (20_000, 20, 20)
WORKER = "-worker"  # payments-worker: what the worker does for payments


@dataclass(frozen=True)
class Roles:
    """What one process does: at most one kind of answering HTTP, and the worker's part of some services."""

    serving: str | None
    working: tuple[str, ...]


def read_roles(names: Sequence[str]) -> Roles:
    """Raises StartupProblem for a role that there is not, or for two that would listen on one port."""
    working: list[str] = []
    serving: list[str] = []
    for name in names:
        service = name.removesuffix(WORKER)
        if name == "worker":
            working += app.SERVICES
        elif name != service and service in app.WORKERS:
            working.append(service)
        elif name in ("web", "gateway", *app.SERVICES):
            serving.append(name)
        else:
            known = (
                f"web, gateway, {', '.join(app.SERVICES)}, worker, {', '.join(each + WORKER for each in app.WORKERS)}"
            )
            raise StartupProblem(f"there is no role {name!r}: choose of {known}")
    if len(serving) > 1:
        raise StartupProblem(f"{serving[0]} and {serving[1]} cannot share a process: each needs a port of its own")
    return Roles(serving[0] if serving else None, tuple(working))


def run(
    settings: Settings,
    names: Sequence[str],
    *,
    listening_fd: int | None,
    lifeline_fd: int | None,
    port: int | None = None,
) -> None:
    roles = read_roles(names)
    if not (settings.database_url and settings.valkey_url):
        raise StartupProblem(
            "set BOXOFFICE_DATABASE_URL and BOXOFFICE_VALKEY_URL to the servers, or let `boxoffice up` start all"
        )
    logs.configure(" ".join(names), settings.log_format)
    uvloop.run(_run(settings, roles, port, listening_fd, lifeline_fd))


async def _run(
    settings: Settings, roles: Roles, port: int | None, listening_fd: int | None, lifeline_fd: int | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if lifeline_fd is not None:
        loop.add_reader(lifeline_fd, _supervisor_died, loop, lifeline_fd, stop)
    gc.freeze()  # what is imported by now stays: no collection need look at it again
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    listening = _listening(settings, roles, port, listening_fd)
    state = State()

    async def works() -> bool:
        return not state.problems()

    async with asyncio.TaskGroup() as tasks:
        if roles.serving is not None:
            served = _served(settings, roles.serving, {"worker": works} if roles.working else {})
            tasks.create_task(_serve(roles.serving, served, listening, stop))
        if roles.working:
            admin = listening if roles.serving is None else None
            if roles.serving == "web":
                admin = _bound("127.0.0.1", settings.admin_port)
            tasks.create_task(app.run_worker(settings, stop, roles.working, state, admin))


def _supervisor_died(loop: asyncio.AbstractEventLoop, lifeline_fd: int, stop: asyncio.Event) -> None:
    """The pipe is readable only when its other end, held by the supervisor alone, is closed."""
    loop.remove_reader(lifeline_fd)
    os.close(lifeline_fd)
    stop.set()


async def _serve(role: str, served: app.Served, listening: socket.socket, stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        served,
        http="httptools" if role in app.SERVICES else EdgeProtocol,
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
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listening]))
        stopping = tasks.create_task(_stop_when(stop, server, served, 0.0 if role == "web" else NOTICE_SECONDS))
        await serving
        stopping.cancel()
    if not server.started:
        raise StartupProblem(f"the {role} process could not start; the log says why")
    stop.set()


def _served(settings: Settings, role: str, checks: Mapping[str, Check]) -> app.Served:
    if role in app.SERVICES:
        return app.service(settings, role, checks)
    return app.web(settings) if role == "web" else app.gateway_alone(settings)


class WebServer(uvicorn.Server):
    """Leaves the signals to `run`, which may have a worker to stop as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server, served: app.Served, notice_seconds: float) -> None:
    """Say that we leave while we still serve, so that nobody calls when we are gone; then finish what has begun."""
    await stop.wait()
    served.leave()
    await asyncio.sleep(notice_seconds)
    server.should_exit = True


def _listening(settings: Settings, roles: Roles, port: int | None, listening_fd: int | None) -> socket.socket:
    """The socket we were given, or one on the port we were told, or where others will look for such a process."""
    if listening_fd is not None:
        return socket.socket(fileno=listening_fd)
    if roles.serving is None:
        return _bound("127.0.0.1", port or settings.admin_port)
    if roles.serving in app.SERVICES and port is None:
        return _bound(*app.first_address(settings, roles.serving))
    return _bound(settings.bind, port or settings.port)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise StartupProblem(f"cannot listen on {host} port {port}: {error.strerror}") from error
