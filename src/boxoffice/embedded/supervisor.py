"""Keeps child processes alive: starts each again when it ends, ever more slowly, replaces them one after the other when
that is wanted, and stops them all in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from boxoffice.startup import StartupProblem

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0
STEADY_SECONDS = 30.0  # a child that lived this long starts with a clean record
DRAIN_SECONDS_MAX = 30.0
READY_SECONDS_MAX = 120.0

Say = Callable[[str], None]


@dataclass
class Child:
    """One role of the platform in a process of its own. `ready` is set while it says that it is.

    `reloads`: on SIGHUP it renews itself, and need not be replaced.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    reloads: bool = False
    failures: int = 0
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    ready: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def start(self) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C in the terminal reaches the supervisor, which then stops it in its turn."""
        self.ready.clear()
        hearing, telling = os.pipe()
        tell = () if self.reloads else ("--ready", str(telling))
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "boxoffice", *self.arguments, *tell,
                env={**os.environ, **self.environment},
                pass_fds=(*self.descriptors, telling),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(telling)
        asyncio.get_running_loop().add_reader(hearing, self._hear, hearing)
        return self.process

    def _hear(self, hearing: int) -> None:
        """The child said that it is ready, or ended without a word."""
        if os.read(hearing, 1):
            self.ready.set()
        asyncio.get_running_loop().remove_reader(hearing)
        os.close(hearing)


class Supervisor:
    """Runs children until told to stop; `say` gets one line whenever one of them ends unasked."""

    def __init__(self, say: Say, ready_seconds: float = READY_SECONDS_MAX) -> None:
        self._say = say
        self._ready_seconds = ready_seconds
        self._stopping = False
        self.children: list[Child] = []

    async def add(self, child: Child) -> None:
        self.children.append(child)
        process = await child.start()
        child.task = asyncio.create_task(self._keep(child, process))

    async def roll(self, names: Sequence[str]) -> AsyncIterator[str]:
        """Replace the children of these names, or all, one after the other; says each in a line when it is done.

        Who is called goes before who calls, and nobody goes before the one before is ready. Raises StartupProblem for
        a name that there is not, and for a child that does not become ready: all others are left as they are then.
        """
        chosen = [child for child in reversed(self.children) if not names or {child.name, _kind(child)} & {*names}]
        known = {child.name for child in self.children} | {_kind(child) for child in self.children}
        for name in names:
            if name not in known:
                raise StartupProblem(f"there is no {name!r} here: name some of {', '.join(sorted(known))}, or none")
        for child in chosen:
            if child.reloads:
                _signal(child, signal.SIGHUP)
                yield f"{child.name} renews its configuration"
            else:
                await self._replace(child)
                yield f"{child.name} is replaced"

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

    async def _replace(self, child: Child) -> None:
        await self._end(child)
        child.failures = 0
        child.task = asyncio.create_task(self._keep(child, await child.start()))
        try:
            await asyncio.wait_for(child.ready.wait(), self._ready_seconds)
        except TimeoutError:
            raise StartupProblem(
                f"{child.name} is not ready after {self._ready_seconds:g} s; it is tried on, the rest was left as it is"
            ) from None

    async def _end(self, child: Child) -> None:
        if child.task is not None:
            child.task.cancel()  # nobody starts it again
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


def _kind(child: Child) -> str:
    """`bookings` of `bookings 2`."""
    return child.name.rpartition(" ")[0] or child.name


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
