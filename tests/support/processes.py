"""The processes of a platform that runs for a test: found by descent from its supervisor, stopped and killed by id."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from boxoffice.embedded.processes import command_line
from tests.support.waiting import eventually


def supervisor_of(data: Path) -> int:
    """The process that runs `boxoffice up` on this data."""
    return int((data / "lock").read_text())


def tree(root: int) -> dict[int, str]:
    """A process and all that descend from it, with their command lines."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        arguments = command_line(pid)
        if arguments is not None:
            found[pid] = " ".join(arguments)
        waiting += children.get(pid, [])
    return found


def pid_of(data: Path, part: str) -> int | None:
    """The first process of the platform on this data whose command line has this part."""
    return next((pid for pid, command in tree(supervisor_of(data)).items() if part in command), None)


def environment_of(pid: int) -> dict[str, str]:
    """The environment a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    return dict(entry.split("=", 1) for entry in entries)


async def kill(pids: Iterable[int]) -> None:
    """kill -9, in this order, and wait until none of them is left."""
    doomed = list(pids)
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await eventually(lambda: all(command_line(pid) is None for pid in doomed))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP for the length of a block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
