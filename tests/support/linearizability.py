"""Whether what clients saw of one seat can be told as one story: the search of Wing and Gong, in Lowe's form; pure.

A seat is a register: available, held by a booking, or sold to one. An operation takes effect at one moment between its
beginning and its end. A history is linearizable if such moments can be chosen so that each operation finds the seat as
it needs it. Seats are independent registers, so each is searched alone (P-compositionality), and that keeps it small.

The search walks through the beginnings and ends in the order of time with all *configurations* that are possible so
far: a state of the seat, and which of the operations under way have taken effect already. At an operation's end those
configurations survive in which it has. When none survives, no story is left, and that end is the counterexample.

Two thoughts keep the number of configurations small. A look that finds what it needs changes nothing, so it is taken
at once. And an operation that nobody knows the outcome of has no end, it may take effect at any later time or never:
of two configurations that differ only in such operations, the one that has used fewer can do whatever the other can,
so the other is dropped. Without this, every unknown operation would double the search.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What an operation does to a seat, or finds."""

    CLAIM = "claim"  # available → held by the booking
    BUY = "buy"  # available → sold to the booking at once: free of charge, or paid so late that it was claimed anew
    CONFIRM = "confirm"  # held by the booking → sold to it
    RELEASE = "release"  # held by the booking or sold to it → available
    SEE_AVAILABLE = "see available"
    SEE_HELD = "see held"  # by a claim or by somebody who only chooses: not sold
    SEE_SOLD = "see sold"


class Operation(NamedTuple):
    """`end` is None when nobody knows whether it ever took effect."""

    kind: Kind
    booking: str
    begin: float
    end: float | None


class State(NamedTuple):
    """`booking` is whose the seat is; empty while it is available."""

    booking: str = ""
    sold: bool = False


class Counterexample(NamedTuple):
    """The first operation that no story has room for, and the states in which the seat could have been before it."""

    operation: Operation
    states: frozenset[State]

    def __str__(self) -> str:
        could_be = " or ".join(sorted(_words(state) for state in self.states))
        kind, booking, begin, end = self.operation
        return f"{kind} {booking} within [{begin}, {end}] is impossible: the seat could only be {could_be}"


AVAILABLE = State()
Done = frozenset[int]
Configuration = tuple[State, Done]


def step(state: State, operation: Operation) -> State | None:
    """The state after an operation, or None where it cannot take effect. This is the whole specification of a seat."""
    mine = state.booking == operation.booking
    match operation.kind:
        case Kind.CLAIM:
            return State(operation.booking) if state == AVAILABLE else None
        case Kind.BUY:
            return State(operation.booking, sold=True) if state == AVAILABLE else None
        case Kind.CONFIRM:
            return State(operation.booking, sold=True) if mine and not state.sold else None
        case Kind.RELEASE:
            return AVAILABLE if mine else None
        case Kind.SEE_AVAILABLE:
            return state if state == AVAILABLE else None
        case Kind.SEE_HELD:
            return state if not state.sold else None
        case Kind.SEE_SOLD:
            return state if state.sold else None


def counterexample(operations: Sequence[Operation]) -> Counterexample | None:
    """None if the operations on one seat, which is available at first, are linearizable."""
    configurations: set[Configuration] = {(AVAILABLE, frozenset())}
    under_way: set[int] = set()
    for _, is_end, number in _moments(operations):
        if not is_end:
            under_way.add(number)
            continue
        survivors = _with(number, configurations, under_way, operations)
        if not survivors:
            return Counterexample(operations[number], frozenset(state for state, _ in configurations))
        under_way.discard(number)
        configurations = {(state, done - {number}) for state, done in survivors}
    return None


def _moments(operations: Sequence[Operation]) -> list[tuple[float, bool, int]]:
    """All beginnings and ends in the order of time; what touches in one moment counts as overlapping."""
    begins = [(each.begin, False, number) for number, each in enumerate(operations)]
    ends = [(each.end, True, number) for number, each in enumerate(operations) if each.end is not None]
    return sorted(begins + ends)


def _with(
    wanted: int, configurations: Iterable[Configuration], under_way: set[int], operations: Sequence[Operation]
) -> list[Configuration]:
    """Every configuration that can be reached from these and in which `wanted` has taken effect, the laziest first."""
    reached: list[Configuration] = []
    best: dict[tuple[State, Done], list[Done]] = {}
    queue = deque(sorted(configurations, key=lambda each: len(each[1])))
    while queue:
        state, done = queue.popleft()
        done |= {number for number in under_way if step(state, operations[number]) == state}
        optional = frozenset(number for number in done if operations[number].end is None)
        rivals = best.setdefault((state, done - optional), [])
        if any(rival <= optional for rival in rivals):
            continue
        rivals.append(optional)
        if wanted in done:
            reached.append((state, done))
            continue
        for number in under_way - done:
            after = step(state, operations[number])
            if after is not None:
                queue.append((after, done | {number}))
    return reached


def _words(state: State) -> str:
    return f"{'sold to' if state.sold else 'held by'} {state.booking}" if state.booking else "available"
