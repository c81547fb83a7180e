"""Whatever can happen to bookings, at every moment and again and again, and what becomes of them by a table."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple
from uuid import uuid5

import msgspec

from boxoffice.bookings.decide import (
    Aborted,
    AttemptStatus,
    Captured,
    EventOff,
    Happening,
    IllegalTransition,
    Refund,
    RefundMarked,
    Requested,
    RetryRequested,
    Saga,
    TimerDue,
    decide,
)
from boxoffice.bookings.executor import RECLAIMABLE
from boxoffice.bookings.giving_back.actions import event_off
from boxoffice.bookings.giving_back.policy import buyers_terms
from boxoffice.bookings.saga import BEFORE_MONEY, State, Table, Trigger
from boxoffice.messages import (
    PaymentActionRequired,
    PaymentCancelled,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)
from tests.model.world import NOW, PRICE, Ask, Case, Line, World, as_booking, perform, reclaimed

CARD = "pm_card_visa"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How large the world is: the seats that each booking wants, attempts to pay, refusals of a refund, fees.

    Refusals come `at_once` in a row, with nothing in between.
    """

    wants: tuple[tuple[int, ...], ...]
    attempts: int = 1
    refusals: int = 1
    at_once: int = 1
    keeps_percent: tuple[int, ...] = (0,)
    free: bool = False


class Step(NamedTuple):
    """Something that happens to a booking, or (None) the end of the event.

    What is `owed` happens at some time without anybody's wish; what is `illegal` changes nothing.
    """

    number: int | None
    what: Happening | None
    after: Case | None
    owed: bool = False
    illegal: str | None = None


class SagaModel:
    """The bookings of a small world, carried by the production's `decide` over a table that may have been edited."""

    def __init__(self, bounds: Bounds, table: Table) -> None:
        self.bounds = bounds
        self.table = table
        self.asked: set[tuple[State, Trigger]] = set()
        self._steps_of = cache(self._steps)

    def start(self) -> World:
        return World((None,) * len(self.bounds.wants))

    def successors(self, world: World) -> Iterator[tuple[Step, World]]:
        """Every next step and the world after it; a step that breaks the saga leaves the world as it is."""
        if not world.off:
            yield Step(None, None, None), world._replace(off=True)
        for number, case in enumerate(world.cases):
            others = frozenset[int]().union(*(c.seats for c in world.cases if c is not None and c is not case))
            can_claim = not world.off and others.isdisjoint(self.bounds.wants[number])
            steps = self._steps_of(case, can_claim, world.off) if case else self._booked(number, can_claim)
            for step in steps:
                cases = (*world.cases[:number], step.after or case, *world.cases[number + 1 :])
                yield step, world._replace(cases=cases)

    def _booked(self, number: int, can_claim: bool) -> tuple[Step, ...]:
        if not can_claim:
            return ()
        wants = self.bounds.wants[number]
        saga = Saga(total_minor=0 if self.bounds.free else PRICE * len(wants))
        case = Case(number=number, saga=saga, lines=tuple(Line(seat) for seat in wants))
        return (self._step(case, Requested(None if self.bounds.free else CARD)),)

    def _steps(self, case: Case, can_claim: bool, off: bool) -> tuple[Step, ...]:
        return tuple(
            self._step(case, happening, owed=owed, can_claim=can_claim)
            for happening, owed in self._may_happen(case, off)
        )

    def _step(self, case: Case, happening: Happening, *, owed: bool = False, can_claim: bool = False) -> Step:
        """One transaction of the executor, with the provider's part in it."""
        then = case
        if isinstance(happening, TimerDue):
            then = msgspec.structs.replace(then, timer=False)
        elif isinstance(happening, Captured):
            then = msgspec.structs.replace(then, taken=then.taken | {happening.message.attempt})
            if then.saga.state in RECLAIMABLE:
                happening = msgspec.structs.replace(happening, reclaimed=can_claim)
                then = reclaimed(then) if can_claim else then
        elif isinstance(happening, PaymentRefunded | RefundMarked):
            then = msgspec.structs.replace(then, returned=then.returned | {happening.refund_id})
        elif isinstance(happening, EventOff):
            then = msgspec.structs.replace(then, off=True)
        try:
            for _ in range(self.bounds.at_once if isinstance(happening, RefundFailed) else 1):
                decision = decide(then.saga, happening, self.table)
                self.asked.add((then.saga.state, decision.trigger))
                then = then if decision.ignored is not None else perform(then, decision)
        except IllegalTransition as illegal:
            return Step(case.number, happening, None, owed, str(illegal))
        return Step(case.number, happening, then, owed)

    def _may_happen(self, case: Case, off: bool) -> Iterator[tuple[Happening, bool]]:
        yield TimerDue(), case.timer  # one that is not armed any more fires too: the table calls it old news
        yield from ((said, False) for said in self._said_of_attempts(case))
        yield from self._said_of_refunds(case)
        yield from ((wish, False) for wish in self._wishes(case))
        if off:
            yield event_off(as_booking(case)), not case.off

    def _said_of_attempts(self, case: Case) -> Iterator[Happening]:
        """Whatever payments may say of an attempt they were asked for: anything, in any order, repeatedly."""
        for number in (ask.which for ask in case.asked if ask.what == "charge"):
            assert isinstance(number, int)
            of: dict[str, Any] = {"booking_id": case.id, "attempt": number}
            paid = PaymentCompleted(**of, amount_minor=case.saga.total_minor, currency="EUR")
            yield Captured(paid, uuid5(case.id, f"capture {number}"))
            yield PaymentFailed(**of, retryable=True, reason="declined")
            yield PaymentFailed(**of, retryable=False, reason="declined")
            yield PaymentCancelled(**of)
            yield PaymentActionRequired(**of, url="https://bank.example")

    def _said_of_refunds(self, case: Case) -> Iterator[tuple[Happening, bool]]:
        for refund in case.saga.refunds:
            if Ask("refund", refund.id) in case.asked:
                of: dict[str, Any] = {"booking_id": case.id, "attempt": refund.attempt, "refund_id": refund.id}
                yield PaymentRefunded(**of, amount_minor=refund.amount_minor, currency="EUR"), not refund.done
                if refund.done or self._may_refuse(refund):
                    yield RefundFailed(**of, reason="account_closed"), False
            if not refund.done:
                yield RefundMarked(refund_id=refund.id, evidence="bank transfer 1"), False

    def _may_refuse(self, refund: Refund) -> bool:
        return refund.tries < self.bounds.refusals

    def _wishes(self, case: Case) -> Iterator[Happening]:
        """What buyer, organizer and operator may do: the verbs refuse them everything else."""
        saga = case.saga
        if saga.state in BEFORE_MONEY:
            yield Aborted()
        if saga.state is State.PENDING_PAYMENT:
            again = saga.attempts[-1].status in (AttemptStatus.DECLINED, AttemptStatus.CANCELLED)
            if again and not saga.open_attempts and saga.attempt < self.bounds.attempts:
                yield RetryRequested(CARD)
        if saga.state is State.CONFIRMED:
            seats = [line.seat for line in case.valid]
            for some in (some for n in range(1, len(seats) + 1) for some in combinations(seats, n)):
                for percent in self.bounds.keeps_percent:
                    terms = buyers_terms(as_booking(case, percent), some, NOW)
                    yield terms.happening(uuid5(case.id, f"seats {some}"), "USER_CANCELLED")
