"""Real PostgreSQL and Valkey for a test session, in a throw-away data directory."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from boxoffice.embedded.servers import EmbeddedServers


@asynccontextmanager
async def temporary_servers() -> AsyncIterator[EmbeddedServers]:
    with temporary_folder() as folder:
        async with EmbeddedServers(folder / "data", max_connections=200) as servers:
            yield servers


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of the tests' own that the servers' account can enter too; pytest's `tmp_path` is closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="boxoffice-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
