"""A child that ends unasked is started again; one that was asked to end stays gone."""

from collections.abc import Callable

from boxoffice.embedded.supervisor import Child, Supervisor
from tests.support.waiting import eventually

ENDS_AT_ONCE = ["--help"]


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
