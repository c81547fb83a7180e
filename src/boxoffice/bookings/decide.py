"""What happened, turned into a trigger of the saga's table: the facts a saga keeps, `classify` and `decide`; pure."""

from enum import StrEnum
from uuid import UUID

import msgspec

from boxoffice.bookings.saga import (
    BEFORE_MONEY,
    CALLED_OFF,
    TABLE,
    Effect,
    Ignored,
    Illegal,
    Row,
    State,
    Table,
    Trigger,
)
from boxoffice.messages import (
    PaymentActionRequired,
    PaymentCancelled,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)

MAX_ATTEMPTS = 5
MAX_REFUND_TRIES = 10
S, T = State, Trigger


class AttemptStatus(StrEnum):
    OPEN = "open"
    ACTION = "requires_action"
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at paying; numbered from 1 by its place."""

    method: str
    status: AttemptStatus = AttemptStatus.OPEN
    reason: str | None = None
    url: str | None = None

    @property
    def open(self) -> bool:
        return self.status in (AttemptStatus.OPEN, AttemptStatus.ACTION)


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one attempt going back; `tries` counts refusals.

    `seats` are given back with it; none for money that bought nothing. `evidence` is an operator's, who returned the
    money by hand.
    """

    id: UUID
    attempt: int
    amount_minor: int
    seats: tuple[int, ...] = ()
    done: bool = False
    tries: int = 0
    evidence: str | None = None


class Saga(msgspec.Struct, frozen=True, kw_only=True):
    """All that decisions depend on; kept as the payload of saga_state."""

    state: State = State.NEW
    total_minor: int
    attempts: tuple[Attempt, ...] = ()
    paid: int | None = None  # the number of the attempt whose money bought the seats
    reason: str | None = None
    refunds: tuple[Refund, ...] = ()
    kept_minor: int = 0  # what the policy kept of seats given back

    @property
    def attempt(self) -> int:
        """The number of the current attempt; 0 when none was needed."""
        return len(self.attempts)

    @property
    def open_attempts(self) -> list[int]:
        return [number for number, attempt in enumerate(self.attempts, 1) if attempt.open]

    @property
    def open_refunds(self) -> list[Refund]:
        return [refund for refund in self.refunds if not refund.done]

    @property
    def moves_by_itself(self) -> bool:
        """Whether the next step is not the buyer's, and soon to come."""
        if self.state is S.PENDING_PAYMENT:
            return bool(self.attempts) and self.attempts[-1].status is AttemptStatus.OPEN
        return self.state in (S.EXPIRING, S.CANCELLING, S.REFUNDING)


# ── what can happen, besides the messages of payments ──────────────────────────────────────────────────────────────
class Requested(msgspec.Struct, frozen=True):
    """The buyer booked; `method` is None when there is nothing to pay."""

    method: str | None


class RetryRequested(msgspec.Struct, frozen=True):
    """The buyer pays again after a retryable decline."""

    method: str


class Aborted(msgspec.Struct, frozen=True):
    """The booking is given up before its payment ended: by the buyer, the operator, or with its tenant."""

    reason: str = "USER_ABORT"


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """Seats of a confirmed booking are given back, `every` valid one or some; the policy keeps `kept_minor`."""

    seats: tuple[int, ...]
    every: bool
    amount_minor: int
    kept_minor: int
    refund_id: UUID
    reason: str


class EventOff(msgspec.Struct, frozen=True, kw_only=True):
    """The event is cancelled: all valid seats are given back, and what was paid for them."""

    seats: tuple[int, ...]
    amount_minor: int
    refund_id: UUID


class RefundMarked(msgspec.Struct, frozen=True, kw_only=True):
    """An operator returned the money of a refund by hand, and says where that can be seen."""

    refund_id: UUID
    evidence: str


class TimerDue(msgspec.Struct, frozen=True):
    """The saga's timer fell due."""


class Captured(msgspec.Struct, frozen=True):
    """Money of an attempt was captured; `refund_id` names the refund should it have to go back.

    `reclaimed` is what became of the executor's try to claim all seats again after an end; None: not tried.
    """

    message: PaymentCompleted
    refund_id: UUID
    reclaimed: bool | None = None


Happening = (
    Requested | RetryRequested | Aborted | GivenBack | EventOff | RefundMarked | TimerDue | Captured | PaymentFailed
    | PaymentActionRequired | PaymentCancelled | PaymentRefunded | RefundFailed
)  # fmt: skip


