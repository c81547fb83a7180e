"""The booking saga: states, triggers, effects and THE TABLE; pure and total, the heart of the platform.

Read it in this order: State, Trigger, Effect, TABLE; then decide.py, whose `classify` turns what happened into a
trigger. The table has no conditions: whatever a row would have to ask, `classify` has asked.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec


class State(StrEnum):
    NEW = "NEW"
    PENDING_PAYMENT = "PENDING_PAYMENT"
    EXPIRING = "EXPIRING"  # the hold ended, the payment is being called off; a payment now still buys the seats
    CANCELLING = "CANCELLING"  # unwanted, the payment is being called off; a payment now is refunded
    CONFIRMED = "CONFIRMED"
    REFUNDING = "REFUNDING"
    REFUND_STUCK = "REFUND_STUCK"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Trigger(StrEnum):
    REQUESTED = "REQUESTED"
    FREE_REQUESTED = "FREE_REQUESTED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    PAID = "PAID"
    PAID_AGAIN = "PAID_AGAIN"  # captured although another attempt had paid, or although money is going back
    RECLAIMED = "RECLAIMED"  # captured after the end, and all seats could be claimed again
    RECLAIM_FAILED = "RECLAIM_FAILED"  # captured after the end, and they could not
    DECLINED_RETRYABLE = "DECLINED_RETRYABLE"
    DECLINED_FINAL = "DECLINED_FINAL"
    RETRY_REQUESTED = "RETRY_REQUESTED"
    ATTEMPT_RESOLVED = "ATTEMPT_RESOLVED"  # one open attempt ended without a charge, others are open
    ATTEMPTS_RESOLVED = "ATTEMPTS_RESOLVED"  # the last open attempt ended without a charge
    HOLD_ENDED = "HOLD_ENDED"
    HOLD_ENDED_NOTHING_OPEN = "HOLD_ENDED_NOTHING_OPEN"
    ABORTED = "ABORTED"
    ABORTED_NOTHING_OPEN = "ABORTED_NOTHING_OPEN"
    GRACE_ENDED = "GRACE_ENDED"
    CANCELLED_ALL = "CANCELLED_ALL"
    CANCELLED_SOME = "CANCELLED_SOME"
    CANCELLED_ALL_NOTHING_TO_REFUND = "CANCELLED_ALL_NOTHING_TO_REFUND"
    CANCELLED_SOME_NOTHING_TO_REFUND = "CANCELLED_SOME_NOTHING_TO_REFUND"
    EVENT_CANCELLED = "EVENT_CANCELLED"
    EVENT_CANCELLED_NOTHING_OPEN = "EVENT_CANCELLED_NOTHING_OPEN"
    EVENT_CANCELLED_NOTHING_TO_REFUND = "EVENT_CANCELLED_NOTHING_TO_REFUND"
    REFUNDED_SOME = "REFUNDED_SOME"
    REFUNDED_ALL = "REFUNDED_ALL"
    REFUND_FAILED = "REFUND_FAILED"
    REFUND_FAILED_LAST = "REFUND_FAILED_LAST"
    REFUND_DUE = "REFUND_DUE"
    OLD_NEWS = "OLD_NEWS"  # a repeat, or about an attempt, refund or timer that is over


class Effect(StrEnum):
    """What the executor does, in this order of locks: seats, tickets, timers, messages."""

    SELL = "sell the seats it holds"
    RELEASE = "free the seats it holds"
    RELEASE_LINES = "free the seats whose refund is done, or that had nothing to refund"
    ISSUE_TICKETS = "issue a ticket for every line"
    VOID_LINES = "void the codes of the lines given back; their seats stay until the money is returned"
    ARM_HOLD = "wake at the hold's end"
    ARM_GRACE = "wake after the grace for calling off a payment"
    ARM_REFUND = "wake to ask for the refund again (5 s, doubling to 1 h)"
    ARM_LONG = "wake in 24 h"
    DISARM = "no timer any more"
    ASK_PAYMENT = "publish BookingRequested for the current attempt"
    ASK_CANCEL = "publish PaymentCancelRequested for all open attempts"
    ASK_REFUND = "publish RefundRequested for all open refunds, same ids"
    TELL_CONFIRMED = "publish BookingConfirmed"
    TELL_CONFIRMED_LATE = "publish BookingConfirmed, and that it came late"
    TELL_FAILED = "publish BookingFailed"
    TELL_EXPIRED = "publish BookingExpired"
    TELL_CANCELLED = "publish BookingCancelled"
    TELL_REFUNDED = "publish BookingFailed after a late payment, else BookingCancelled"


class Row(msgspec.Struct, frozen=True):
    """A cell that acts: become `next` and do `effects`."""

    next: State
    effects: tuple[Effect, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A cell where nothing is to be done, and why."""

    reason: str


