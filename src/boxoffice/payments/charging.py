"""The conversations with the provider: outside transactions, in batches, each answer recorded once."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due
from boxoffice.payments import actions, store
from boxoffice.payments.domain import Outcome, Payment, RefundResult, Result, Status, charge_key, refund_key
from boxoffice.payments.provider import Charge, Provider, Repayment

ANSWER_SECONDS = 10.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Charging:
    """The senders of payments. A crash at any point leaves a row and a timer, and the same key asks again."""

    provider: Provider
    first_pause: timedelta
    public_url: str  # of a tenant, with {slug} in it

    async def charge(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        """Send what was requested. The mark PROCESSING commits first: from then on only the provider may say no."""
        async with database.transaction(tenant) as tx:
            payments = await store.start(tx, [timer.id for timer in due])
        charges = [self.question(tenant, payment) for payment in payments]
        answers = await _within(self.provider.charge(charges)) if charges else {}
        await self._record(database, tenant, due, payments, answers)

    async def settle(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        """Ask what became of charges, and stop those that were cancelled meanwhile."""
        async with database.transaction(tenant, reserve=True) as tx:
            known = await store.by_id(tx, [timer.id for timer in due])
        payments = [payment for payment in known if payment.status is not Status.CAPTURED]
        stopping = [payment for payment in payments if _is_stopping(payment)]
        asking = [payment for payment in payments if not _is_stopping(payment)]
        answers: dict[str, Result] = {}
        if stopping:
            answers |= await _within(self.provider.cancel(_keys(tenant, stopping)))
        if asking:
            answers |= await _within(self.provider.lookup(_keys(tenant, asking)))
        await self._record(database, tenant, due, payments, answers)

    async def refund(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        async with database.transaction(tenant, reserve=True) as tx:
            refunds = await store.open_refunds(tx, [timer.id for timer in due], lock=False)
        repayments = [
            Repayment(
                key=refund_key(tenant.id, refund.id),
                charge_key=charge_key(tenant.id, refund.booking_id, refund.attempt),
                amount_minor=refund.amount_minor, currency=refund.currency,
            )
            for refund in refunds
        ]  # fmt: skip
        answers = await _within(self.provider.refund(repayments)) if repayments else {}
        results = {refund.id: answers.get(refund_key(tenant.id, refund.id), RefundResult(None)) for refund in refunds}
        async with database.transaction(tenant, reserve=True) as tx:
            await actions.record_refunds(tx, due, results, self.first_pause)

    async def _record(
        self, database: Database, tenant: Tenant, due: Sequence[Due],
        payments: Sequence[Payment], answers: Mapping[str, Result],
    ) -> None:  # fmt: skip
        results: dict[UUID, Result] = {
            payment.id: answers.get(_key(tenant, payment), Result(Outcome.NO_ANSWER)) for payment in payments
        }
        async with database.transaction(tenant, reserve=True) as tx:
            await actions.record(tx, due, results, self.first_pause)

    def question(self, tenant: Tenant, payment: Payment) -> Charge:
        """What the provider is asked for a payment: the same words each time, so that it is one charge."""
        return Charge(
            key=_key(tenant, payment), tenant_id=tenant.id, amount_minor=payment.amount_minor,
            currency=payment.currency, method=payment.method, description=payment.reference,
            return_url=f"{self.public_url.replace('{slug}', tenant.slug)}/orders/{payment.booking_id}",
        )  # fmt: skip


def _is_stopping(payment: Payment) -> bool:
    return payment.cancel_requested and payment.status not in {Status.DECLINED, Status.CANCELLED}


def _key(tenant: Tenant, payment: Payment) -> str:
    return charge_key(tenant.id, payment.booking_id, payment.attempt)


def _keys(tenant: Tenant, payments: Sequence[Payment]) -> list[str]:
    return [_key(tenant, payment) for payment in payments]


async def _within(call: Awaitable[Mapping[str, Answer]]) -> dict[str, Answer]:
    """The provider's answers, or none in time: then nothing is known about any of the keys."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return dict(await call)
    except TimeoutError:
        return {}
