"""What a payment can be, what a provider can answer, and what follows: pure tables."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from boxoffice.messages import (
    OfBooking,
    PaymentActionRequired,
    PaymentCancelled,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)

LONGEST_PAUSE = timedelta(seconds=60)


class Status(StrEnum):
    """A payment's: REQUESTED has not been sent; the next three are with the provider; the last three are settled."""

    REQUESTED = "REQUESTED"
    PROCESSING = "PROCESSING"
    UNKNOWN = "UNKNOWN"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"


class Outcome(StrEnum):
    """What a provider answers about a charge. NO_ANSWER: nothing came back, so nothing is known."""

    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    PENDING = "PENDING"
    NOT_FOUND = "NOT_FOUND"
    NO_ANSWER = "NO_ANSWER"


class RefundStatus(StrEnum):
    """REQUESTED: to be asked, or asked without an answer. FAILED: refused this time; the booking's saga asks again."""

    REQUESTED = "REQUESTED"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer about one charge."""

    outcome: Outcome
    reference: str | None = None
    reason: str | None = None
    retryable: bool = False
    url: str | None = None
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class RefundResult:
    """A provider's answer about one refund; `done` None: no answer."""

    done: bool | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to pay for one booking, as it is recorded."""

    id: UUID
    booking_id: UUID
    attempt: int
    amount_minor: int
    currency: str
    method: str
    reference: str
    status: Status
    provider_ref: str | None = None
    reason: str | None = None
    retryable: bool = False
    action_url: str | None = None
    cancel_requested: bool = False
    asked: int = 0
    provider: str = "simulated"

    @property
    def was_sent(self) -> bool:
        """Whether the provider may know of it."""
        return self.provider_ref is not None or self.status in SENT


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to return, or returned, from one attempt."""

    id: UUID
    booking_id: UUID
    attempt: int
    amount_minor: int
    currency: str
    status: RefundStatus
    reason: str | None = None
    asked: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: `amount_minor` is a debit above zero and a credit below."""

    transaction_id: UUID
    account: str
    amount_minor: int
    currency: str
    booking_id: UUID
    payment_id: UUID | None = None
    refund_id: UUID | None = None


SALES, REFUNDS = "sales", "refunds"
SETTLED = frozenset({Status.CAPTURED, Status.DECLINED, Status.CANCELLED})
SENT = frozenset({Status.PROCESSING, Status.UNKNOWN, Status.ACTION_REQUIRED, Status.CAPTURED, Status.DECLINED})

_NEW_STATUS = {
    Outcome.CAPTURED: Status.CAPTURED,
    Outcome.DECLINED: Status.DECLINED,
    Outcome.CANCELLED: Status.CANCELLED,
    Outcome.ACTION_REQUIRED: Status.ACTION_REQUIRED,
    Outcome.PENDING: Status.PROCESSING,
    Outcome.NO_ANSWER: Status.UNKNOWN,
}
_ANSWERS = frozenset({Outcome.CAPTURED, Outcome.DECLINED, Outcome.CANCELLED})
# fmt: off
_TAKES = {  # in this status these answers are news; any other changes nothing
    Status.REQUESTED:       _ANSWERS | {Outcome.ACTION_REQUIRED},
    Status.PROCESSING:      _ANSWERS | {Outcome.ACTION_REQUIRED, Outcome.NO_ANSWER},
    Status.UNKNOWN:         _ANSWERS | {Outcome.ACTION_REQUIRED, Outcome.PENDING},
    Status.ACTION_REQUIRED: _ANSWERS | {Outcome.PENDING},
    Status.CAPTURED:        frozenset[Outcome](),
    Status.DECLINED:        frozenset({Outcome.CAPTURED}),
    Status.CANCELLED:       frozenset({Outcome.CAPTURED}),
}
# fmt: on


def after(status: Status, outcome: Outcome) -> Status | None:
    """The status that this answer leads to, or None where it is no news. A capture is always news, once."""
    return _NEW_STATUS[outcome] if outcome in _TAKES[status] else None


def fact(payment: Payment) -> OfBooking | None:
    """The message that tells what became of `payment`, or None while it is open."""
    booking_id, attempt = payment.booking_id, payment.attempt
    match payment.status:
        case Status.CAPTURED:
            return PaymentCompleted(
                booking_id=booking_id, attempt=attempt,
                amount_minor=payment.amount_minor, currency=payment.currency,
            )  # fmt: skip
        case Status.DECLINED:
            return PaymentFailed(
                booking_id=booking_id, attempt=attempt,
                retryable=payment.retryable, reason=payment.reason or "declined",
            )  # fmt: skip
        case Status.CANCELLED:
            return PaymentCancelled(booking_id=booking_id, attempt=attempt)
        case Status.ACTION_REQUIRED:
            return PaymentActionRequired(booking_id=booking_id, attempt=attempt, url=payment.action_url or "")
        case _:
            return None


def refund_fact(refund: Refund) -> OfBooking | None:
    """The message that tells what became of `refund`, or None while that is open."""
    match refund.status:
        case RefundStatus.DONE:
            return PaymentRefunded(
                booking_id=refund.booking_id, refund_id=refund.id, attempt=refund.attempt,
                amount_minor=refund.amount_minor, currency=refund.currency,
            )  # fmt: skip
        case RefundStatus.FAILED:
            return RefundFailed(
                booking_id=refund.booking_id, refund_id=refund.id, attempt=refund.attempt,
                reason=refund.reason or "refused",
            )  # fmt: skip
        case RefundStatus.REQUESTED:
            return None


def capture_entries(payment: Payment) -> list[Entry]:
    """What a capture means: the provider owes us the money, and we have sold something for it."""
    return _balanced(
        payment.id, payment.booking_id, payment.currency, payment.amount_minor,
        debit=owed_by(payment.provider), credit=SALES, payment_id=payment.id,
    )  # fmt: skip


def refund_entries(refund: Refund, provider: str) -> list[Entry]:
    """What a refund means: we gave money back, and the provider owes us as much less."""
    return _balanced(
        refund.id, refund.booking_id, refund.currency, refund.amount_minor,
        debit=REFUNDS, credit=owed_by(provider), refund_id=refund.id,
    )  # fmt: skip


def owed_by(provider: str) -> str:
    """The account of what a provider has taken for us and not returned."""
    return f"provider:{provider}"


def _balanced(
    transaction_id: UUID, booking_id: UUID, currency: str, amount_minor: int, *, debit: str, credit: str,
    payment_id: UUID | None = None, refund_id: UUID | None = None,
) -> list[Entry]:  # fmt: skip
    return [
        Entry(transaction_id, account, amount, currency, booking_id, payment_id, refund_id)
        for account, amount in ((debit, amount_minor), (credit, -amount_minor))
    ]


def pause(first: timedelta, asked: int) -> timedelta:
    """How long to wait before the provider is asked again: doubling from `first`, at most a minute."""
    return min(first * (1 << min(asked, 16)), LONGEST_PAUSE)


def charge_key(tenant_id: UUID, booking_id: UUID, attempt: int) -> str:
    """The provider's idempotency key of a charge: the same question is never charged twice."""
    return f"{tenant_id}:{booking_id}:{attempt}:charge"


def refund_key(tenant_id: UUID, refund_id: UUID) -> str:
    """The provider's idempotency key of a refund: two partial refunds of one capture are two refunds."""
    return f"{tenant_id}:{refund_id}"


@dataclass(frozen=True, slots=True)
class ChargeName:
    """What a charge key names."""

    tenant_id: UUID
    booking_id: UUID
    attempt: int


def read_charge_key(key: str) -> ChargeName | None:
    """What `key` names, or None if it is not one of ours."""
    match key.split(":"):
        case [tenant, booking, attempt, "charge"] if attempt.isascii() and attempt.isdecimal() and len(attempt) < 6:
            try:
                return ChargeName(UUID(tenant), UUID(booking), int(attempt))
            except ValueError:
                return None
        case _:
            return None
