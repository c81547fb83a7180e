"""`boxoffice up`: the whole platform from one command, and nothing left of it when the command ends."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import typer

from boxoffice import app
from boxoffice.app import chores
from boxoffice.embedded import control, forms, kafka_jars, nginx
from boxoffice.embedded.forms import Form, Part
from boxoffice.embedded.reach import reachable_servers, with_broker
from boxoffice.embedded.servers import EmbeddedServers, is_running, left_behind
from boxoffice.embedded.supervisor import Child, Supervisor
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

READY_SECONDS_MAX = 120.0
FAILURES_MAX = 3  # of one child before the first readiness: then it will not get better by itself
HANDOVER_SECONDS = 10.0  # that the children of a killed supervisor get to let go of our ports
BACKLOG = 2048
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOGINS = """\
Demo logins (password boxoffice-demo):
  operator@platform.example                                    on the platform host
  admin@acme.example, organizer@acme.example, buyer@acme.example         on acme
  admin@globex.example, organizer@globex.example, buyer@globex.example   on globex"""


async def up(settings: Settings, *, in_services: bool = False) -> None:
    """Run until SIGINT or SIGTERM. Raises StartupProblem when the platform cannot start.

    `in_services`: every service in processes of its own and Kafka between them, instead of all of them in each web
    process.
    """
    if in_services:
        nginx.program()  # if it is missing, say so at once
    settings = settings.model_copy(update={"bus": settings.bus or ("kafka" if in_services else "pglog")})
    if settings.bus == "kafka" and not settings.kafka and not kafka_jars.are_fetched(kafka_jars.TOOLS):
        say("Fetching Kafka by Maven; only the first time, it takes half a minute.")
    if settings.failpoint:
        raise StartupProblem("BOXOFFICE_FAILPOINT is for tests of a single process: unset it, or use `boxoffice run`")
    begun = time.monotonic()
    connections = forms.connections(settings, in_services=in_services)
    stop = Stop()
    listening = await listen(settings)
    try:
        async with reachable_servers(settings, connections=connections) as (complete, servers):
            carrier = await unless_asked(stop, prepare(complete))
            if carrier is None:
                return
            chosen = await with_broker(complete, servers) if carrier == "kafka" else complete
            form = forms.services(chosen, listening, bound) if in_services else forms.all_in_each(chosen, listening)
            async with children(form, listening, stop) as supervisor:
                await until_ready(form, supervisor, stop)
                if not stop.asked.is_set():
                    say(welcome(form.settings, time.monotonic() - begun))
                async with (
                    control.answering(form.settings.data, supervisor.roll, say),
                    messages_moving(form.settings, carrier),
                ):
                    await watch(servers, stop)
                say("Stopping: no new requests, finishing what has begun.")
    finally:
        listening.close()
        stop.close()


class Stop:
    """Whether the user wants us to end: `asked` once, `at_once` when asked again."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in ENDS:
            self._loop.add_signal_handler(number, self._ask)

    def _ask(self) -> None:
        (self.at_once if self.asked.is_set() else self.asked).set()

    def close(self) -> None:
        for number in ENDS:
            self._loop.remove_signal_handler(number)


