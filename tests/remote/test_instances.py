"""Which instance is called: the least busy healthy one, and when none is healthy, any rather than none."""

import pytest

from boxoffice.remote.discovery import Address, Written, read
from boxoffice.remote.instances import EJECTED_SECONDS, FAILURES_MAX, Instance, Instances

ONE, TWO, THREE = (Address("127.0.0.1", port) for port in (1, 2, 3))


class World:
    def __init__(self, *addresses: Address) -> None:
        self.now = 0.0
        self.away: list[Instance] = []
        self.instances = Instances("auth", Written({"auth": addresses}), self.away.append, lambda: self.now)

    def chosen(self, times: int = 6) -> set[Address]:
        found = [self.instances.choose() for _ in range(times)]
        return {each.address for each in found if each is not None}

    def fail(self, address: Address, times: int = FAILURES_MAX) -> None:
        others = {ONE, TWO, THREE} - {address}
        instance = self.instances.choose(others)
        assert instance is not None
        for _ in range(times):
            self.instances.failed(instance)


def test_idle_ones_take_turns_and_the_busy_one_rests() -> None:
    world = World(ONE, TWO)
    turns = world.chosen()
    busy = world.instances.choose({TWO})
    assert busy is not None

    busy.in_flight = 3

    assert turns == {ONE, TWO}
    assert world.chosen() == {TWO}


def test_one_that_fails_in_a_row_is_left_out_for_a_while_ever_longer() -> None:
    world = World(ONE, TWO)
    world.fail(ONE)
    out = world.chosen()
    world.now += EJECTED_SECONDS
    again = world.chosen()
    world.fail(ONE)
    world.now += EJECTED_SECONDS

    assert out == {TWO}
    assert again == {ONE, TWO}
    assert world.chosen() == {TWO}


def test_an_answer_in_between_is_no_row() -> None:
    world = World(ONE, TWO)
    world.fail(ONE, FAILURES_MAX - 1)
    instance = world.instances.choose({TWO})
    assert instance is not None

    world.instances.answered(instance)
    world.fail(ONE, FAILURES_MAX - 1)

    assert world.chosen() == {ONE, TWO}


def test_at_most_half_are_left_out() -> None:
    world = World(ONE, TWO)
    world.fail(ONE)
    world.fail(TWO)

    assert world.chosen() == {TWO}


def test_one_that_leaves_is_told_once_and_not_called_until_it_is_back() -> None:
    world = World(ONE, TWO)
    leaving = world.instances.choose({TWO})
    assert leaving is not None
    world.instances.left(leaving)
    world.instances.left(leaving)
    meanwhile = world.chosen()

    world.instances.back(leaving)

    assert world.away == [leaving]
    assert meanwhile == {TWO}
    assert world.chosen() == {ONE, TWO}


def test_when_all_have_left_any_is_tried() -> None:
    world = World(ONE)
    only = world.instances.choose()
    assert only is not None

    world.instances.left(only)

    assert world.instances.choose() is only
    assert world.instances.choose({ONE}) is None


def test_a_written_list_names_every_instance() -> None:
    discovery = read("static:auth=10.0.0.1:8101, 10.0.0.2:8101; events=[::1]:8102")

    assert [str(each) for each in discovery.addresses("auth")] == ["10.0.0.1:8101", "10.0.0.2:8101"]
    assert [str(each) for each in discovery.addresses("events")] == ["[::1]:8102"]
    assert discovery.addresses("nobody") == ()


@pytest.mark.parametrize("text", ["dns:auth", "static:auth=here", "static:auth=:80", "static:auth=h:0", "static:auth"])
def test_a_list_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"there is no discovery|is no HOST:PORT"):
        read(text)