class Illegal(msgspec.Struct, frozen=True):
    """A cell that cannot be reached but by a defect, and why: it goes to the dead letters, seen by a human."""

    reason: str


Cell = Row | Ignored | Illegal
Table = Mapping[tuple[State, Trigger], Cell]
S, T, E = State, Trigger, Effect
SOLD = (E.SELL, E.ISSUE_TICKETS, E.DISARM, E.TELL_CONFIRMED)
SOLD_LATE = (E.SELL, E.ISSUE_TICKETS, E.TELL_CONFIRMED_LATE)
CALL_OFF = (E.ARM_GRACE, E.ASK_CANCEL)
GIVE_UP = (E.RELEASE, E.DISARM, E.TELL_CANCELLED)
GIVE_BACK = (E.VOID_LINES, E.ARM_REFUND, E.ASK_REFUND)

# fmt: off
ROWS: dict[tuple[State, Trigger], Row] = {
    # in this state      and hearing this             become             and do, in this order
    (S.NEW,              T.REQUESTED):            Row(S.PENDING_PAYMENT, (E.ARM_HOLD, E.ASK_PAYMENT)),
    (S.NEW,              T.FREE_REQUESTED):       Row(S.CONFIRMED,       SOLD),

    (S.PENDING_PAYMENT,  T.PAID):                 Row(S.CONFIRMED,       SOLD),
    (S.PENDING_PAYMENT,  T.ACTION_REQUIRED):      Row(S.PENDING_PAYMENT),
    (S.PENDING_PAYMENT,  T.DECLINED_RETRYABLE):   Row(S.PENDING_PAYMENT),
    (S.PENDING_PAYMENT,  T.RETRY_REQUESTED):      Row(S.PENDING_PAYMENT, (E.ASK_PAYMENT,)),
    (S.PENDING_PAYMENT,  T.DECLINED_FINAL):       Row(S.FAILED,          (E.RELEASE, E.DISARM, E.TELL_FAILED)),
    (S.PENDING_PAYMENT,  T.HOLD_ENDED):           Row(S.EXPIRING,        CALL_OFF),
    (S.PENDING_PAYMENT,  T.HOLD_ENDED_NOTHING_OPEN): Row(S.EXPIRED,      (E.RELEASE, E.DISARM, E.TELL_EXPIRED)),
    (S.PENDING_PAYMENT,  T.ABORTED):              Row(S.CANCELLING,      CALL_OFF),
    (S.PENDING_PAYMENT,  T.ABORTED_NOTHING_OPEN): Row(S.CANCELLED,       GIVE_UP),
    (S.PENDING_PAYMENT,  T.EVENT_CANCELLED):      Row(S.CANCELLING,      CALL_OFF),
    (S.PENDING_PAYMENT,  T.EVENT_CANCELLED_NOTHING_OPEN): Row(S.CANCELLED, GIVE_UP),

    (S.EXPIRING,         T.PAID):                 Row(S.CONFIRMED,       SOLD),
    (S.EXPIRING,         T.ATTEMPTS_RESOLVED):    Row(S.EXPIRED,         (E.RELEASE, E.DISARM, E.TELL_EXPIRED)),
    (S.EXPIRING,         T.GRACE_ENDED):          Row(S.EXPIRED,         (E.RELEASE, E.DISARM, E.TELL_EXPIRED)),
    (S.EXPIRING,         T.ABORTED):              Row(S.CANCELLING),
    (S.EXPIRING,         T.EVENT_CANCELLED):      Row(S.CANCELLING),

    (S.CANCELLING,       T.PAID):                 Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),
    (S.CANCELLING,       T.ATTEMPTS_RESOLVED):    Row(S.CANCELLED,       GIVE_UP),
    (S.CANCELLING,       T.GRACE_ENDED):          Row(S.CANCELLED,       GIVE_UP),
    (S.CANCELLING,       T.EVENT_CANCELLED):      Row(S.CANCELLING),

    (S.CONFIRMED,        T.CANCELLED_ALL):        Row(S.REFUNDING,       GIVE_BACK),
    (S.CONFIRMED,        T.CANCELLED_SOME):       Row(S.CONFIRMED,       GIVE_BACK),
    (S.CONFIRMED,        T.CANCELLED_ALL_NOTHING_TO_REFUND):   Row(S.CANCELLED, (E.VOID_LINES, *GIVE_UP)),
    (S.CONFIRMED,        T.CANCELLED_SOME_NOTHING_TO_REFUND):  Row(S.CONFIRMED, (E.VOID_LINES, E.RELEASE_LINES)),
    (S.CONFIRMED,        T.EVENT_CANCELLED):      Row(S.REFUNDING,       GIVE_BACK),
    (S.CONFIRMED,        T.EVENT_CANCELLED_NOTHING_TO_REFUND): Row(S.CANCELLED, (E.VOID_LINES, *GIVE_UP)),
    (S.CONFIRMED,        T.PAID_AGAIN):           Row(S.CONFIRMED,       (E.ARM_REFUND, E.ASK_REFUND)),
    (S.CONFIRMED,        T.REFUNDED_SOME):        Row(S.CONFIRMED,       (E.RELEASE_LINES,)),
    (S.CONFIRMED,        T.REFUNDED_ALL):         Row(S.CONFIRMED,       (E.RELEASE_LINES, E.DISARM)),
    (S.CONFIRMED,        T.REFUND_FAILED):        Row(S.CONFIRMED,       (E.ARM_REFUND,)),
    (S.CONFIRMED,        T.REFUND_FAILED_LAST):   Row(S.CONFIRMED,       (E.ARM_LONG,)),
    (S.CONFIRMED,        T.REFUND_DUE):           Row(S.CONFIRMED,       (E.ARM_REFUND, E.ASK_REFUND)),

    (S.REFUNDING,        T.PAID_AGAIN):           Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),
    (S.REFUNDING,        T.REFUNDED_SOME):        Row(S.REFUNDING),
    (S.REFUNDING,        T.REFUNDED_ALL):         Row(S.CANCELLED,       (E.RELEASE, E.DISARM, E.TELL_REFUNDED)),
    (S.REFUNDING,        T.REFUND_FAILED):        Row(S.REFUNDING,       (E.ARM_REFUND,)),
    (S.REFUNDING,        T.REFUND_FAILED_LAST):   Row(S.REFUND_STUCK,    (E.ARM_LONG,)),
    (S.REFUNDING,        T.REFUND_DUE):           Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),

    (S.REFUND_STUCK,     T.PAID_AGAIN):           Row(S.REFUND_STUCK,    (E.ARM_LONG, E.ASK_REFUND)),
    (S.REFUND_STUCK,     T.REFUNDED_SOME):        Row(S.REFUND_STUCK),
    (S.REFUND_STUCK,     T.REFUNDED_ALL):         Row(S.CANCELLED,       (E.RELEASE, E.DISARM, E.TELL_REFUNDED)),
    (S.REFUND_STUCK,     T.REFUND_FAILED):        Row(S.REFUND_STUCK),
    (S.REFUND_STUCK,     T.REFUND_FAILED_LAST):   Row(S.REFUND_STUCK),
    (S.REFUND_STUCK,     T.REFUND_DUE):           Row(S.REFUND_STUCK,    (E.ARM_LONG, E.ASK_REFUND)),

    (S.EXPIRED,          T.RECLAIMED):            Row(S.CONFIRMED,       SOLD_LATE),
    (S.EXPIRED,          T.RECLAIM_FAILED):       Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),
    (S.EXPIRED,          T.EVENT_CANCELLED):      Row(S.EXPIRED),
    (S.FAILED,           T.RECLAIMED):            Row(S.CONFIRMED,       SOLD_LATE),
    (S.FAILED,           T.RECLAIM_FAILED):       Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),
    (S.FAILED,           T.EVENT_CANCELLED):      Row(S.FAILED),
    (S.CANCELLED,        T.RECLAIM_FAILED):       Row(S.REFUNDING,       (E.ARM_REFUND, E.ASK_REFUND)),
}

