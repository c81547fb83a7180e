"""HTTP in, HTTP out: webhooks, the simulated bank's page, and what bookings and the operator may ask."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.route import Answer, Call
from boxoffice.kernel.tenant import Tenant
from boxoffice.payments import actions, bank_page, ledger, store
from boxoffice.payments.charging import Charging
from boxoffice.payments.domain import Outcome, Payment, Result, charge_key, read_charge_key
from boxoffice.payments.ledger import Balance
from boxoffice.payments.provider import Providers
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
    provider: str
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
    captured_minor: int  # by the ledger, as are the next two
    refunded_minor: int
    balanced: bool


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What moved for one booking, by the ledger and by the provider (null: it gave no answer)."""

    booking_id: UUID
    captured_minor: int
    refunded_minor: int
    provider_captured_minor: int | None
    provider_refunded_minor: int | None


AccountPage = Page[Account]


class Crooked(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions of the ledger that do not add up to nothing: there are none, or money was written down wrong."""

    transactions: list[UUID]


@dataclass(frozen=True)
class PaymentDoors:
    """The endpoints of payments."""

    database: Database
    providers: Providers
    simulator: Simulator
    charging: Charging

    async def webhook(self, call: Call) -> Answer:
        provider = self.providers.get(call.path["provider"])
        if provider is None:
            raise NotFound("not_found", "No such payment provider.")
        keys = provider(call.tenant).read_webhook(call.raw, call.headers, datetime.now(UTC))
        names = [name for key in keys if (name := read_charge_key(key)) is not None]
        async with self.database.transaction(call.tenant) as tx:
            await actions.noticed(tx, names)
        return Answer(value=Accepted(received=True))

    async def methods(self, call: Call) -> Answer:
        provider = self.providers[call.tenant.settings.payment_provider](call.tenant)
        return Answer(value=Methods(methods=list(provider.methods)))

    async def of_booking(self, call: Call) -> Answer:
        booking_id: UUID = call.query.booking
        async with self.database.transaction(call.tenant) as tx:
            payments = await store.of_booking(tx, booking_id)
            refunds = await store.refunds_of_booking(tx, booking_id)
            balance = (await ledger.balances(tx, [booking_id])).get(booking_id, Balance())
        told = await self.charging.lookup(call.tenant, [payment for payment in payments if payment.was_sent])
        value = PaymentsView(
            booking_id=booking_id,
            payments=[
                PaymentView(
                    attempt=payment.attempt, amount_minor=payment.amount_minor, currency=payment.currency,
                    method=payment.method, status=payment.status.value, reason=payment.reason,
                    provider=payment.provider, provider_ref=payment.provider_ref,
                    provider_status=_outcome(call.tenant, payment, told),
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
            captured_minor=balance.captured_minor, refunded_minor=balance.refunded_minor,
            balanced=balance.imbalance_minor == 0,
        )  # fmt: skip
        return Answer(value=value)

    async def accounts(self, call: Call) -> Answer:
        """A page of bookings by id: what the ledger says of each, and what the provider says."""
        query: PageQuery = call.query
        after = paging.after(query.cursor, UUID)
        async with self.database.transaction(call.tenant) as tx:
            bookings = await store.paying_bookings(tx, after[1] if after else None, query.limit + 1)
            payments = await store.of_bookings(tx, bookings[: query.limit])
            balances = await ledger.balances(tx, bookings)
        told = await self.charging.lookup(call.tenant, [payment for payment in payments if payment.was_sent])
        of: dict[UUID, list[Payment]] = defaultdict(list)
        for payment in payments:
            of[payment.booking_id].append(payment)

        def show(booking_id: UUID) -> Account:
            return _account(call.tenant, booking_id, balances.get(booking_id, Balance()), of[booking_id], told)

        return Answer(value=paging.page(bookings, query.limit, lambda id: (id, id), show))

    async def crooked(self, call: Call) -> Answer:
        async with self.database.transaction(call.tenant) as tx:
            return Answer(value=Crooked(transactions=await ledger.crooked(tx)))

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


def _told(tenant: Tenant, payment: Payment, told: Mapping[str, Result]) -> Result | None:
    return told.get(charge_key(tenant.id, payment.booking_id, payment.attempt))


def _outcome(tenant: Tenant, payment: Payment, told: Mapping[str, Result]) -> str | None:
    result = _told(tenant, payment, told)
    if result is None:
        return None if payment.was_sent else Outcome.NOT_FOUND.value
    return result.outcome.value


def _account(
    tenant: Tenant, booking_id: UUID, balance: Balance, payments: Sequence[Payment], told: Mapping[str, Result]
) -> Account:
    sent = [payment for payment in payments if payment.was_sent]
    results = [_told(tenant, payment, told) for payment in sent]
    known = [result for result in results if result is not None]
    captured = sum(
        payment.amount_minor
        for payment, result in zip(sent, results, strict=True)
        if result is not None and result.outcome is Outcome.CAPTURED
    )
    complete = len(known) == len(sent)
    return Account(
        booking_id=booking_id, captured_minor=balance.captured_minor, refunded_minor=balance.refunded_minor,
        provider_captured_minor=captured if complete else None,
        provider_refunded_minor=sum(result.refunded_minor for result in known) if complete else None,
    )  # fmt: skip
