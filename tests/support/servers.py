"""Real PostgreSQL and Valkey for a test session, in a throw-away data directory."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from boxoffice.embedded.servers import EmbeddedServers, left_behind
from boxoffice.startup import StartupProblem

PREFIX = "boxoffice-test-"
FLEETING = {"fsync": "off", "full_page_writes": "off"}
"""Only a machine that crashes could lose data by this, and then nobody looks for it; killed servers lose nothing.
A session makes a thousand tenants, each of many files: to sync them took a minute at its end."""


@asynccontextmanager
async def temporary_servers() -> AsyncIterator[EmbeddedServers]:
    await _remove_what_killed_sessions_left()
    with temporary_folder() as folder:
        async with EmbeddedServers(folder / "data", max_connections=200, postgres_options=FLEETING) as servers:
            yield servers


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of the tests' own that the servers' account can enter too; pytest's `tmp_path` is closed to it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _remove_what_killed_sessions_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if left_behind(folder / "data"):
            with suppress(StartupProblem):  # another session was quicker, or it is another user's
                await EmbeddedServers(folder / "data").stop_orphans()
                shutil.rmtree(folder, ignore_errors=True)
