"""What clients asked of seats and were told, as lines of JSON, and the check that it can all be true of each seat.

A history is a file of moments: `invoke` opens an operation, and `ok`, `fail` (refused: it did nothing) or `info` (a
timeout, a lost connection: nobody knows) ends it, with the monotonic time in nanoseconds and what was asked and told.
There are three operations:

claim          `seats` are asked for; ok tells the `booking` that has them now.
look           at a `booking`; ok tells the states it has come through (`steps`, the last is the one it is in) and the
               state of each of its `lines`; fail says that there is no such booking.
availability   ok tells all `seats` of the event in a string: 0 available, 1 held, 2 sold.

A history ends with a look at every booking when all is at rest: what is not seen there did not happen.
"""

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from tests.support.linearizability import Kind, Operation, counterexample

LETTING_GO = ("EXPIRED", "FAILED", "CANCELLED")
SEEN = {"0": Kind.SEE_AVAILABLE, "1": Kind.SEE_HELD, "2": Kind.SEE_SOLD}


class Recorder:
    """Writes a history as it happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO = path.open("w")
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def invoke(self, does: str, event: str, **asked: Any) -> int:
        """Open an operation on an event; answers its number."""
        number = next(self._numbers)
        self._write(type="invoke", op=number, does=does, event=event, **asked)
        return number

    def ok(self, op: int, **told: Any) -> None:
        self._write(type="ok", op=op, **told)

    def fail(self, op: int, **told: Any) -> None:
        self._write(type="fail", op=op, **told)

    def info(self, op: int, **told: Any) -> None:
        """An attempt has ended and nobody knows how; the operation stays open, and `ok` or `fail` may still come."""
        self._write(type="info", op=op, **told)

    def _write(self, **moment: Any) -> None:
        self._file.write(json.dumps({"at": time.monotonic_ns(), **moment}, separators=(",", ":")) + "\n")


@dataclass(slots=True)
class Asked:
    """One operation of a history; `end` is None while nobody knows its outcome, `told` is None if it was refused."""

    does: str
    event: str
    begin: int
    asked: dict[str, Any]
    end: int | None = None
    told: dict[str, Any] | None = None


Seat = tuple[str, int]
Operations = dict[Seat, list[Operation]]
Shows = Callable[[dict[str, Any]], bool]


def read(path: Path) -> list[Asked]:
    """The operations of a history file, in the order of their beginnings, without the claims that were refused."""
    operations: dict[int, Asked] = {}
    with path.open() as lines:
        for line in lines:
            moment = json.loads(line)
            kind, at, op = moment.pop("type"), moment.pop("at"), moment.pop("op")
            if kind == "invoke":
                operations[op] = Asked(moment.pop("does"), moment.pop("event"), at, moment)
            elif kind == "fail" and operations[op].does == "claim":
                del operations[op]
            elif kind != "info":
                operations[op].end, operations[op].told = at, moment if kind == "ok" else None
    return list(operations.values())


def problems(history: Sequence[Asked]) -> list[str]:
    """Everything in a history that cannot be true, in words; empty when there is an order that explains all of it."""
    found: list[str] = []
    seats: Operations = defaultdict(list)
    claims: dict[str, Asked] = {}
    looks: dict[str, list[Asked]] = defaultdict(list)
    for number, each in enumerate(history):
        match each:
            case Asked(does="claim", told=None):
                _enter_unknown(each, number, seats)
            case Asked(does="claim", told={"booking": booking}):
                if claims.setdefault(booking, each) is not each:
                    found.append(f"booking {booking} was given to two claims")
            case Asked(does="look", end=int()):
                looks[each.asked["booking"]].append(each)
            case Asked(does="availability", told={"seats": states}):
                for seat_no, state in enumerate(states):
                    seats[each.event, seat_no].append(Operation(SEEN[state], "", each.begin, each.end))
    for booking, claim in claims.items():
        found += _enter(booking, claim, looks[booking], seats)
    broken = ((seat, counterexample(operations)) for seat, operations in sorted(seats.items()))
    return found + [f"event {event}, seat {seat_no}: {why}" for (event, seat_no), why in broken if why is not None]


def _enter_unknown(claim: Asked, number: int, seats: Operations) -> None:
    """A claim that nobody knows the outcome of: all that a booking does to its seats may happen at any time."""
    for seat_no in claim.asked["seats"]:
        for kind in (Kind.CLAIM, Kind.CONFIRM, Kind.RELEASE):
            seats[claim.event, seat_no].append(Operation(kind, f"of the unknown claim {number}", claim.begin, None))


def _enter(booking: str, claim: Asked, looks: Sequence[Asked], seats: Operations) -> Iterator[str]:
    """Enter a booking: its claim, and each later step between the last look without it and the first look with it."""
    if not looks:
        yield f"booking {booking} was never looked at"
        return
    if any(look.told is None for look in looks):
        yield f"booking {booking} was granted and is unknown afterwards"
        return
    seen = [(look.begin, look.end or look.begin, look.told or {}) for look in looks]
    steps: Sequence[str] = max((told["steps"] for _, _, told in seen), key=len)
    for seat_no in claim.asked["seats"]:
        operations = seats[claim.event, seat_no]
        first = Kind.BUY if steps[0] == "CONFIRMED" else Kind.CLAIM
        operations.append(Operation(first, booking, claim.begin, claim.end))
        for kind, shows in _steps(steps, seat_no, given_back=any(_given_back(told, seat_no) for _, _, told in seen)):
            begin = max((begin for begin, _, told in seen if not shows(told)), default=claim.begin)
            end = min(end for _, end, told in seen if shows(told))
            if begin > end:
                yield f"booking {booking}, seat {seat_no}: {kind} was seen by {end} and not any more at {begin}"
                return
            operations.append(Operation(kind, booking, max(begin, claim.begin), end))


def _steps(steps: Sequence[str], seat_no: int, *, given_back: bool) -> Iterator[tuple[Kind, Shows]]:
    """What a booking did to a seat after it had claimed it, each with the question whether a look shows it."""
    has, sold = True, steps[0] == "CONFIRMED"
    for count, step in enumerate(steps, 1):
        if step == "CONFIRMED" and not sold:
            yield (Kind.CONFIRM if has else Kind.BUY), partial(_shows, count, None)
            has = sold = True
        elif step in LETTING_GO and has:
            yield Kind.RELEASE, partial(_shows, count, seat_no)
            has = sold = False
    if has and given_back:
        yield Kind.RELEASE, partial(_shows, len(steps) + 1, seat_no)


def _shows(count: int, seat_no: int | None, told: dict[str, Any]) -> bool:
    """Whether a look shows so many steps or, where one is named, that the seat was given back before."""
    return len(told["steps"]) >= count or (seat_no is not None and _given_back(told, seat_no))


def _given_back(told: dict[str, Any], seat_no: int) -> bool:
    return bool(told["lines"].get(str(seat_no)) == "REFUNDED")