CALLED_OFF = (S.EXPIRING, S.CANCELLING)
BEFORE_MONEY = (S.PENDING_PAYMENT, *CALLED_OFF)
AFTER_PAYING = (S.CONFIRMED, S.REFUNDING, S.REFUND_STUCK)
ENDED = (S.EXPIRED, S.FAILED, S.CANCELLED)
BEGUN = (*BEFORE_MONEY, *AFTER_PAYING, *ENDED)
REFUND_NEWS = (T.REFUNDED_SOME, T.REFUNDED_ALL, T.REFUND_FAILED, T.REFUND_FAILED_LAST, T.REFUND_DUE)
CANCELS = (T.CANCELLED_ALL, T.CANCELLED_SOME, T.CANCELLED_ALL_NOTHING_TO_REFUND, T.CANCELLED_SOME_NOTHING_TO_REFUND)
EVENT_OFF = (T.EVENT_CANCELLED, T.EVENT_CANCELLED_NOTHING_OPEN, T.EVENT_CANCELLED_NOTHING_TO_REFUND)
BUYER_WISHES = (T.RETRY_REQUESTED, T.ABORTED, T.ABORTED_NOTHING_OPEN)
HOLD_NEWS = (T.HOLD_ENDED, T.HOLD_ENDED_NOTHING_OPEN)
DECLINES = (T.DECLINED_RETRYABLE, T.DECLINED_FINAL, T.ACTION_REQUIRED)
RESOLUTIONS = (T.ATTEMPT_RESOLVED, T.ATTEMPTS_RESOLVED)

