"""The conversations with the provider: outside transactions, in batches, each answer recorded once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from boxoffice import failpoint
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due
from boxoffice.payments import actions, store
from boxoffice.payments.domain import Outcome, Payment, Refund, RefundResult, Result, Status, charge_key, refund_key
from boxoffice.payments.provider import Charge, Provider, Providers, Repayment

ANSWER_SECONDS = 10.0
NO_REFUND = RefundResult(False, "no_such_payment")
log = structlog.get_logger("payments")
Answer = TypeVar("Answer")
Question = TypeVar("Question")


@dataclass(frozen=True)
class Charging:
    """The senders of payments. A crash at any point leaves a row and a timer, and the same key asks again."""

    providers: Providers
    first_pause: timedelta
    public_url: str  # of a tenant, with {slug} in it

    async def charge(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        """Send what was requested. The mark PROCESSING commits first: from then on only the provider may say no."""
        async with database.transaction(tenant) as tx:
            payments = await store.start(tx, [timer.id for timer in due])
        answers = await self._ask(tenant, payments, lambda provider: provider.charge)
        await self._record(database, tenant, due, payments, answers)

    async def settle(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        """Ask what became of charges, and stop those that were cancelled meanwhile."""
        async with database.transaction(tenant, reserve=True) as tx:
            known = await store.by_id(tx, [timer.id for timer in due])
        payments = [payment for payment in known if payment.status is not Status.CAPTURED]
        stopping = [payment for payment in payments if _is_stopping(payment)]
        asking = [payment for payment in payments if not _is_stopping(payment)]
        answers = await self._ask(tenant, stopping, lambda provider: provider.cancel)
        answers |= await self.lookup(tenant, asking)
        await self._record(database, tenant, due, payments, answers)

    async def lookup(self, tenant: Tenant, payments: Sequence[Payment]) -> dict[str, Result]:
        """What the providers say of these payments now, by charge key; a key that is missing got no answer."""
        return await self._ask(tenant, payments, lambda provider: provider.lookup)

    async def refund(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        async with database.transaction(tenant, reserve=True) as tx:
            refunds = await store.open_refunds(tx, [timer.id for timer in due], lock=False)
            payments = await _paid_by(tx, refunds)
        by_provider: dict[str, list[Repayment]] = defaultdict(list)
        for refund in refunds:
            if (payment := payments.get(refund.id)) is not None:
                by_provider[payment.provider].append(_repayment(tenant, refund, payment))
        answers: dict[str, RefundResult] = {}
        for name, repayments in by_provider.items():
            answers |= await _within(name, self.providers[name](tenant).refund, repayments)
        results = {
            refund.id: answers.get(refund_key(tenant.id, refund.id), RefundResult(None))
            if refund.id in payments
            else NO_REFUND
            for refund in refunds
        }
        async with database.transaction(tenant, reserve=True) as tx:
            await actions.record_refunds(tx, due, results, self.first_pause)

    def question(self, tenant: Tenant, payment: Payment) -> Charge:
        """What the provider is asked for a payment: the same words each time, so that it is one charge."""
        return Charge(
            key=_key(tenant, payment), tenant_id=tenant.id, amount_minor=payment.amount_minor,
            currency=payment.currency, method=payment.method, description=payment.reference,
            return_url=f"{self.public_url.replace('{slug}', tenant.slug)}/orders/{payment.booking_id}",
            reference=payment.provider_ref,
        )  # fmt: skip

    async def _ask(
        self, tenant: Tenant, payments: Iterable[Payment],
        verb: Callable[[Provider], Callable[[Sequence[Charge]], Awaitable[Mapping[str, Result]]]],
    ) -> dict[str, Result]:  # fmt: skip
        by_provider: dict[str, list[Charge]] = defaultdict(list)
        for payment in payments:
            by_provider[payment.provider].append(self.question(tenant, payment))
        answers: dict[str, Result] = {}
        for name, charges in by_provider.items():
            answers |= await _within(name, verb(self.providers[name](tenant)), charges)
        return answers

    async def _record(
        self, database: Database, tenant: Tenant, due: Sequence[Due],
        payments: Sequence[Payment], answers: Mapping[str, Result],
    ) -> None:  # fmt: skip
        results: dict[UUID, Result] = {
            payment.id: answers.get(_key(tenant, payment), Result(Outcome.NO_ANSWER)) for payment in payments
        }
        async with database.transaction(tenant, reserve=True) as tx:
            await actions.record(tx, due, results, self.first_pause)


def _is_stopping(payment: Payment) -> bool:
    return payment.cancel_requested and payment.status not in {Status.DECLINED, Status.CANCELLED}


def _key(tenant: Tenant, payment: Payment) -> str:
    return charge_key(tenant.id, payment.booking_id, payment.attempt)


async def _paid_by(tx: Tx, refunds: Sequence[Refund]) -> dict[UUID, Payment]:
    """The payment that each refund gives back."""
    attempts = await store.by_attempt(tx, [(refund.booking_id, refund.attempt) for refund in refunds])
    return {
        refund.id: payment for refund in refunds if (payment := attempts.get((refund.booking_id, refund.attempt)))
    }  # fmt: skip


def _repayment(tenant: Tenant, refund: Refund, payment: Payment) -> Repayment:
    return Repayment(
        key=refund_key(tenant.id, refund.id), charge_key=_key(tenant, payment), charge_reference=payment.provider_ref,
        amount_minor=refund.amount_minor, currency=refund.currency, refused=refund.refused,
    )  # fmt: skip


async def _within(
    provider: str, ask: Callable[[Sequence[Question]], Awaitable[Mapping[str, Answer]]], questions: Sequence[Question]
) -> dict[str, Answer]:
    """The provider's answers, or none (in time): then nothing is known about any of the keys."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            with failpoint.around_send(f"{provider}.{ask.__name__}"):
                return dict(await ask(questions))
    except Exception as fault:  # it may have heard us all the same
        log.warning("provider_gave_no_answer", provider=provider, fault=repr(fault))
        return {}
