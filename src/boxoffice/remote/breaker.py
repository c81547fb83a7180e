"""A circuit breaker: while a service does not answer, nobody waits for it, and a few calls now and then try again.

One per service and process. Only the lack of an answer counts: a refusal, however often, is an answer.
"""

import time
from collections.abc import Callable
from enum import StrEnum

WINDOW_SECONDS, BUCKETS = 10.0, 10
LEAST_CALLS = 20  # in the window, before it is judged at all
FAILED_SHARE = 0.5
OPEN_SECONDS, OPEN_SECONDS_MOST = 5.0, 60.0
PROBES = 3


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"  # a few calls may try


class Breaker:
    """Ask `wait_seconds` before a call, and tell afterwards how it ended: exactly one of the three.

    `on_change` is told of each new state.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, on_change: Callable[[State], None] = lambda state: None
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._buckets: dict[int, list[int]] = {}  # tenth of the window → [calls, failures]
        self._open_until = 0.0
        self._open_seconds = OPEN_SECONDS
        self._probing = self._proven = 0
        self.state = State.CLOSED

    def wait_seconds(self) -> float:
        """0: call. Otherwise do not, and this is when to ask again."""
        if self.state is State.CLOSED:
            return 0.0
        left = self._open_until - self._clock()
        if left > 0:
            return left
        self._turn(State.HALF_OPEN)
        if self._probing + self._proven >= PROBES:
            return 1.0
        self._probing += 1
        return 0.0

    def succeeded(self) -> None:
        if self.state is State.CLOSED:
            self._count(0)
        elif self.state is State.HALF_OPEN and self._probing:
            self._probing -= 1
            self._proven += 1
            if self._proven == PROBES:
                self._close()

    def failed(self) -> None:
        if self.state is State.HALF_OPEN:
            self._open(min(self._open_seconds * 2, OPEN_SECONDS_MOST))
        elif self.state is State.CLOSED:
            calls, failures = self._count(1)
            if calls >= LEAST_CALLS and failures >= calls * FAILED_SHARE:
                self._open(OPEN_SECONDS)

    def abandoned(self) -> None:
        """The caller went away first: that says nothing about the service."""
        if self.state is State.HALF_OPEN and self._probing:
            self._probing -= 1

    def _count(self, failures: int) -> tuple[int, int]:
        now = int(self._clock() * BUCKETS / WINDOW_SECONDS)
        for old in [each for each in self._buckets if each <= now - BUCKETS]:
            del self._buckets[old]
        bucket = self._buckets.setdefault(now, [0, 0])
        bucket[0] += 1
        bucket[1] += failures
        return sum(each[0] for each in self._buckets.values()), sum(each[1] for each in self._buckets.values())

    def _open(self, seconds: float) -> None:
        self._open_seconds = seconds
        self._open_until = self._clock() + seconds
        self._probing = self._proven = 0
        self._buckets.clear()
        self._turn(State.OPEN)

    def _close(self) -> None:
        self._open_seconds = OPEN_SECONDS
        self._probing = self._proven = 0
        self._turn(State.CLOSED)

    def _turn(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._on_change(state)
