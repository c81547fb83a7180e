"""The simulator's process: its doors and its clock, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from boxoffice.simulator import webhooks
from boxoffice.simulator.api import Simulator
from boxoffice.simulator.books import Books
from boxoffice.simulator.chaos import Chaos
from boxoffice.startup import StartupProblem


def run(*, bind: str, port: int, file: Path, public_url: str, chaos: Chaos, trust: Path | None = None) -> None:
    """Serve until told to stop. `trust`: a file of authorities that may sign for webhooks' hosts, beside the usual."""
    context = ssl.create_default_context()
    try:
        if trust is not None:
            context.load_verify_locations(trust)
    except ssl.SSLError as error:
        raise StartupProblem(f"--trust {trust}: no certificates are in it") from error
    except OSError as error:
        raise StartupProblem(f"--trust {trust}: {error.strerror}") from error
    try:
        listening = socket.create_server((bind, port))
    except OSError as error:
        raise StartupProblem(f"cannot listen on {bind} port {port}: {error.strerror}") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    books = Books(file)
    try:
        asyncio.run(_run(Simulator(books, public_url or f"http://{bind}:{port}", chaos), listening, context))
    finally:
        books.close()


class _Server(uvicorn.Server):
    """Leaves the signals to `_run`, which has a clock to stop as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        self.should_exit = True


async def _run(simulator: Simulator, listening: socket.socket, trust: ssl.SSLContext) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = _Server(uvicorn.Config(simulator, lifespan="off", log_config=None, access_log=False))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(webhooks.run(simulator, stop, trust))
        serving = tasks.create_task(server.serve(sockets=[listening]))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.leave)
        await serving
        stop.set()
