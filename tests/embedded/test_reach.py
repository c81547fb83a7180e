"""Servers are taken where the settings name them, shared when they run already, and started otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boxoffice.embedded.reach import reachable_servers
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem
from tests.support.servers import temporary_folder


@pytest.fixture
def data() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder / "data"


def settings(data: Path, **values: Any) -> Settings:
    return Settings(data=data, **values)


async def test_named_servers_are_used_as_they_are(servers: EmbeddedServers, data: Path) -> None:
    named = settings(data, database_url=servers.database_url, valkey_url=servers.valkey_url)

    async with reachable_servers(named) as (complete, ours):
        assert ours is None
        assert complete == named


async def test_only_what_is_not_named_is_started(servers: EmbeddedServers, data: Path) -> None:
    async with reachable_servers(settings(data, database_url=servers.database_url)) as (complete, ours):
        assert ours is not None
        assert ours.postgres.pid is None
        assert ours.valkey.pid is not None
        assert complete.database_url == servers.database_url
        assert complete.valkey_url == ours.valkey_url


async def test_a_short_command_shares_the_servers_that_run_already(data: Path) -> None:
    async with EmbeddedServers(data) as running, reachable_servers(settings(data), share=True) as (complete, ours):
        connection = await asyncpg.connect(complete.database_url)
        database = await connection.fetchval("SELECT current_database()")
        await connection.close()

        assert ours is None
        assert complete.valkey_url == running.valkey_url
        assert database == "boxoffice"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("database_url", "postgresql://somebody@127.0.0.1:1/nothing", "cannot connect to PostgreSQL"),
        ("database_url", "mysql://localhost/nothing", "cannot connect to PostgreSQL"),
        ("valkey_url", "redis://127.0.0.1:1/0", "cannot connect to Valkey"),
        ("valkey_url", "http://localhost", "cannot connect to Valkey"),
    ],
)
async def test_a_named_server_that_does_not_answer_is_a_startup_problem(
    data: Path, name: str, value: str, complaint: str
) -> None:
    with pytest.raises(StartupProblem, match=complaint):
        async with reachable_servers(settings(data, **{name: value})):
            raise AssertionError("nothing should run")

    assert not data.exists()
