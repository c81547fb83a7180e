"""Starts, finds and stops one server process; knows nothing about what the server does."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boxoffice.embedded.account import Account
from boxoffice.startup import StartupProblem

LOG_BYTES_MAX = 20 * 1024 * 1024


@dataclass
class Server:
    """One running child and the log that it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    stop_signals: Sequence[tuple[signal.Signals, float]] = field(default_factory=tuple)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        """What this run of the server wrote to its log."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def last_words(self) -> str:
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """Ask ever more firmly until the process is gone."""
        for number, patience in self.stop_signals:
            if not self.running:
                return
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.kill()

    def kill(self) -> None:
        """End it the hard way, like a power cut."""
        if self.running:
            self.process.kill()
        self.process.wait()


def launch(
    name: str,
    command: Sequence[str],
    *,
    account: Account,
    folder: Path,
    log: Path,
    stop_signals: Sequence[tuple[signal.Signals, float]],
) -> Server:
    """Start a server in a session of its own, so that Ctrl-C in the terminal does not reach it before we do."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account.popen_options(),
            )
            return Server(name, process, log, output.tell(), stop_signals)
    except OSError as error:
        raise StartupProblem(f"cannot start {name}: {error}") from error


def wait_until(condition: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def command_line(pid: int) -> list[str] | None:
    """The arguments of a living process, or None when there is none of that number."""
    if Path("/proc/self/cmdline").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state == "Z" else raw.decode(errors="replace").rstrip("\0").split("\0")
    result = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return result.stdout.split() or None


def stop_stranger(pid: int, stop_signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Stop a process that is not our child; true when it is gone."""
    for number, patience in (*stop_signals, (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        if wait_until(lambda: command_line(pid) is None, patience):
            return True
    return False
