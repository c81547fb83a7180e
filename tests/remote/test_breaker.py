"""The breaker: opens when half of enough calls go unanswered, lets a few try later, and closes when these succeed."""

import pytest

from boxoffice.remote.breaker import LEAST_CALLS, OPEN_SECONDS, OPEN_SECONDS_MOST, PROBES, Breaker, State
from boxoffice.remote.budget import MOST, Budget


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = LEAST_CALLS) -> None:
    for _ in range(times):
        breaker.wait_seconds()
        breaker.failed()


def test_it_opens_when_half_of_enough_calls_have_failed(breaker: Breaker) -> None:
    for _ in range(LEAST_CALLS // 2):
        breaker.succeeded()
    fail(breaker, LEAST_CALLS // 2 - 1)
    before = breaker.wait_seconds()

    fail(breaker, 1)

    assert before == 0.0
    assert breaker.wait_seconds() == OPEN_SECONDS


def test_few_calls_are_no_judgement(breaker: Breaker) -> None:
    fail(breaker, LEAST_CALLS - 1)

    assert breaker.state is State.CLOSED


def test_what_is_long_past_does_not_count(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, LEAST_CALLS - 1)
    clock.now += 11

    fail(breaker, 1)

    assert breaker.state is State.CLOSED


def test_a_few_calls_try_and_their_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += OPEN_SECONDS

    tried = [breaker.wait_seconds() for _ in range(PROBES + 1)]
    for _ in range(PROBES):
        breaker.succeeded()

    assert tried == [0.0] * PROBES + [1.0]
    assert breaker.state is State.CLOSED


def test_a_try_that_fails_opens_it_for_twice_as_long_and_at_most_for_a_minute(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    waits = []
    for _ in range(6):
        clock.now += breaker.wait_seconds()
        fail(breaker, 1)
        waits.append(breaker.wait_seconds())

    assert waits == [10.0, 20.0, 40.0, OPEN_SECONDS_MOST, OPEN_SECONDS_MOST, OPEN_SECONDS_MOST]


def test_a_try_that_the_caller_gave_up_leaves_room_for_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += OPEN_SECONDS
    for _ in range(PROBES):
        breaker.wait_seconds()

    breaker.abandoned()

    assert breaker.wait_seconds() == 0.0


def test_an_answer_that_comes_after_it_opened_changes_nothing(breaker: Breaker) -> None:
    fail(breaker)

    breaker.succeeded()
    breaker.failed()

    assert breaker.wait_seconds() == OPEN_SECONDS


def test_whoever_watches_is_told_of_each_new_state_once(clock: Clock) -> None:
    told: list[State] = []
    watched = Breaker(clock, told.append)

    fail(watched)
    clock.now += OPEN_SECONDS
    for _ in range(PROBES):
        watched.wait_seconds()
    for _ in range(PROBES):
        watched.succeeded()

    assert told == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_at_most_every_tenth_call_is_made_again() -> None:
    budget = Budget()
    at_first = sum(budget.spend() for _ in range(100))

    for _ in range(100):
        budget.earn()
    later = sum(budget.spend() for _ in range(100))

    assert at_first == MOST
    assert 9 <= later <= 10
