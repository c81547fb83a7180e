"""A desk at which tests pay: the service's handlers and senders around a simulated bank."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Message
from boxoffice.kernel.tenancy import Tenant
from boxoffice.messages import BookingRequested, PaymentCancelRequested, RefundRequested
from boxoffice.payments import actions, store
from boxoffice.payments.actions import CHARGE, REFUND, SETTLE
from boxoffice.payments.charging import Charging
from boxoffice.payments.domain import ChargeName, Payment, Result
from boxoffice.payments.simulated import Delays, Simulator
from tests.support.traffic import deliver, published, run_due

AMOUNT = 4_500


@dataclass(frozen=True)
class Desk:
    """One tenant's payments."""

    database: Database
    tenant: Tenant
    simulator: Simulator
    charging: Charging

    async def request(self, booking_id: UUID, method: str, attempt: int = 1) -> None:
        body = BookingRequested(
            booking_id=booking_id, attempt=attempt, amount_minor=AMOUNT, currency="EUR", payment_method=method,
            reference="ABC123", hold_until=datetime.now(UTC) + timedelta(minutes=5),
        )  # fmt: skip
        await deliver(self.database, self.tenant, actions.requested, body)

    async def cancel(self, booking_id: UUID, *attempts: int) -> None:
        body = PaymentCancelRequested(booking_id=booking_id, attempts=list(attempts or (1,)))
        await deliver(self.database, self.tenant, actions.cancel_requested, body)

    async def ask_refund(self, booking_id: UUID, refund_id: UUID, amount_minor: int = AMOUNT) -> None:
        body = RefundRequested(
            booking_id=booking_id, refund_id=refund_id, attempt=1, amount_minor=amount_minor, currency="EUR",
            reason="USER_CANCELLED",
        )  # fmt: skip
        await deliver(self.database, self.tenant, actions.refund_requested, body)

    async def charge(self) -> None:
        await run_due(self.database, self.tenant, CHARGE, self.charging.charge)

    async def settle(self) -> None:
        await run_due(self.database, self.tenant, SETTLE, self.charging.settle)

    async def refund(self) -> None:
        await run_due(self.database, self.tenant, REFUND, self.charging.refund)

    async def pay(self, method: str) -> UUID:
        """Request and charge one booking."""
        booking_id = uuid7()
        await self.request(booking_id, method)
        await self.charge()
        return booking_id

    async def payment(self, booking_id: UUID, attempt: int = 1) -> Payment:
        return (await self.payments(booking_id))[attempt - 1]

    async def payments(self, booking_id: UUID) -> Sequence[Payment]:
        async with self.database.transaction(self.tenant) as tx:
            return await store.of_booking(tx, booking_id)

    async def notice(self, booking_id: UUID, attempt: int = 1) -> None:
        """The provider tells that something happened, as its webhook would."""
        async with self.database.transaction(self.tenant) as tx:
            await actions.noticed(tx, [ChargeName(self.tenant.id, booking_id, attempt)])

    async def at_the_bank(self, booking_id: UUID, attempt: int = 1) -> Result:
        """What the bank itself says of an attempt."""
        charge = self.charging.question(self.tenant, await self.payment(booking_id, attempt))
        return (await self.simulator.lookup([charge]))[charge.key]

    async def told(self, *kinds: type[Message]) -> list[Message]:
        return await published(self.database, self.tenant, *kinds)


def desk_for(database: Database, tenant: Tenant, delays: Delays) -> Desk:
    simulator = Simulator(database, b"s" * 32, delays)
    charging = Charging(
        {"simulated": lambda tenant: simulator}, timedelta(milliseconds=1), "http://{slug}.localhost:8000"
    )
    return Desk(database, tenant, simulator, charging)


@pytest.fixture
def desk(database: Database, tenant: Tenant) -> Desk:
    """A desk at a bank whose delayed tokens are due at once."""
    return desk_for(database, tenant, Delays(slow=timedelta(0), captured_late=timedelta(0)))


@pytest.fixture
def slow_desk(database: Database, tenant: Tenant) -> Desk:
    """A desk at a bank whose delayed tokens never become due within a test."""
    return desk_for(database, tenant, Delays(slow=timedelta(hours=1), captured_late=timedelta(hours=1)))