IGNORED: tuple[tuple[tuple[State, ...], tuple[Trigger, ...], str], ...] = (
    (BEGUN, (T.OLD_NEWS,), "a repeat, or about something that is over"),
    ((S.REFUNDING, S.REFUND_STUCK), (T.EVENT_CANCELLED,), "the money is going back already"),
    ((S.CANCELLING,), (T.ABORTED,), "it is being called off already"),
    ((S.CANCELLED,), (T.EVENT_CANCELLED,), "it is cancelled already"),
)
ILLEGAL: tuple[tuple[tuple[State, ...], tuple[Trigger, ...], str], ...] = (
    ((S.NEW,), (*HOLD_NEWS, *BUYER_WISHES, *DECLINES, *RESOLUTIONS, *REFUND_NEWS, *CANCELS, *EVENT_OFF, T.GRACE_ENDED,
                T.OLD_NEWS, T.PAID, T.PAID_AGAIN, T.RECLAIMED, T.RECLAIM_FAILED), "a saga begins with a request"),
    ((*BEFORE_MONEY, S.REFUNDING, S.REFUND_STUCK, *ENDED), CANCELS, "only what is confirmed is given back"),
    ((*CALLED_OFF, *AFTER_PAYING, *ENDED), (T.EVENT_CANCELLED_NOTHING_OPEN,), "asked only while a payment is awaited"),
    ((*BEFORE_MONEY, S.REFUNDING, S.REFUND_STUCK, *ENDED), (T.EVENT_CANCELLED_NOTHING_TO_REFUND,),
     "asked only of what is confirmed"),
    (BEGUN, (T.REQUESTED, T.FREE_REQUESTED), "a saga begins once"),
    ((S.PENDING_PAYMENT,), (*RESOLUTIONS, T.GRACE_ENDED), "nothing is being called off"),
    (CALLED_OFF, (*HOLD_NEWS, T.RETRY_REQUESTED, T.ABORTED_NOTHING_OPEN, *DECLINES),
     "asked only while a payment is awaited"),
    (CALLED_OFF, (T.ATTEMPT_RESOLVED,), "a buyer has one attempt open at a time"),
    (BEFORE_MONEY, (*REFUND_NEWS, T.PAID_AGAIN), "no money was taken yet"),
    ((*BEFORE_MONEY, *AFTER_PAYING), (T.RECLAIMED, T.RECLAIM_FAILED), "its seats were never given up"),
    (AFTER_PAYING, (*HOLD_NEWS, *BUYER_WISHES, *DECLINES, *RESOLUTIONS, T.GRACE_ENDED), "old news after a payment"),
    (AFTER_PAYING, (T.PAID,), "the attempt that paid is known"),
    (ENDED, (*HOLD_NEWS, *BUYER_WISHES, *DECLINES, *RESOLUTIONS, T.GRACE_ENDED), "old news after the end"),
    (ENDED, REFUND_NEWS, "an end has no open refund"),
    (ENDED, (T.PAID, T.PAID_AGAIN), "the seats are asked for again first"),
    ((S.CANCELLED,), (T.RECLAIMED,), "what was cancelled is not sold again to the same buyer"),
)
# fmt: on


def _cells(
    rules: Iterable[tuple[tuple[State, ...], tuple[Trigger, ...], str]], kind: type[Ignored] | type[Illegal]
) -> dict[tuple[State, Trigger], Ignored | Illegal]:
    return {(state, trigger): kind(reason) for states, triggers, reason in rules for state in states
            for trigger in triggers}  # fmt: skip


TABLE: Table = {
    **_cells(ILLEGAL, Illegal),
    **_cells(IGNORED, Ignored),
    **ROWS,
}
