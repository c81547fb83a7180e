"""Failpoints: before and after every commit and every send, the places at which a test lets this process die.

A point is called after what happens there and who makes it happen: `before commit payments.charging.Charging.charge`.
Nobody writes such names down: the stack tells them, so that a new transaction is a new point by itself, and the tests
read from the source which ones there are (docs/decisions/0033-failpoints.md). Off, a point costs a comparison.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Literal

import structlog

Moment = Literal["before commit", "after commit", "before send", "after send"]

KILLED = 137  # what a shell says of a process that was killed with -9
UNSEEN = {"boxoffice.failpoint", "boxoffice.kernel.database"}  # every commit passes through these
DOOR = "boxoffice.doors.http"  # what is behind it asked for something else
GENERAL = ("kernel.", "doors.")  # do the work of whoever called them
log = structlog.get_logger("failpoint")


class Armed:
    """The one point at which this process dies, when it passes it for the nth time."""

    def __init__(self, point: str) -> None:
        self.point, _, nth = point.partition(":")
        self.passages_left = int(nth or 1)

    def meet(self, moment: Moment, works: Sequence[str], frame: FrameType | None) -> None:
        if any(f"{moment} {name}" == self.point for name in (*works, *_names(frame))):
            self.passages_left -= 1
            if self.passages_left == 0:
                os._exit(KILLED)


_armed: Armed | None = None


def arm(point: str) -> None:
    """From now on this process dies at `point`, if it is one; an empty one arms nothing. For tests only."""
    global _armed
    if point and _armed is None:
        log.warning("this_process_will_die_on_purpose", failpoint=point)
        _armed = Armed(point)


def reached(moment: Moment, works: Sequence[str] = ()) -> None:
    """Here is a point. `works` are names that the stack does not know (any more)."""
    if _armed is not None:
        _armed.meet(moment, works, sys._getframe(1))


@contextmanager
def around_commit() -> Iterator[None]:
    """The block is, or ends in, one commit."""
    reached("before commit")
    yield
    reached("after commit")


@contextmanager
def around_send(*works: str) -> Iterator[None]:
    """The block tells somebody outside something; after it we know that they heard."""
    reached("before send", works)
    yield
    reached("after send", works)


def _names(frame: FrameType | None) -> list[str]:
    """The function that commits or sends; where that is a general one, also whom it serves, down to the door."""
    names: list[str] = []
    while frame is not None and (module := frame.f_globals.get("__name__", "")) != DOOR:
        if module.startswith("boxoffice.") and module not in UNSEEN:
            names.append(f"{module.removeprefix('boxoffice.')}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return names if names and names[0].startswith(GENERAL) else names[:1]
