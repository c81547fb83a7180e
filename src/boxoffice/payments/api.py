"""HTTP in, HTTP out: webhooks, the simulated bank's page, and what bookings and the operator may ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.route import Answer, Call
from boxoffice.payments import actions, bank_page, store
from boxoffice.payments.domain import Outcome, charge_key, read_charge_key
from boxoffice.payments.provider import Provider
from boxoffice.payments.simulated import Simulator

HTML = "text/html; charset=utf-8"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
}


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook was understood; a repeat is answered the same."""

    received: bool


class Methods(msgspec.Struct, frozen=True, kw_only=True):
    """What the tenant's buyers may pay with."""

    methods: list[str]


class OfBooking(msgspec.Struct, frozen=True, kw_only=True):
    """Which booking's payments are asked for."""

    booking: UUID


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as recorded here and as the provider tells it now (null: it gave no answer)."""

    attempt: int
    amount_minor: int
    currency: str
    method: str
    status: str
    reason: str | None
    provider_ref: str | None
    provider_status: str | None


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """One refund of an attempt."""

    refund_id: UUID
    attempt: int
    amount_minor: int
    currency: str
    status: str
    reason: str | None


class PaymentsView(msgspec.Struct, frozen=True, kw_only=True):
    """All that payments knows about a booking."""

    booking_id: UUID
    payments: list[PaymentView]
    refunds: list[RefundView]


@dataclass(frozen=True)
class PaymentDoors:
    """The endpoints of payments."""

    database: Database
    providers: Mapping[str, Provider]
    simulator: Simulator

    async def webhook(self, call: Call) -> Answer:
        provider = self.providers.get(call.path["provider"])
        if provider is None:
            raise NotFound("not_found", "No such payment provider.")
        keys = provider.read_webhook(call.raw, call.headers, datetime.now(UTC))
        names = [name for key in keys if (name := read_charge_key(key)) is not None]
        async with self.database.transaction(call.tenant) as tx:
            await actions.noticed(tx, names)
        return Answer(value=Accepted(received=True))

    async def methods(self, call: Call) -> Answer:
        return Answer(value=Methods(methods=list(self.simulator.methods)))

    async def of_booking(self, call: Call) -> Answer:
        booking_id: UUID = call.query.booking
        async with self.database.transaction(call.tenant) as tx:
            payments = await store.of_booking(tx, booking_id)
            refunds = await store.refunds_of_booking(tx, booking_id)
        keys = {payment.attempt: charge_key(call.tenant.id, booking_id, payment.attempt) for payment in payments}
        told = await self.simulator.lookup(list(keys.values()))
        statuses = {
            attempt: told[key].outcome.value if key in told else None for attempt, key in keys.items()
        }  # fmt: skip
        value = PaymentsView(
            booking_id=booking_id,
            payments=[
                PaymentView(
                    attempt=payment.attempt, amount_minor=payment.amount_minor, currency=payment.currency,
                    method=payment.method, status=payment.status.value, reason=payment.reason,
                    provider_ref=payment.provider_ref, provider_status=statuses[payment.attempt],
                )
                for payment in payments
            ],
            refunds=[
                RefundView(
                    refund_id=refund.id, attempt=refund.attempt, amount_minor=refund.amount_minor,
                    currency=refund.currency, status=refund.status.value, reason=refund.reason,
                )
                for refund in refunds
            ],
        )  # fmt: skip
        return Answer(value=value)

    async def bank_page(self, call: Call) -> Answer:
        entry = await self.simulator.waiting(call.tenant.id, call.path["reference"])
        if entry is None:
            raise NotFound("not_found", "The bank knows no such payment.")
        page = bank_page.render(
            merchant=call.tenant.name, description=entry.description, amount_minor=entry.amount_minor,
            currency=entry.currency, waiting=entry.status is Outcome.ACTION_REQUIRED, return_url=entry.return_url,
        )  # fmt: skip
        return Answer(content=page.encode(), content_type=HTML, headers=dict(PAGE_HEADERS))

    async def bank_decision(self, call: Call) -> Answer:
        form = parse_qs(call.raw.decode("utf-8", "replace"), max_num_fields=10)
        approved = form.get("decision") == ["approve"]
        entry = await self.simulator.decide(call.tenant.id, call.path["reference"], approved=approved)
        if entry is None:
            raise NotFound("not_found", "The bank knows no such payment.")
        return Answer(status=303, content=b"", headers={"Location": entry.return_url})
