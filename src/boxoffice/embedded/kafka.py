"""Real Apache Kafka on this machine, for development and tests: brokers in KRaft mode on a folder of their own."""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from boxoffice.embedded import kafka_configuration as configuration
from boxoffice.embedded.account import Account
from boxoffice.embedded.certificates import for_loopback
from boxoffice.embedded.kafka_configuration import Node
from boxoffice.embedded.kafka_jars import TOOLS, fetched_jars
from boxoffice.embedded.processes import Server, command_line, launch, stop_stranger
from boxoffice.kafka.access import Access
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

STOP_SIGNALS = ((signal.SIGTERM, 8.0),)
START_SECONDS_MAX = 180.0
HEAP = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC")
ADMIN = "admin"


class Kafka:
    """`async with Kafka(data, …) as kafka:` runs one broker or three; their data stays when it ends.

    `secure`: SASL/SCRAM over TLS with a certificate by the authority in the folder `tls`, which signs for `domain`, and
    nothing is allowed to a user without an ACL. `access` is then the admin's; its files lie in `secrets`.
    `session_seconds`: how long a group waits for a member that says nothing.
    """

    def __init__(
        self,
        data: Path,
        *,
        tools: Path,
        brokers: int = 1,
        ports: Sequence[int] = (),
        secure: bool = False,
        secrets: Path | None = None,
        tls: Path | None = None,
        domain: str = "localhost",
        session_seconds: float = 6.0,
    ) -> None:
        self._data = data.absolute()
        self._tools = tools.absolute()
        self._secure = secure
        self.secrets = secrets or self._data / "secrets"
        self._tls = tls or self._data / "tls"
        self._domain = domain
        self._session_seconds = session_seconds
        listening = list(ports) or _free_ports(brokers)
        controllers = _free_ports(brokers)
        self._nodes = [
            Node(number, self._data / f"broker-{number}", *both)
            for number, both in enumerate(zip(listening, controllers, strict=True), 1)
        ]
        self._servers: dict[int, Server] = {}
        self._ending = False
        self._lock: int | None = None

    @property
    def access(self) -> Access:
        """How a client reaches the brokers; with the rights of the admin where users have names."""
        servers = ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)
        return Access(servers, ADMIN if self._secure else "", self.secrets)

    @property
    def brokers(self) -> list[int]:
        return [node.number for node in self._nodes]

    def pid(self, broker: int) -> int:
        return self._servers[broker].pid

    def living(self, broker: int) -> int | None:
        """The process of a broker, if there is one."""
        server = self._servers.get(broker)
        return server.pid if server is not None and server.running else None

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except BaseException:
            with suppress(StartupProblem):
                await starting  # a thread cannot be cancelled: what it is starting must be there before we stop it
            await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Format what is new, start what does not run and wait until all brokers are known to each other.

        Raises StartupProblem, and then nothing runs.
        """
        self._ending = False
        jars = fetched_jars(self._tools)
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        self._clear_the_way()
        if self._secure:
            configuration.write_secrets(self.secrets, ADMIN, for_loopback(self._tls, self._domain))
        for node in self._nodes:
            if not (node.folder / "log" / "meta.properties").exists():
                self._format(node, jars)
        try:
            for node in self._nodes:
                if self.living(node.number) is None:
                    _check_port(node.port)
                    self.start_broker(node.number)
            self._await_all()
        except BaseException:
            self.stop()
            raise

    def start_broker(self, number: int) -> None:
        """Start one; `start` has formatted it."""
        node = self._nodes[number - 1]
        self._configure(node)
        command = [*self._java(fetched_jars(self._tools)), "kafka.Kafka", str(node.properties)]
        server = launch(
            f"Kafka's broker {number}", command, account=_ourselves(), folder=node.folder,
            log=node.folder / "broker.log", stop_signals=STOP_SIGNALS,
        )  # fmt: skip
        self._servers[number] = server
        node.pid_file.write_text(str(server.pid))

    def stop(self) -> None:
        """All at once: the last one alone would wait long for a quorum that is gone. A start under way gives up."""
        self._ending = True
        with ThreadPoolExecutor(max_workers=len(self._nodes)) as at_once:
            list(at_once.map(lambda server: server.stop(), self._servers.values()))
        self._servers.clear()
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def kill_broker(self, number: int) -> None:
        """Like a power cut."""
        self._servers[number].kill()

    def stop_broker(self, number: int) -> None:
        self._servers[number].stop()

    def stop_orphans(self) -> None:
        """Stop what a killed process left running on this data."""
        self._take_lock()
        self._clear_the_way()
        self.stop()

    def remove(self) -> None:
        """Begin anew: forget every topic, message and user. Raises StartupProblem while the brokers run."""
        if self._data.exists():
            self.stop_orphans()
            shutil.rmtree(self._data)

    def _format(self, node: Node, jars: Path) -> None:
        self._configure(node)
        command = [*self._java(jars), "kafka.tools.StorageTool", "format", "-t", self._cluster_id()]
        command += ["-c", str(node.properties)]
        if self._secure:
            password = (self.secrets / f"{ADMIN}.password").read_text().strip()
            command += ["--add-scram", f"SCRAM-SHA-512=[name={ADMIN},password={password},iterations=4096]"]
        done = subprocess.run(command, cwd=node.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StartupProblem(f"Kafka's folder {node.folder} cannot be formatted: {_last_line(done)}")

    def _configure(self, node: Node) -> None:
        node.folder.mkdir(mode=0o700, exist_ok=True)
        node.properties.write_text(
            configuration.server(
                node, self._nodes, secrets=self.secrets if self._secure else None, admin=ADMIN,
                session_seconds=self._session_seconds,
            )
        )  # fmt: skip
        node.properties.chmod(0o600)
        node.logging.write_text(configuration.LOGGING)

    def _java(self, jars: Path) -> list[str]:
        quick = () if self._secure else ("-XX:TieredStopAtLevel=1",)  # without the second compiler TLS costs fourfold
        logging = f"-Dlog4j2.configurationFile={self._nodes[0].logging}"
        return ["java", *HEAP, *quick, logging, "-cp", f"{jars}/*"]

    def _cluster_id(self) -> str:
        """One for all brokers of this folder, made at their first format."""
        kept = self._data / "cluster-id"
        if not kept.exists():
            kept.write_text(configuration.random_id())
        return kept.read_text()

    def _await_all(self) -> None:
        """Known to each other, and each the same to whoever asks: a port alone opens much sooner."""
        deadline = time.monotonic() + START_SECONDS_MAX
        if self._ending:
            raise StartupProblem("Kafka was told to stop while it started")
        client = AdminClient(self.access.client())
        while time.monotonic() < deadline:
            for server in self._servers.values():
                if not server.running:
                    raise StartupProblem(f"{server.name} does not start: {server.last_words()} (more in {server.log})")
            with suppress(KafkaException):
                if len(client.list_topics(timeout=1.0).brokers) == len(self._nodes):
                    return
            time.sleep(0.05)
        raise StartupProblem(f"Kafka does not answer after {START_SECONDS_MAX:g} s; its logs are in {self._data}")

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        with ExitStack() as stack:
            lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartupProblem(f"Kafka is already running on {self._data}") from None
            stack.pop_all()
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def _clear_the_way(self) -> None:
        """Stop brokers that a killed process left behind."""
        for node in self._nodes:
            if self.living(node.number) is not None:
                continue
            with suppress(FileNotFoundError, ValueError):
                pid = int(node.pid_file.read_text())
                ours = str(node.properties) in (command_line(pid) or ())
                if ours and not stop_stranger(pid, STOP_SIGNALS):
                    raise StartupProblem(f"cannot stop the Kafka (process {pid}) that was left running")


async def serve(
    settings: Settings, *, ports: Sequence[int], secure: bool, fresh: bool, say: Callable[[str], None]
) -> None:
    """Run brokers until SIGINT or SIGTERM."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    say("Starting Kafka; the first time its jars are fetched, which takes half a minute.")
    secrets = settings.data / "secrets"
    kafka = Kafka(
        settings.data / "kafka", tools=TOOLS, brokers=len(ports), ports=ports, session_seconds=settings.lease_seconds,
        secure=secure, secrets=secrets / "kafka", tls=secrets / "tls", domain=settings.domain,
    )  # fmt: skip
    if fresh:
        kafka.remove()
    starting = asyncio.create_task(asyncio.to_thread(kafka.start))
    try:
        await asyncio.wait({starting, asyncio.create_task(asked.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if asked.is_set():
            return
        await starting
        say(f"Kafka is ready: BOXOFFICE_BUS=kafka BOXOFFICE_KAFKA={kafka.access.servers}. Ctrl-C stops it.")
        if secure:
            say("Set BOXOFFICE_KAFKA_SECURE=1 too; make logins and topics: boxoffice bus users, boxoffice bus topics.")
        await asked.wait()
        say("Stopping.")
    finally:
        await asyncio.to_thread(kafka.stop)
        await asyncio.gather(starting, return_exceptions=True)


def _check_port(port: int) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartupProblem(
                f"Kafka cannot listen on port {port}: {error.strerror}; set BOXOFFICE_KAFKA_PORT to a free one"
            ) from error


def _ourselves() -> Account:
    return Account(os.geteuid(), os.getegid(), str(os.geteuid()), switches=False)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in opened]


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
