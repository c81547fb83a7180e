"""`boxoffice up` starts everything, survives what dies under it, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boxoffice.embedded.up import http_status
from tests.support.platform import free_ports
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually


class Platform:
    """One `boxoffice up` on a data directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port, self.admin_port, self.tls_port, self.kafka_port = free_ports(4)
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, path: str = os.defpath, **settings: str) -> subprocess.Popen[bytes]:
        chosen = {
            "data": str(self.data), "port": str(self.port), "admin_port": str(self.admin_port), "demo": "0",
            "tls_port": str(self.tls_port), "kafka_port": str(self.kafka_port),
        }  # fmt: skip
        environment = {f"BOXOFFICE_{name.upper()}": value for name, value in (chosen | settings).items()}
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "boxoffice", "up", *options],
                cwd="/",
                env={"PATH": path, "PYTHONPATH": str(Path("src").absolute()), **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self._process

    def command(self, *arguments: str) -> str:
        """What `boxoffice …` says beside the platform."""
        environment = {"PATH": os.defpath, "PYTHONPATH": str(Path("src").absolute()), "BOXOFFICE_DATA": str(self.data)}
        command = [sys.executable, "-m", "boxoffice", *arguments]
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=True).stdout

    def said(self) -> str:
        return self._output.read_text()

    async def ready(self, times: int = 1) -> None:
        process = self._process
        assert process is not None
        await eventually(lambda: self.said().count("is ready after") >= times or process.poll() is not None, within=90)
        assert process.poll() is None, self.said()

    def processes(self) -> dict[int, str]:
        """Everything alive that works on our data, with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = folder.joinpath("environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if command and (str(self.data) in command or f"BOXOFFICE_DATA={self.data}\0" in environment):
                found[int(folder.name)] = command
        return found

    def pid_of(self, part: str) -> int | None:
        return next((pid for pid, command in self.processes().items() if part in command), None)

    def end(self) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._process is not None:
            self._process.wait()


@pytest.fixture
def platform() -> Iterator[Platform]:
    with temporary_folder() as folder:
        fresh = Platform(folder)
        try:
            yield fresh
        finally:
            fresh.end()


async def test_one_command_starts_all_and_a_signal_ends_all(platform: Platform) -> None:
    process = platform.start()
    await platform.ready()
    health = await http_status("127.0.0.1", platform.admin_port, "/health/ready")
    page = await http_status("127.0.0.1", platform.port, "/", "platform.localhost")
    password = platform.data.joinpath("secrets", "postgres").read_text().strip()
    knowing = [pid for pid in platform.processes() if password in environment_of(pid)]

    process.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(process.wait, 60)

    assert health == 200
    assert page is not None
    assert knowing == []
    assert status == 0
    assert platform.processes() == {}
    assert f"http://platform.localhost:{platform.port}/" in platform.said()


@pytest.mark.prove
async def test_the_distributed_form_starts_nginx_and_kafka_too_and_a_signal_ends_all(platform: Platform) -> None:
    process = platform.start("--services")
    await platform.ready()
    running = " ".join(platform.processes().values())

    process.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(process.wait, 60)

    assert "kafka.Kafka" in running
    assert "nginx: master" in running
    assert status == 0
    assert platform.processes() == {}


async def test_without_java_the_distributed_form_says_what_it_needs_before_anything_is_started(
    platform: Platform,
) -> None:
    process = platform.start("--services", path="/nowhere")
    status = await asyncio.to_thread(process.wait, 30)

    assert status == 1
    assert platform.said() == (
        "boxoffice: there is no java. Kafka needs Java 17 or later and Maven: install default-jre-headless and maven, "
        "or set BOXOFFICE_BUS=pglog to do without it\n"
    )
    assert not platform.data.exists()


async def test_children_and_servers_that_are_killed_come_back(platform: Platform) -> None:
    platform.start()
    await platform.ready()
    web, worker, postgres = (platform.pid_of(part) for part in ("run web", "run worker", "postgres -D"))
    assert web is not None
    assert worker is not None
    assert postgres is not None

    for pid in (web, worker, postgres):
        os.kill(pid, signal.SIGKILL)

    await eventually(replaced(platform, "run web", web), within=30)
    await eventually(replaced(platform, "run worker", worker), within=30)
    await eventually(replaced(platform, "postgres -D", postgres), within=30)
    await eventually(lambda: http_status("127.0.0.1", platform.admin_port, "/health/ready"), within=30)
    assert re.search(rf"web 1 \(process {web}\) ended by SIGKILL; starting it again", platform.said())


async def test_a_roll_replaces_every_process_but_the_servers(platform: Platform) -> None:
    platform.start(web_processes="2")
    await platform.ready()
    before = platform.processes()

    said = await asyncio.to_thread(platform.command, "roll")

    after = platform.processes()
    replaced = [command for pid, command in before.items() if pid not in after]
    assert said.splitlines() == ["worker is replaced", "web 2 is replaced", "web 1 is replaced"]
    assert len(replaced) == 3
    assert all(" run " in command for command in replaced)
    assert await http_status("127.0.0.1", platform.admin_port, "/health/ready") == 200


async def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_finds_the_data(
    platform: Platform,
) -> None:
    process = platform.start()
    await platform.ready()

    process.kill()
    await asyncio.to_thread(process.wait)
    platform.start()
    await platform.ready(times=2)

    webs = [command for command in platform.processes().values() if "run web" in command]
    postgres = [command for command in platform.processes().values() if "postgres -D" in command]
    assert len(webs) == len(set(webs))
    assert len(postgres) == 1


async def test_a_busy_port_is_said_in_one_line_before_anything_is_started(platform: Platform) -> None:
    with socket.create_server(("127.0.0.1", platform.port)):
        process = platform.start()
        status = await asyncio.to_thread(process.wait, 30)

    assert status == 1
    assert platform.said() == (
        f"boxoffice: port {platform.port} is in use by another program: set BOXOFFICE_PORT to a free one\n"
    )
    assert not platform.data.exists()


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("port", "eighty", "BOXOFFICE_PORT: Input should be a valid integer"),
        ("data", "/dev/null/data", "cannot use the data directory /dev/null/data"),
        ("database_url", "postgresql://nobody@127.0.0.1:1/nothing", "127.0.0.1"),
    ],
)
async def test_what_keeps_it_from_starting_is_one_line(
    platform: Platform, setting: str, value: str, complaint: str
) -> None:
    process = platform.start(**{setting: value})
    status = await asyncio.to_thread(process.wait, 30)

    assert status == 1
    assert platform.said().startswith("boxoffice: ")
    assert complaint in platform.said()
    assert len(platform.said().splitlines()) == 1


def replaced(platform: Platform, part: str, pid: int) -> Callable[[], bool]:
    return lambda: platform.pid_of(part) not in (None, pid)


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
