"""Breadth-first through every world there can be, to the first that breaks an invariant, or to the very end."""

from collections import deque
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from boxoffice.bookings.decide import (
    Aborted,
    Captured,
    EventOff,
    GivenBack,
    Happening,
    Requested,
    RetryRequested,
    TimerDue,
)
from boxoffice.bookings.saga import State, Trigger
from boxoffice.messages import PaymentFailed
from tests.model.invariants import (
    ALL_NAMES,
    AT_EVERY_MOMENT,
    LEGAL,
    ONE_OWNER,
    REST_COMES,
    REST_IS_GOOD,
    seats_of_two,
    unsettled,
)
from tests.model.saga_model import SagaModel, Step
from tests.model.world import Case, World

Way = dict[World, tuple[World, Step] | None]  # how each world was reached first
NAMES = "AB"


class Violation(NamedTuple):
    """The invariants that a shortest way through the worlds breaks, and that way."""

    broken: tuple[str, ...]
    trace: tuple[tuple[Step | None, World], ...]


class Found(NamedTuple):
    """How much there was to see, the cells that were asked, and the first thing that is wrong, if anything is."""

    worlds: int
    steps: int
    asked: frozenset[tuple[State, Trigger]]
    violation: Violation | None


def search(model: SagaModel, watched: frozenset[str] = ALL_NAMES) -> Found:
    """Visit every world. Nothing stops it but the last one, or a violation of a watched invariant."""
    start = model.start()
    came: Way = {start: None}
    waiting, rests, steps = deque([start]), list[World](), 0
    owed_from: dict[World, list[World]] = {}  # the worlds from which one gets here by what is owed alone

    def found(broken: Collection[str] = (), last: World = start, *illegal: tuple[Step, World]) -> Found:
        violation = Violation(tuple(broken), (*_trace(came, last), *illegal)) if broken else None
        return Found(len(came), steps, frozenset(model.asked), violation)

    while waiting:
        here = waiting.popleft()
        at_rest = True
        for step, there in model.successors(here):
            steps += 1
            if step.illegal is not None:
                if LEGAL in watched:
                    return found([LEGAL], here, (step, here))
                continue  # its transaction is rolled back
            if step.owed:
                at_rest = False
                owed_from.setdefault(there, []).append(here)
            if there not in came:
                came[there] = (here, step)
                if broken := watched & _broken(there):
                    return found(sorted(broken), there)
                waiting.append(there)
        if at_rest:
            rests.append(here)
            if REST_IS_GOOD in watched and unsettled(here):
                return found([REST_IS_GOOD], here)
    restless = _restless(came, rests, owed_from) if REST_COMES in watched else None
    return found([REST_COMES], restless) if restless is not None else found()


def _restless(came: Way, rests: list[World], owed_from: dict[World, list[World]]) -> World | None:
    """The first world that never comes to rest, though everything happens that is owed."""
    resting, waiting = set(rests), deque(rests)
    while waiting:
        for before in owed_from.get(waiting.popleft(), ()):
            if before not in resting:
                resting.add(before)
                waiting.append(before)
    return next((world for world in came if world not in resting), None)


def _broken(world: World) -> frozenset[str]:
    of_all = frozenset({ONE_OWNER} if seats_of_two(world.cases) else ())
    return of_all.union(*(_broken_by(case) for case in world.cases if case is not None))


@lru_cache(maxsize=10_000)
def _broken_by(case: Case) -> frozenset[str]:
    return frozenset(invariant.name for invariant in AT_EVERY_MOMENT if invariant.broken(case))


def _trace(came: Way, last: World) -> tuple[tuple[Step | None, World], ...]:
    trace: list[tuple[Step | None, World]] = []
    world = last
    while (before := came[world]) is not None:
        trace.append((before[1], world))
        world = before[0]
    return ((None, world), *reversed(trace))


# ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────────
def told(violation: Violation) -> str:
    """The way to a violation, a line a step: what happened, and what it made of the bookings."""
    return "\n".join([*_lines(violation), f"     ✗ {', '.join(violation.broken)}"])


def _lines(violation: Violation) -> Iterator[str]:
    for place, ((_, before), (step, after)) in enumerate(pairwise(violation.trace), 1):
        assert step is not None
        changed = [_state(case) for case, was in zip(after.cases, before.cases, strict=True) if case and case != was]
        yield f"  {place:>2} {_what(step):<56} {step.illegal or '  '.join(changed)}".rstrip()


def _what(step: Step) -> str:
    if step.number is None:
        return "the event is cancelled"
    return f"{NAMES[step.number]} {_words(step.what)}"


def _words(happening: Happening | None) -> str:
    match happening:
        case Requested():
            return "books"
        case RetryRequested():
            return "pays again"
        case Aborted():
            return "is given up"
        case TimerDue():
            return "is woken by its timer"
        case EventOff():
            return "hears that its event is cancelled"
        case Captured(message=message, reclaimed=None):
            return f"PaymentCompleted of attempt {message.attempt}"
        case Captured(message=message, reclaimed=got):
            return f"PaymentCompleted of attempt {message.attempt}, its seats are {'free again' if got else 'gone'}"
        case GivenBack(seats=seats, amount_minor=back, kept_minor=kept):
            return f"gives back {' and '.join(map(str, seats))} for {back}, {kept} kept"
        case PaymentFailed(attempt=attempt, retryable=retryable):
            return f"PaymentFailed of attempt {attempt}{', may be retried' if retryable else ''}"
        case _:
            return f"{type(happening).__name__} of attempt {getattr(happening, 'attempt', '?')}"


def _state(case: Case) -> str:
    seats = ", ".join(
        f"{line.seat} {line.claim}{'' if line.state == 'VALID' else f' ({line.state.lower()})'}" for line in case.lines
    )
    money = f", taken {len(case.taken) * case.saga.total_minor}" if case.taken else ""
    return f"{NAMES[case.number]} {case.saga.state}: {seats}{money}{'' if case.timer else ', no timer'}"
