"""One process of the platform, whatever its roles, until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvloop

from boxoffice import app
from boxoffice.doors.listening import Listener
from boxoffice.doors.sockets import MESSAGE_BYTES
from boxoffice.gateway.protocol import EdgeProtocol
from boxoffice.kernel.worker import State
from boxoffice.remote.entrance import NOTICE_SECONDS
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem
from boxoffice.telemetry import logs
from boxoffice.telemetry.health import Check, Health, serve

DRAIN_SECONDS = 20
BACKLOG = 2048
READY_POLL_SECONDS = 0.05
LET_IN_SECONDS = 0.2
OPEN_FILES_MOST = 65_536  # each buyer who waits for an answer is one, in a gateway two
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


@dataclass(frozen=True)
class Given:
    """What whoever starts us hands over: ports to listen on, or descriptors that are open already."""

    port: int | None = None
    admin_port: int | None = None
    listening_fd: int | None = None
    lifeline_fd: int | None = None
    ready_fd: int | None = None


def run(settings: Settings, names: Sequence[str], given: Given) -> None:
    roles = read_roles(names)
    if not (settings.database_url and settings.valkey_url):
        raise StartupProblem(
            "set BOXOFFICE_DATABASE_URL and BOXOFFICE_VALKEY_URL to the servers, or let `boxoffice up` start all"
        )
    logs.configure(" ".join(names), settings.log_format)
    allow_open_files()
    uvloop.run(_run(settings, roles, given))


def allow_open_files() -> None:
    """As many as we are let: the 1,024 that a shell gives are fewer than the buyers at the start of a sale."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems have a limit of their own below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(settings: Settings, roles: Roles, given: Given) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if given.lifeline_fd is not None:
        loop.add_reader(given.lifeline_fd, _supervisor_died, loop, given.lifeline_fd, stop)
    gc.freeze()  # what is imported by now stays: no collection need look at it again
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    listening = _listening(settings, roles, given)
    state = State()
    ready: list[Callable[[], bool]] = []

    async def works() -> bool:
        return not state.problems()

    async with asyncio.TaskGroup() as tasks:
        if roles.serving is not None:
            served = _served(settings, roles.serving, {"worker": works} if roles.working else {})
            server = _server(roles.serving, served)
            ready.append(lambda: server.started)
            admin = _bound("127.0.0.1", given.admin_port) if given.admin_port else None
            tasks.create_task(_serve(roles.serving, server, served, listening, stop, admin))
        if roles.working:
            ready.append(lambda: not state.problems())
            admin = listening if roles.serving is None else None
            if roles.serving == "web":
                admin = _bound("127.0.0.1", settings.admin_port)
            tasks.create_task(app.run_worker(settings, stop, roles.working, state, admin))
        if given.ready_fd is not None:
            tasks.create_task(_tell_when(ready, given.ready_fd, stop))


async def _tell_when(ready: Sequence[Callable[[], bool]], ready_fd: int, stop: asyncio.Event) -> None:
    """A byte in the supervisor's pipe says that we are ready; an end without one, that we never were."""
    while not stop.is_set():
        if all(is_ready() for is_ready in ready):
            os.write(ready_fd, b"1")
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), READY_POLL_SECONDS)
    os.close(ready_fd)


def _supervisor_died(loop: asyncio.AbstractEventLoop, lifeline_fd: int, stop: asyncio.Event) -> None:
    """The pipe is readable only when its other end, held by the supervisor alone, is closed."""
    loop.remove_reader(lifeline_fd)
    os.close(lifeline_fd)
    stop.set()


def _server(role: str, served: app.Served) -> "WebServer":
    config = uvicorn.Config(
        served,
        http="httptools" if role in app.SERVICES else EdgeProtocol,
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # secrets beside an attacker's words: see decision 46
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=BACKLOG,
    )
    return WebServer(config)


async def _serve(
    role: str, server: "WebServer", served: app.Served, listening: socket.socket, stop: asyncio.Event,
    admin: socket.socket | None,
) -> None:  # fmt: skip
    """Serve until `stop`; health and metrics on `admin` meanwhile, and while what has begun is finished."""
    gone = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        if admin is not None:
            tasks.create_task(serve(Health({role: served.is_ready}), admin, gone))
        serving = tasks.create_task(server.serve(sockets=[listening]))
        stopping = tasks.create_task(_stop_when(stop, server, served, 0.0 if role == "web" else NOTICE_SECONDS))
        await serving
        stopping.cancel()
        gone.set()
    if not server.started:
        raise StartupProblem(f"the {role} process could not start; the log says why")
    stop.set()


def _served(settings: Settings, role: str, checks: Mapping[str, Check]) -> app.Served:
    if role in app.SERVICES:
        return app.service(settings, role, checks)
    return app.web(settings) if role == "web" else app.gateway_alone(settings)


class WebServer(uvicorn.Server):
    """Takes connections in crowds, and leaves the signals to `run`, which may have a worker to stop as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self.servers = [Listener(each, self._protocol) for each in sockets or ()]  # type: ignore[misc]  # see Listener

    def _protocol(self) -> asyncio.Protocol:
        speaks: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = speaks(self.config, self.server_state, self.lifespan.state)
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections; whoever has just been let in may still say what he came for."""
        for listener in self.servers:
            listener.close()
        await asyncio.sleep(LET_IN_SECONDS)
        await super().shutdown(sockets)


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server, served: app.Served, notice_seconds: float) -> None:
    """Say that we leave while we still serve, so that nobody calls when we are gone; then finish what has begun."""
    await stop.wait()
    served.leave()
    await asyncio.sleep(notice_seconds)
    server.should_exit = True


def _listening(settings: Settings, roles: Roles, given: Given) -> socket.socket:
    """The socket we were given, or one on the port we were told, or where others will look for such a process."""
    if given.listening_fd is not None:
        return socket.socket(fileno=given.listening_fd)
    if roles.serving is None:
        return _bound("127.0.0.1", given.port or given.admin_port or settings.admin_port)
    if roles.serving in app.SERVICES and given.port is None:
        return _bound(*app.first_address(settings, roles.serving))
    return _bound(settings.bind, given.port or settings.port)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise StartupProblem(f"cannot listen on {host} port {port}: {error.strerror}") from error
