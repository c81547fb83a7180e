"""The embedded servers together, on one locked data directory: what `boxoffice up` and the tests stand on."""

import asyncio
import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import asyncpg

from boxoffice.embedded.account import Account, server_account
from boxoffice.embedded.postgres import DATABASE, Postgres
from boxoffice.embedded.valkey import Valkey
from boxoffice.startup import StartupProblem

if TYPE_CHECKING:
    from boxoffice.embedded.broker import Broker

SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 107 on Linux, 103 on macOS
OURS = {"lock", "secrets", "postgres", "valkey", "kafka"}
NOBODYS = {"lost+found"}
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"


class EmbeddedServers:
    """`async with EmbeddedServers(data) as servers:` runs PostgreSQL and Valkey; their data stays when it ends.

    `broker`: a Kafka that is run beside them.
    """

    def __init__(
        self,
        data: Path,
        *,
        with_postgres: bool = True,
        with_valkey: bool = True,
        max_connections: int = 100,
        postgres_options: dict[str, str] | None = None,
        broker: "Broker | None" = None,
    ) -> None:
        self._data = data.absolute()
        self._with_postgres = with_postgres
        self._with_valkey = with_valkey
        self._max_connections = max_connections
        self._postgres_options = postgres_options or {}
        self.broker = broker
        self._lock: int | None = None
        self.postgres: Postgres
        self.valkey: Valkey

    @property
    def database_url(self) -> str:
        """The superuser's address of our database; asyncpg, psycopg and libpq understand it."""
        return self.postgres.url()

    @property
    def valkey_url(self) -> str:
        return self.valkey.url

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        account = await asyncio.to_thread(server_account)
        run = await asyncio.to_thread(self._prepare_folders, account)
        self._describe(account, run)
        started = asyncio.gather(
            *(asyncio.to_thread(server.start) for server in self._chosen()), return_exceptions=True
        )
        try:
            for outcome in await asyncio.shield(started):
                if outcome is not None:
                    raise outcome
            if self._with_postgres:
                await _create_database(self.postgres)
        except BaseException:
            await started  # a thread cannot be cancelled: what it is starting must be there before we stop it
            await self.stop()
            raise

    async def add_broker(self, broker: "Broker") -> None:
        """Run Kafka too from now on."""
        self.broker = broker
        await asyncio.to_thread(broker.start)

    async def stop_orphans(self) -> None:
        """Stop what a killed process left running on this data, without starting anything."""
        account = await asyncio.to_thread(server_account)
        self._describe(account, await asyncio.to_thread(self._prepare_folders, account))
        everything = [each for each in (self.postgres, self.valkey, self.broker) if each is not None]
        await asyncio.gather(*(asyncio.to_thread(each.clear_the_way) for each in everything))
        self.release_lock()

    async def stop(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in self._chosen()))
        if self._lock is not None:
            os.ftruncate(self._lock, 0)  # we leave in good order: see left_behind
        self.release_lock()

    def attach(self) -> bool:
        """Use, without owning them, the servers that another process runs on this data; false when none does."""
        if not is_running(self._data):
            return False
        self._describe(server_account(), socket_folder(self._data))
        return True

    async def revive(self) -> list[str]:
        """Start again what has died, and return the names. Raises StartupProblem when one does not come back."""
        dead = [server for server in self._chosen() if server.pid is None]
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in dead))
        return [server.name for server in dead]

    def _chosen(self) -> "list[Postgres | Valkey | Broker]":
        chosen: list[Postgres | Valkey | Broker | None] = [
            self.postgres if self._with_postgres else None,
            self.valkey if self._with_valkey else None,
            self.broker,
        ]
        return [server for server in chosen if server is not None]

    def release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _describe(self, account: Account, run: Path) -> None:
        options = self._postgres_options
        self.postgres = Postgres(self._data, run, account, max_connections=self._max_connections, options=options)
        self.valkey = Valkey(self._data, run, account)

    def _prepare_folders(self, account: Account) -> Path:
        """Make our folders, lock the data directory, and return the folder of the sockets."""
        try:
            self._data.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._refuse_foreign_folder()
            if not account.can_enter(self._data):
                raise StartupProblem(
                    f"the user {account.name} who runs PostgreSQL cannot reach {self._data}: "
                    "set BOXOFFICE_DATA to a folder that it can reach"
                )
            (self._data / "secrets").mkdir(mode=0o700, exist_ok=True)
            (self._data / "log").mkdir(mode=0o755, exist_ok=True)
            self._take_lock()
            return account.private_folder(socket_folder(self._data))
        except OSError as error:
            raise StartupProblem(f"cannot use the data directory {self._data}: {error.strerror or error}") from error

    def _refuse_foreign_folder(self) -> None:
        """Somebody's home, named by mistake, is not to be strewn with our files."""
        found = {path.name for path in self._data.iterdir()} - NOBODYS
        if found and not found & OURS:
            raise StartupProblem(
                f"{self._data} holds files of something else: set BOXOFFICE_DATA to an empty or a new folder"
            )

    def _take_lock(self) -> None:
        """Hold the directory for as long as this process lives; the kernel lets go even after kill -9."""
        lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StartupProblem(f"boxoffice is already running on {self._data}") from None
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock


def left_behind(data: Path) -> bool:
    """Whether the last process that ran on this data was killed before it could stop what it had started."""
    try:
        return (data / "lock").stat().st_size > 0 and not is_running(data)
    except OSError:
        return False


def is_running(data: Path) -> bool:
    """Whether a living process runs servers on this data."""
    try:
        lock = os.open(data / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def socket_folder(data: Path) -> Path:
    """`run` in the data directory or, when that makes the sockets' paths too long, a short private folder elsewhere."""
    folder = data / "run"
    if len(os.fsencode(folder)) + len(LONGEST_SOCKET_NAME) <= SOCKET_PATH_BYTES_MAX:
        return folder
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"boxoffice-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()  # in a folder that all may write, somebody else may have been there first
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or not _may_be_ours(found.st_uid):
        raise StartupProblem(f"{short} belongs to somebody else: set BOXOFFICE_DATA to a shorter path")
    return short


def _may_be_ours(user_id: int) -> bool:
    return user_id in (os.geteuid(), server_account().user_id)


async def _create_database(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url("postgres"))
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute("CREATE DATABASE boxoffice")
    finally:
        await connection.close()
