"""The time that whoever asked will wait for an answer, known to everything that is done for the answer's sake."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "x-deadline-ms"  # between our own processes: the milliseconds that are left

_ends: ContextVar[float] = ContextVar("deadline", default=math.inf)


def seconds_left(most: float) -> float:
    """How long a call may take: `most`, or less when the caller waits for less."""
    return max(0.0, min(most, _ends.get() - time.monotonic()))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Whatever is asked in this block is asked for at most so long."""
    token = _ends.set(min(_ends.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends.reset(token)
