"""What payments does when messages arrive, and how a provider's answers become rows and messages, once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from boxoffice.kernel import timers
from boxoffice.kernel.database import Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Received
from boxoffice.kernel.timers import Due, Timer
from boxoffice.messages import (
    BookingCancelled,
    BookingRequested,
    PaymentCancelRequested,
    PaymentMethodsChanged,
    RefundRequested,
    TenantChanged,
    TenantCreated,
)
from boxoffice.payments import ledger, store
from boxoffice.payments.domain import (
    SETTLED,
    ChargeName,
    Outcome,
    Payment,
    Refund,
    RefundResult,
    RefundStatus,
    Result,
    Status,
    after,
    capture_entries,
    fact,
    pause,
    refund_entries,
    refund_fact,
)
from boxoffice.payments.provider import Providers

CHARGE = "payments.charge"
SETTLE = "payments.settle"
REFUND = "payments.refund"


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────
async def requested(tx: Tx, batch: Sequence[Received[BookingRequested]]) -> None:
    """Write each attempt once and have it charged at once, by the provider whose methods bookings was told of."""
    provider = await store.chosen_provider(tx) or tx.tenant.settings.payment_provider
    wanted = [
        Payment(
            id=uuid7(), booking_id=message.body.booking_id, attempt=message.body.attempt,
            amount_minor=message.body.amount_minor, currency=message.body.currency,
            method=message.body.payment_method, reference=message.body.reference, status=Status.REQUESTED,
            provider=provider,
        )
        for message in batch
    ]  # fmt: skip
    booking_of = {payment.id: payment.booking_id for payment in wanted}
    for payment_id in await store.insert_requested(tx, wanted):
        tx.continue_trace(payment_id, of=booking_of[payment_id])
        tx.later(Timer(id=payment_id, kind=CHARGE, at=tx.now))


async def cancel_requested(tx: Tx, batch: Sequence[Received[PaymentCancelRequested]]) -> None:
    """Answer each attempt: never sent → cancelled; in flight → the provider says; settled → the fact again."""
    causes = {(message.body.booking_id, attempt): message.id for message in batch for attempt in message.body.attempts}
    attempts = list(causes)
    buried = await store.insert_tombstones(tx, [uuid7() for _ in attempts], attempts)
    known = await store.locked_attempts(tx, attempts)
    fresh = [p for p in known if (p.booking_id, p.attempt) in buried]
    withdrawn = await _withdraw(tx, [p for p in known if p.status not in SETTLED])
    settled = [p for p in known if p.status in SETTLED and (p.booking_id, p.attempt) not in buried]
    for payment in [*fresh, *withdrawn, *settled]:
        _tell(tx, payment, causes[payment.booking_id, payment.attempt])


async def booking_cancelled(tx: Tx, batch: Sequence[Received[BookingCancelled]]) -> None:
    """A cancelled booking is charged no more, even where the saga could not wait for an answer."""
    causes = {message.body.booking_id: message.id for message in batch}
    for payment in await _withdraw(tx, await store.locked_open(tx, list(causes))):
        _tell(tx, payment, causes[payment.booking_id])


async def refund_requested(tx: Tx, batch: Sequence[Received[RefundRequested]]) -> None:
    """Have each refund made; the fact again where it was made already."""
    causes = {message.body.refund_id: message.id for message in batch}
    wanted = {
        message.body.refund_id: Refund(
            id=message.body.refund_id, booking_id=message.body.booking_id, attempt=message.body.attempt,
            amount_minor=message.body.amount_minor, currency=message.body.currency, status=RefundStatus.REQUESTED,
        )
        for message in batch
    }  # fmt: skip
    for refund in await store.request_refunds(tx, list(wanted.values())):
        if refund.status is RefundStatus.DONE:
            _tell_refund(tx, refund, causes[refund.id])
        else:
            tx.continue_trace(refund.id, of=refund.booking_id)
            tx.later(Timer(id=refund.id, kind=REFUND, at=tx.now))


@dataclass(frozen=True, slots=True)
class MethodsOffer:
    """Tells bookings which payment methods a tenant's provider accepts."""

    providers: Providers

    async def tenant_created(self, tx: Tx, batch: Sequence[Received[TenantCreated]]) -> None:
        await self._offer(tx, tx.tenant.settings.payment_provider, batch[-1].id)

    async def tenant_changed(self, tx: Tx, batch: Sequence[Received[TenantChanged]]) -> None:
        await self._offer(tx, batch[-1].body.payment_provider, batch[-1].id)

    async def _offer(self, tx: Tx, provider: str, cause: UUID) -> None:
        """Keep the choice and tell it in one transaction: the directory may be half a second older than a message."""
        await store.choose_provider(tx, provider)
        methods = self.providers[provider](tx.tenant).methods
        tx.publish(PaymentMethodsChanged(tenant_id=tx.tenant.id, methods=list(methods)), causation=cause)


