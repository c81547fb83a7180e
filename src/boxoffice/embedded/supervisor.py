"""Keeps child processes alive: starts each again when it ends, ever more slowly, and stops them all in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0
STEADY_SECONDS = 30.0  # a child that lived this long starts with a clean record
DRAIN_SECONDS_MAX = 30.0

Say = Callable[[str], None]


@dataclass
class Child:
    """One role of the platform in a process of its own."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    failures: int = 0
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    async def start(self) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C in the terminal reaches the supervisor, which then stops it in its turn."""
        command = [sys.executable, "-m", "boxoffice", *self.arguments]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self.environment},
            pass_fds=tuple(self.descriptors),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return self.process


class Supervisor:
    """Runs children until told to stop; `say` gets one line whenever one of them ends unasked."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._stopping = False
        self.children: list[Child] = []

    async def add(self, child: Child) -> None:
        self.children.append(child)
        process = await child.start()
        child.task = asyncio.create_task(self._keep(child, process))

    async def stop(self, names: Callable[[str], bool]) -> None:
        """Ask the children of these names to finish what they are doing, and wait until they are gone."""
        self._stopping = True
        chosen = [child for child in self.children if names(child.name)]
        await asyncio.gather(*(self._end(child) for child in chosen))
        self.children = [child for child in self.children if child not in chosen]

    def kill(self) -> None:
        """End every child at once."""
        self._stopping = True
        for child in self.children:
            _signal(child, signal.SIGKILL)

    async def _keep(self, child: Child, process: asyncio.subprocess.Process) -> None:
        while True:
            begun = time.monotonic()
            status = await process.wait()
            if self._stopping:
                return
            child.failures = 1 if time.monotonic() - begun > STEADY_SECONDS else child.failures + 1
            pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2 ** (child.failures - 1))
            self._say(f"{child.name} (process {process.pid}) ended {_how(status)}; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            process = await child.start()

    async def _end(self, child: Child) -> None:
        if child.task is not None and (child.process is None or child.process.returncode is not None):
            child.task.cancel()  # it was pausing between two lives
        _signal(child, signal.SIGTERM)
        if child.process is not None:
            try:
                await asyncio.wait_for(child.process.wait(), DRAIN_SECONDS_MAX)
            except TimeoutError:
                self._say(
                    f"{child.name} (process {child.process.pid}) did not end within {DRAIN_SECONDS_MAX:g} s; killed"
                )
                _signal(child, signal.SIGKILL)
                await child.process.wait()
        if child.task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await child.task


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
