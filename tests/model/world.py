"""A small world around the saga: what a booking has, what was asked of payments, and what the effects do to both.

The executor's guards are left out on purpose (here SELL sells whatever stands in the lines, RELEASE frees whatever is
claimed), so that the table has to be right by itself. A transaction is one step, so a crash shows only as a step that
has not happened yet, or as one that happens again.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from boxoffice.bookings import store
from boxoffice.bookings.decide import Decision, Saga
from boxoffice.bookings.saga import Effect, State
from boxoffice.bookings.store import Booking
from boxoffice.kernel.tenant import Cancellation

E = Effect
PRICE = 100
NOW = datetime(2030, 1, 1, tzinfo=UTC)
IDS = [uuid5(UUID(int=0), name) for name in "AB"]
ARMING = (E.ARM_HOLD, E.ARM_GRACE, E.ARM_REFUND, E.ARM_LONG)
TELLING = {
    E.TELL_CONFIRMED: State.CONFIRMED, E.TELL_CONFIRMED_LATE: State.CONFIRMED, E.TELL_EXPIRED: State.EXPIRED,
    E.TELL_FAILED: State.FAILED, E.TELL_CANCELLED: State.CANCELLED, E.TELL_REFUNDED: State.CANCELLED,
}  # fmt: skip


class Claim(StrEnum):
    NONE = "free"
    HELD = "held"
    SOLD = "sold"


class Line(NamedTuple):
    """A seat of a booking: what became of it, and whether the booking has it."""

    seat: int
    state: str = "VALID"
    claim: Claim = Claim.HELD


class Ask(NamedTuple):
    """What payments were asked for: to charge or to call off an attempt, or to return a refund's money."""

    what: str
    which: int | UUID


class Case(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A booking in the model; `taken` and `returned` are what the provider did, whatever the saga knows of it."""

    number: int
    saga: Saga
    lines: tuple[Line, ...]
    timer: bool = False
    tickets: frozenset[int] = frozenset()
    asked: frozenset[Ask] = frozenset()
    taken: frozenset[int] = frozenset()
    returned: frozenset[UUID] = frozenset()
    told: State | None = None  # the last end that others were told of
    off: bool = False  # it has heard that its event is cancelled

    @property
    def id(self) -> UUID:
        return IDS[self.number]

    @property
    def seats(self) -> frozenset[int]:
        return frozenset(line.seat for line in self.lines if line.claim is not Claim.NONE)

    @property
    def valid(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.state == "VALID" and line.claim is not Claim.NONE)


class World(NamedTuple):
    """Everything there is: the bookings (None: not booked yet), and whether the event is cancelled."""

    cases: tuple[Case | None, ...]
    off: bool = False


def perform(case: Case, decision: Decision) -> Case:
    """Do what the executor does for a decision, in the order of its effects."""
    saga, lines, asked = decision.saga, list(case.lines), set(case.asked)
    timer, tickets, told = case.timer, case.tickets, case.told
    for effect in decision.effects:
        if effect is E.SELL:
            lines = [line._replace(claim=Claim.SOLD) for line in lines]
        elif effect is E.RELEASE:
            refunded = bool(saga.refunds or decision.voided)
            lines = [_freed(line, refunded) for line in lines]
        elif effect is E.RELEASE_LINES:
            lines = [_freed(line, True) if line.seat in decision.freed else line for line in lines]
        elif effect is E.VOID_LINES:
            lines = [line._replace(state="REFUNDING") if line.seat in decision.voided else line for line in lines]
            tickets = tickets.difference(decision.voided)
        elif effect is E.ISSUE_TICKETS:
            tickets = frozenset(line.seat for line in lines)
        elif effect in ARMING:
            timer = True
        elif effect is E.DISARM:
            timer = False
        elif effect is E.ASK_PAYMENT:
            asked.add(Ask("charge", saga.attempt))
        elif effect is E.ASK_CANCEL:
            asked.update(Ask("cancel", attempt) for attempt in saga.open_attempts)
        elif effect is E.ASK_REFUND:
            asked.update(Ask("refund", refund.id) for refund in saga.open_refunds)
        else:
            told = TELLING[effect]
    return msgspec.structs.replace(
        case, saga=saga, lines=tuple(lines), timer=timer, tickets=tickets, asked=frozenset(asked), told=told
    )


def reclaimed(case: Case) -> Case:
    """The booking with all its seats claimed again, as `seats.reclaim` does it."""
    return msgspec.structs.replace(case, lines=tuple(Line(line.seat) for line in case.lines))


def _freed(line: Line, refunded: bool) -> Line:
    if line.claim is Claim.NONE:
        return line
    return line._replace(claim=Claim.NONE, state="REFUNDED" if refunded else line.state)


@lru_cache(maxsize=8)
def as_booking(case: Case, keeps_percent: int = 0) -> Booking:
    """The booking as production's pure functions want it, under a policy that keeps so much."""
    return Booking(
        id=case.id, reference="", owner="", hold_id=None, event_id=UUID(int=0), event_name="", venue="", time_zone="",
        starts_at=NOW + timedelta(days=30), contact_email="", contact_name="", total_minor=case.saga.total_minor,
        currency="EUR", hold_until=NOW, created_at=NOW, saga=case.saga, version=1,
        policy=Cancellation(free_until_hours=1, fee_percent=keeps_percent),
        lines=[
            store.Line(seat_no=line.seat, label="", category="", state=line.state, live=line.claim is not Claim.NONE,
                       price_minor=PRICE if case.saga.total_minor else 0)
            for line in case.lines
        ],
    )  # fmt: skip
