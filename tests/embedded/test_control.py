"""What a running `up` is asked for on its socket: told step by step, one roll at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from boxoffice.embedded import control
from boxoffice.startup import StartupProblem
from tests.support.servers import temporary_folder


class Supervisor:
    """Says what it would have done; the second step of a roll waits for `go_on`."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.steps: list[str] = []

    async def roll(self, names: Sequence[str]) -> AsyncIterator[str]:
        if "cashier" in names:
            raise StartupProblem("there is no 'cashier' here")
        for name in names:
            self.steps.append(name)
            yield f"{name} is replaced"
            self.begun.set()
            await self.go_on.wait()


@pytest.fixture
def data() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder


@pytest.fixture
async def supervisor(data: Path) -> AsyncIterator[Supervisor]:
    made = Supervisor()
    async with control.answering(data, made.roll, lambda line: None):
        yield made


async def test_each_step_is_told_when_it_is_done(data: Path, supervisor: Supervisor) -> None:
    supervisor.go_on.set()
    said: list[str] = []

    await control.roll(data, ["worker", "web"], said.append)

    assert said == ["worker is replaced", "web is replaced"]


async def test_a_problem_is_told_to_whoever_asked(data: Path, supervisor: Supervisor) -> None:
    with pytest.raises(StartupProblem, match="there is no 'cashier' here"):
        await control.roll(data, ["cashier"], print)


async def test_two_do_not_roll_at_once(data: Path, supervisor: Supervisor) -> None:
    first = asyncio.create_task(control.roll(data, ["worker", "web"], lambda line: None))
    await supervisor.begun.wait()

    with pytest.raises(StartupProblem, match="being replaced already"):
        await control.roll(data, [], print)

    supervisor.go_on.set()
    await first


async def test_an_end_of_the_platform_ends_the_roll(data: Path) -> None:
    supervisor = Supervisor()
    async with control.answering(data, supervisor.roll, lambda line: None):
        asked = asyncio.create_task(control.roll(data, ["worker", "web"], lambda line: None))
        await supervisor.begun.wait()

    with pytest.raises(StartupProblem, match="ended before all was replaced"):
        await asked
    assert supervisor.steps == ["worker"]


async def test_without_a_platform_there_is_nobody_to_ask(data: Path) -> None:
    with pytest.raises(StartupProblem, match="no `boxoffice up` runs on"):
        await control.roll(data, [], print)