# ── the provider's answers ───────────────────────────────────────────────────────────────────────────────────────────
async def noticed(tx: Tx, names: Iterable[ChargeName]) -> None:
    """Something happened to these charges: ask the provider what. Names that are not this tenant's are ignored."""
    attempts = [(name.booking_id, name.attempt) for name in names if name.tenant_id == tx.tenant.id]
    for payment_id in await store.ids_of(tx, attempts):
        tx.later(Timer(id=payment_id, kind=SETTLE, at=tx.now))


async def record(tx: Tx, due: Sequence[Due], results: Mapping[UUID, Result], first_pause: timedelta) -> None:
    """Write answers about payments; what is news becomes a message, what is still open is asked again later."""
    changed, entries = [], []
    payments = await store.locked(tx, results)
    done = {timer.id for timer in await timers.done_all(tx, due)}
    for payment in payments:
        tx.continue_trace(payment.booking_id, of=payment.id)
        result = results[payment.id]
        status = after(payment.status, result.outcome)
        current = payment if status is None else _with(payment, status, result)
        if status is not None:
            _tell(tx, current, None)
        if status is Status.CAPTURED:
            entries += capture_entries(current)
        unsure = current.status not in SETTLED or result.outcome is Outcome.NO_ANSWER  # to a notice of a late capture
        if unsure and payment.id in done:  # else somebody armed an earlier question meanwhile
            current = _ask_again(tx, current, result.outcome, first_pause)
        if current is not payment:
            changed.append(current)
    if changed:
        await store.save(tx, changed)
    await ledger.write(tx, entries)


async def record_refunds(
    tx: Tx, due: Sequence[Due], results: Mapping[UUID, RefundResult], first_pause: timedelta
) -> None:
    """Write answers about refunds; without an answer the same refund is asked for again under the same key."""
    changed, entries = [], []
    refunds = await store.open_refunds(tx, list(results), lock=True)
    payments = await store.by_attempt(tx, [(refund.booking_id, refund.attempt) for refund in refunds])
    done = {timer.id for timer in await timers.done_all(tx, due)}
    for refund in refunds:
        tx.continue_trace(refund.booking_id, of=refund.id)
        result = results[refund.id]
        if result.done is None:
            changed.append(replace(refund, asked=refund.asked + 1))
            if refund.id in done:
                tx.later(Timer(id=refund.id, kind=REFUND, at=tx.now + pause(first_pause, refund.asked)))
        else:
            changed.append(_with_answer(refund, result))
            _tell_refund(tx, changed[-1], None)
        if result.done:
            entries += refund_entries(refund, payments[refund.booking_id, refund.attempt].provider)
    if changed:
        await store.save_refunds(tx, changed)
    await ledger.write(tx, entries)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def _withdraw(tx: Tx, open_payments: Sequence[Payment]) -> list[Payment]:
    """Cancel what was never sent and return it; have the provider asked to cancel the rest."""
    changed = []
    for payment in open_payments:
        if payment.status is Status.REQUESTED:
            changed.append(replace(payment, status=Status.CANCELLED))
            tx.forget(payment.id, CHARGE)
        else:
            changed.append(replace(payment, cancel_requested=True, asked=0))
            tx.later(Timer(id=payment.id, kind=SETTLE, at=tx.now))
    if changed:
        await store.save(tx, changed)
    return [payment for payment in changed if payment.status is Status.CANCELLED]


def _with(payment: Payment, status: Status, result: Result) -> Payment:
    return replace(
        payment, status=status, reason=result.reason, retryable=result.retryable, action_url=result.url,
        provider_ref=result.reference or payment.provider_ref,
    )  # fmt: skip


def _with_answer(refund: Refund, result: RefundResult) -> Refund:
    return replace(
        refund, status=RefundStatus.DONE if result.done else RefundStatus.FAILED, reason=result.reason,
        asked=refund.asked + 1, refused=refund.refused + (not result.done),
    )  # fmt: skip


def _ask_again(tx: Tx, payment: Payment, outcome: Outcome, first_pause: timedelta) -> Payment:
    """Arm the next question; a charge that never reached the provider is sent again, unless it shall be cancelled."""
    lost = outcome is Outcome.NOT_FOUND and not payment.cancel_requested and payment.status is not Status.REQUESTED
    at = tx.now + pause(first_pause, payment.asked)
    tx.later(Timer(id=payment.id, kind=CHARGE if lost else SETTLE, at=at))
    return replace(payment, asked=payment.asked + 1)


def _tell(tx: Tx, payment: Payment, cause: UUID | None) -> None:
    message = fact(payment)
    if message is not None:
        tx.publish(message, causation=cause)


def _tell_refund(tx: Tx, refund: Refund, cause: UUID | None) -> None:
    message = refund_fact(refund)
    if message is not None:
        tx.publish(message, causation=cause)