class Decision(msgspec.Struct, frozen=True):
    """What the table said: the saga as it is now, and what to do; `voided` and `freed` are seats of single lines."""

    saga: Saga
    trigger: Trigger
    effects: tuple[Effect, ...]
    ignored: str | None = None
    voided: tuple[int, ...] = ()
    freed: tuple[int, ...] = ()


class IllegalTransition(Exception):
    """A cell that only a defect reaches."""


def decide(saga: Saga, happening: Happening, table: Table = TABLE) -> Decision:
    """What becomes of the saga. Raises IllegalTransition for a cell that only a defect reaches."""
    trigger, told = classify(saga, happening)
    cell = table[saga.state, trigger]
    match cell:
        case Illegal(reason):
            raise IllegalTransition(f"{saga.state} × {trigger}: {reason}")
        case Ignored(reason):
            return Decision(saga, trigger, (), reason)
        case Row(next_state, effects):
            voided = happening.seats if isinstance(happening, GivenBack | EventOff) else ()
            freed = voided if Effect.RELEASE_LINES in effects and voided else _just_returned(saga, told)
            return Decision(
                msgspec.structs.replace(told, state=next_state), trigger, effects, voided=voided, freed=freed
            )


def classify(saga: Saga, happening: Happening) -> tuple[Trigger, Saga]:
    """The trigger of a happening in this state, and the saga with the happening's facts recorded."""
    match happening:
        case Requested(method):
            first = (Attempt(method=method),) if method is not None else ()
            return (T.REQUESTED if first else T.FREE_REQUESTED), _with(saga, attempts=first)
        case RetryRequested(method):
            return T.RETRY_REQUESTED, _with(saga, attempts=(*saga.attempts, Attempt(method=method)))
        case Aborted(reason):
            told = _with(saga, reason=reason)
            return (T.ABORTED if saga.open_attempts else T.ABORTED_NOTHING_OPEN), told
        case GivenBack():
            return _given_back(saga, happening)
        case EventOff():
            return _event_off(saga, happening)
        case TimerDue():
            return _timer(saga), saga
        case Captured():
            return _captured(saga, happening)
        case PaymentFailed() | PaymentCancelled() | PaymentActionRequired():
            return _unpaid(saga, happening)
        case PaymentRefunded() | RefundFailed() | RefundMarked():
            return _refund(saga, happening)


def _timer(saga: Saga) -> Trigger:
    if saga.state is S.PENDING_PAYMENT:
        return T.HOLD_ENDED if saga.open_attempts else T.HOLD_ENDED_NOTHING_OPEN
    if saga.state in CALLED_OFF:
        return T.GRACE_ENDED
    return T.REFUND_DUE if saga.open_refunds else T.OLD_NEWS


def _captured(saga: Saga, captured: Captured) -> tuple[Trigger, Saga]:
    number = captured.message.attempt
    if _attempt(saga, number).status is AttemptStatus.CAPTURED:
        return T.OLD_NEWS, saga
    told = _with_attempt(saga, number, status=AttemptStatus.CAPTURED, reason=None, url=None)
    refund = Refund(id=captured.refund_id, attempt=number, amount_minor=captured.message.amount_minor)
    repaid = _with(told, refunds=(*saga.refunds, refund))
    match saga.state:
        case S.PENDING_PAYMENT | S.EXPIRING:
            return T.PAID, _with(told, paid=number)
        case S.CANCELLING:
            return T.PAID, repaid
        case S.EXPIRED | S.FAILED | S.CANCELLED:
            if captured.reclaimed:
                return T.RECLAIMED, _with(told, paid=number, reason=None)
            return T.RECLAIM_FAILED, _with(repaid, reason="LATE_PAYMENT")
        case _:
            return T.PAID_AGAIN, repaid


