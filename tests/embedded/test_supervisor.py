"""A child that ends unasked is started again, one that was asked to end stays gone; a roll stops at what fails."""

from collections.abc import Callable

import pytest

from boxoffice.embedded.supervisor import Child, Supervisor
from boxoffice.startup import StartupProblem
from tests.support.waiting import eventually

ENDS_AT_ONCE = ["run", "--help"]


def everyone(_: str) -> bool:
    return True


def started(child: Child, than: int) -> Callable[[], bool]:
    return lambda: child.process is not None and child.process.pid != than


async def test_a_child_that_ends_is_started_again_and_said_in_one_line() -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = Child("web 1", ENDS_AT_ONCE, {})
    await supervisor.add(child)
    assert child.process is not None
    first = child.process.pid

    await eventually(started(child, than=first), within=20.0)

    await supervisor.stop(everyone)
    assert said[0] == f"web 1 (process {first}) ended with status 0; starting it again in 0.5 s"


async def test_a_stopped_child_is_not_started_again() -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = Child("worker", ENDS_AT_ONCE, {})
    await supervisor.add(child)

    await supervisor.stop(everyone)

    assert supervisor.children == []
    assert said == []
    assert child.process is not None
    assert child.process.returncode is not None


async def test_pauses_grow_while_a_child_keeps_failing() -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    await supervisor.add(Child("web 1", ["no-such-command"], {}))

    await eventually(lambda: len(said) >= 2, within=30.0)

    await supervisor.stop(everyone)
    assert [line.rpartition(" in ")[2] for line in said[:2]] == ["0.5 s", "1 s"]


async def test_a_child_that_does_not_become_ready_ends_the_roll() -> None:
    supervisor = Supervisor(lambda line: None, ready_seconds=0.5)
    first, second = Child("events", ENDS_AT_ONCE, {}), Child("bookings 1", ENDS_AT_ONCE, {})
    for child in (first, second):
        await supervisor.add(child)
    before = first.process

    with pytest.raises(StartupProblem, match=r"bookings 1 is not ready after 0\.5 s"):
        await anext(supervisor.roll([]))

    await supervisor.stop(everyone)
    assert first.process is before


async def test_a_roll_names_whom_it_knows() -> None:
    supervisor = Supervisor(lambda line: None)
    await supervisor.add(Child("bookings 1", ENDS_AT_ONCE, {}))

    with pytest.raises(StartupProblem, match=r"there is no .cashier. here: name some of bookings, bookings 1, or none"):
        await anext(supervisor.roll(["cashier"]))

    await supervisor.stop(everyone)
