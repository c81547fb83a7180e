"""A worker that sleeps past its lease: another takes over, and what the sleeper commits when it wakes is refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg

from tests.support.crowd import ENDS, Crowd, at_rest, database_url
from tests.support.locks import nobody_writes_payments, waiting_for_locks
from tests.support.platform import Platform, free_ports
from tests.support.processes import environment_of, pid_of
from tests.support.waiting import eventually

OWNERS = "SELECT DISTINCT owner FROM bus.assignment WHERE grp = 'payments'"
BUYERS = 30


async def test_a_worker_that_slept_past_its_lease_doubles_nothing(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, rows=4, seats=10)
    crowd = await Crowd.gather(platform, slug, event, range(BUYERS))
    sleeper = pid_of(platform.data, "run worker")
    assert sleeper is not None
    watching = await asyncpg.connect(database_url(platform))
    awake = set(await owners(watching))

    async def overtaken() -> bool:
        return awake.isdisjoint(await owners(watching))

    try:
        async with nobody_writes_payments(platform, slug):
            await crowd.buy()
            await eventually(lambda: waiting_for_locks(watching, "worker"))
            os.kill(sleeper, signal.SIGSTOP)
        with another_worker(platform, sleeper):
            await eventually(overtaken, within=30)
            os.kill(sleeper, signal.SIGCONT)
            await eventually(lambda: b"partitions_lost" in platform.output.read_bytes())
            await at_rest(platform, slug)
    finally:
        os.kill(sleeper, signal.SIGCONT)
        await watching.close()

    ended = await crowd.statuses()
    assert len(ended) == BUYERS
    assert set(ended.values()) <= set(ENDS)
    assert list(ended.values()).count("CONFIRMED") >= BUYERS / 3


async def owners(db: asyncpg.Connection) -> Collection[UUID | None]:
    return [owner for (owner,) in await db.fetch(OWNERS)]


@contextmanager
def another_worker(platform: Platform, like: int) -> Iterator[None]:
    """`boxoffice run worker` on the same servers, beside the one that the supervisor started."""
    environment = environment_of(like) | {"BOXOFFICE_ADMIN_PORT": str(free_ports(1)[0])}
    with platform.output.with_name("another-worker").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "boxoffice", "run", "worker"],
            cwd="/", env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