def _unpaid(saga: Saga, told_by: PaymentFailed | PaymentCancelled | PaymentActionRequired) -> tuple[Trigger, Saga]:
    number = told_by.attempt
    if not _attempt(saga, number).open or saga.state not in BEFORE_MONEY:
        return T.OLD_NEWS, saga
    match told_by:
        case PaymentActionRequired(url=url):
            if saga.state is not S.PENDING_PAYMENT:
                return T.OLD_NEWS, saga
            return T.ACTION_REQUIRED, _with_attempt(saga, number, status=AttemptStatus.ACTION, url=url)
        case PaymentCancelled():
            told, retryable = _with_attempt(saga, number, status=AttemptStatus.CANCELLED, url=None), True
        case PaymentFailed(retryable=retryable, reason=reason):
            told = _with_attempt(saga, number, status=AttemptStatus.DECLINED, reason=reason, url=None)
    if saga.state in CALLED_OFF:
        return (T.ATTEMPT_RESOLVED if told.open_attempts else T.ATTEMPTS_RESOLVED), told
    if number != saga.attempt:
        return T.OLD_NEWS, saga
    if retryable and saga.attempt < MAX_ATTEMPTS:
        return T.DECLINED_RETRYABLE, told
    return T.DECLINED_FINAL, _with(told, reason="PAYMENT_DECLINED")


def _given_back(saga: Saga, given: GivenBack) -> tuple[Trigger, Saga]:
    told = _with(saga, kept_minor=saga.kept_minor + given.kept_minor)
    if given.every:
        told = _with(told, reason=given.reason)
    if given.amount_minor:
        told = _with(told, refunds=(*saga.refunds, _of_seats(saga, given)))
    if given.every:
        return (T.CANCELLED_ALL if told.open_refunds else T.CANCELLED_ALL_NOTHING_TO_REFUND), told
    return (T.CANCELLED_SOME if given.amount_minor else T.CANCELLED_SOME_NOTHING_TO_REFUND), told


def _event_off(saga: Saga, off: EventOff) -> tuple[Trigger, Saga]:
    told = _with(saga, reason="EVENT_CANCELLED")
    if saga.state is S.PENDING_PAYMENT:
        return (T.EVENT_CANCELLED if saga.open_attempts else T.EVENT_CANCELLED_NOTHING_OPEN), told
    if saga.state is S.CONFIRMED:
        if off.amount_minor:
            told = _with(told, refunds=(*saga.refunds, _of_seats(saga, off)))
        return (T.EVENT_CANCELLED if told.open_refunds else T.EVENT_CANCELLED_NOTHING_TO_REFUND), told
    return T.EVENT_CANCELLED, told


def _of_seats(saga: Saga, given: GivenBack | EventOff) -> Refund:
    if saga.paid is None:
        raise IllegalTransition("money is to go back of a booking that nothing was paid for")
    return Refund(id=given.refund_id, attempt=saga.paid, amount_minor=given.amount_minor, seats=given.seats)


def _just_returned(before: Saga, after: Saga) -> tuple[int, ...]:
    """The seats whose refund has been done by what happened."""
    open_before = {refund.id for refund in before.open_refunds}
    return tuple(n for refund in after.refunds if refund.done and refund.id in open_before for n in refund.seats)


def _refund(saga: Saga, told_by: PaymentRefunded | RefundFailed | RefundMarked) -> tuple[Trigger, Saga]:
    current = next((refund for refund in saga.open_refunds if refund.id == told_by.refund_id), None)
    if current is None:
        return T.OLD_NEWS, saga
    if not isinstance(told_by, RefundFailed):
        evidence = told_by.evidence if isinstance(told_by, RefundMarked) else None
        changed = msgspec.structs.replace(current, done=True, evidence=evidence)
        told = _with(saga, refunds=tuple(changed if refund.id == current.id else refund for refund in saga.refunds))
        return (T.REFUNDED_SOME if told.open_refunds else T.REFUNDED_ALL), told
    changed = msgspec.structs.replace(current, tries=current.tries + 1)
    told = _with(saga, refunds=tuple(changed if refund.id == current.id else refund for refund in saga.refunds))
    return (T.REFUND_FAILED_LAST if changed.tries >= MAX_REFUND_TRIES else T.REFUND_FAILED), told


def _attempt(saga: Saga, number: int) -> Attempt:
    if not 1 <= number <= saga.attempt:
        raise IllegalTransition(f"attempt {number} was never asked for; there are {saga.attempt}")
    return saga.attempts[number - 1]


def _with_attempt(saga: Saga, number: int, **changes: object) -> Saga:
    changed = msgspec.structs.replace(saga.attempts[number - 1], **changes)
    return _with(saga, attempts=(*saga.attempts[: number - 1], changed, *saga.attempts[number:]))


def _with(saga: Saga, **changes: object) -> Saga:
    return msgspec.structs.replace(saga, **changes)