async def unless_asked(stop: Stop, work: Coroutine[None, None, str]) -> str | None:
    """Do work that can be abandoned; None when we were asked to stop before it was done."""
    working = asyncio.create_task(work)
    asking = asyncio.create_task(stop.asked.wait())
    await asyncio.wait((working, asking), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if not working.done():
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return None
    return await working


async def listen(settings: Settings) -> socket.socket:
    """The socket that all web processes share. A busy port is said before anything is started."""
    if is_running(settings.data):
        raise StartupProblem(f"boxoffice is already running on {settings.data}")
    patience = HANDOVER_SECONDS if left_behind(settings.data) else 0.0
    deadline = time.monotonic() + patience
    while True:
        try:
            bound(settings.bind, settings.port, "BOXOFFICE_PORT").close()
            bound("127.0.0.1", settings.admin_port, "BOXOFFICE_ADMIN_PORT").close()
            listening = bound(settings.bind, settings.port, "BOXOFFICE_PORT")
            listening.listen(BACKLOG)
            return listening
        except StartupProblem:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


def bound(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        return found
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise StartupProblem(f"port {port} is in use by another program: set {setting} to a free one") from error
        raise StartupProblem(f"cannot listen on {host} port {port}: {error.strerror or error}") from error


async def prepare(settings: Settings) -> str:
    """Bring the database up to date and refuse to start on one that is not safe; the bus that carries messages."""
    say("Bringing the database up to date.")
    carrier = await chores.migrate(settings)
    if settings.demo:
        say("Filling in the demo; the first time this takes a moment.")
        await chores.seed(settings)
    problems = await chores.doctor(settings)
    if problems:
        raise StartupProblem("the database is not safe to use: " + "; ".join(problems))
    return carrier


@asynccontextmanager
async def messages_moving(settings: Settings, carrier: str) -> AsyncIterator[None]:
    """Move the messages to the bus that the settings name, where some waited on the other one at our start."""

    async def move() -> None:
        try:
            await chores.move_bus(settings, settings.bus, say)
        except Exception as fault:
            say(f"Messages travel by {carrier} still, and could not be moved to {settings.bus}: {fault}")

    moving = None if carrier == settings.bus else asyncio.create_task(move())
    try:
        yield
    finally:
        if moving is not None:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)


@asynccontextmanager
async def children(form: Form, edge: socket.socket, stop: Stop) -> AsyncIterator[Supervisor]:
    """The processes of a form; on the way out those end first that begin work for the others."""
    supervisor = Supervisor(say)
    lifeline, ours = os.pipe()  # children read its end as our death, even by kill -9
    hasten = asyncio.create_task(_kill_when(stop.at_once, supervisor))
    common = without_password(form.settings).environment() | {METRICS_FOLDER: str(fresh_folder(form.settings))}
    try:
        for part in form.parts:
            await supervisor.add(_child(part, common, lifeline))
        yield supervisor
    finally:
        edge.close()  # ours too, or a caller who comes now would wait for an answer
        for stage in sorted({part.ends for part in form.parts}):
            leaving = {part.name for part in form.parts if part.ends == stage}
            await supervisor.stop(leaving.__contains__)
        hasten.cancel()
        for part in form.parts:
            if part.listening is not None:
                part.listening.close()
        os.close(lifeline)
        os.close(ours)


def _child(part: Part, environment: Mapping[str, str], lifeline: int) -> Child:
    arguments, descriptors = [*part.command, "--lifeline", str(lifeline)], [lifeline]
    if part.listening is not None:
        arguments += ["--fd", str(part.listening.fileno())]
        descriptors.append(part.listening.fileno())
    return Child(part.name, arguments, environment, descriptors, part.reloads)


def fresh_folder(settings: Settings) -> Path:
    """Where the children of this start share their metrics; those of an earlier one would add up with them."""
    folder = settings.data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def without_password(settings: Settings) -> Settings:
    """The children sign in with logins of their own; of the owner's address they need the server and the database."""
    parts = urlsplit(settings.database_url)
    address = urlunsplit(parts._replace(netloc="@" + parts.netloc.rpartition("@")[2]))
    return settings.model_copy(update={"database_url": address})


async def _kill_when(asked: asyncio.Event, supervisor: Supervisor) -> None:
    await asked.wait()
    supervisor.kill()


async def until_ready(form: Form, supervisor: Supervisor, stop: Stop) -> None:
    settings = form.settings
    deadline = time.monotonic() + READY_SECONDS_MAX
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104 -- only compared
    while not stop.asked.is_set():
        said = await asyncio.gather(*(http_status(*where, "/health/ready") for where in form.ready))
        if (
            set(said) == {200}
            and await http_status(address, settings.port, "/", f"platform.{settings.domain}") is not None
        ):
            return
        for child in supervisor.children:
            if child.failures >= FAILURES_MAX:
                raise StartupProblem(f"{child.name} ends as soon as it is started; it says why above")
        if time.monotonic() > deadline:
            raise StartupProblem(f"the platform is not ready after {READY_SECONDS_MAX:g} s; its parts say why above")
        await asyncio.sleep(0.1)


async def http_status(address: str, port: int, path: str, host: str = "localhost") -> int | None:
    """The status of one GET; None while nobody answers. The address is given, as few resolvers know *.localhost."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
                status_line = await reader.readline()
                return int(status_line.split()[1])
            finally:
                writer.close()
    return None


async def watch(servers: EmbeddedServers | None, stop: Stop) -> None:
    """Wait for the end; meanwhile start an embedded server again that has died."""
    while not stop.asked.is_set():
        if servers is not None:
            await _revive(servers)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.asked.wait(), 0.5)


async def _revive(servers: EmbeddedServers) -> None:
    try:
        for name in await servers.revive():
            say(f"{name} had died and was started again")
    except StartupProblem as problem:
        say(str(problem))
        await asyncio.sleep(5.0)


def welcome(settings: Settings, seconds: float) -> str:
    def url(host: str, path: str = "/") -> str:
        return app.origin(settings).format(slug=host) + path

    lines = [f"boxoffice is ready after {seconds:.1f} s. Ctrl-C stops it; the data stays in {settings.data}.", ""]
    if settings.demo:
        lines += [f"  Acme, a theatre and a club   {url('acme')}", f"  Globex, an arena             {url('globex')}"]
    lines += [f"  Operator                     {url('platform')}"]
    if not settings.smtp_url:
        lines += [f"  Mail that was sent           {url('platform', '/dev/mail')}"]
    lines += [f"  API                          {url('platform', '/api/docs')}"]
    authority = settings.data / "secrets" / "tls" / "authority.pem"
    if settings.discovery and authority.is_file():  # there is none with a certificate from elsewhere
        lines += [f"  Trust this authority         {authority}"]
    lines += [f"  Health and metrics           http://127.0.0.1:{settings.admin_port}/health/ready, /metrics", ""]
    return "\n".join([*lines, LOGINS, ""] if settings.demo else lines)


def say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone; that must not keep us from stopping in order
        typer.echo(line)
