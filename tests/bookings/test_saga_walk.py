"""Bookings under whatever can happen to them, in any order and repeatedly, on real rows.

What `decide` makes of it is searched to the end in tests/model; here the executor and its SQL do it.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boxoffice.bookings import store
from boxoffice.bookings.decide import (
    Saga,
)
from boxoffice.bookings.executor import TIMER
from boxoffice.bookings.inventory.holding import SeatsTaken
from boxoffice.bookings.inventory.holds import HeldSeat, Hold
from boxoffice.bookings.saga import Effect, State
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.timers import done
from boxoffice.messages import (
    OfBooking,
    PaymentActionRequired,
    PaymentCancelled,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)
from tests.bookings.conftest import BUYER, OTHER, Office
from tests.support.invariants import OF_TENANT
from tests.support.traffic import armed, deliver

BOOKING = uuid7()
PRICE = 9_000
HALF = PRICE // 2
WITH_SEATS = (State.PENDING_PAYMENT, State.EXPIRING, State.CANCELLING, State.CONFIRMED)
ARMING = (Effect.ARM_HOLD, Effect.ARM_GRACE, Effect.ARM_REFUND, Effect.ARM_LONG)
AT_ANY_TIME = {
    "one_live_claim", "claims_are_mutual", "sold_seats_are_paid_for", "ends_free_their_seats", "seats_are_of_the_plan",
    "tickets_are_the_lines", "unfinished_work_has_a_timer", "history_has_no_gap",
}  # fmt: skip
steps = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.booleans()), min_size=15, max_size=40)


def of_payments(booking_id: UUID, saga: Saga) -> list[OfBooking]:
    """Whatever payments may say of a saga: about any attempt that was asked for, in any order, again and again."""
    told: list[OfBooking] = []
    for n in range(1, saga.attempt + 1):
        told += [
            PaymentCompleted(booking_id=booking_id, attempt=n, amount_minor=saga.total_minor, currency="EUR"),
            PaymentFailed(booking_id=booking_id, attempt=n, retryable=True, reason="funds"),
            PaymentFailed(booking_id=booking_id, attempt=n, retryable=False, reason="declined"),
            PaymentCancelled(booking_id=booking_id, attempt=n),
            PaymentActionRequired(booking_id=booking_id, attempt=n, url="https://bank.example"),
        ]
    for refund in saga.refunds:
        told += [
            PaymentRefunded(
                booking_id=booking_id, refund_id=refund.id, attempt=refund.attempt,
                amount_minor=refund.amount_minor, currency="EUR",
            ),
            RefundFailed(booking_id=booking_id, refund_id=refund.id, attempt=refund.attempt, reason="closed"),
        ]  # fmt: skip
    return told


FRESH_SEATS = count()


class Street:
    """Buyers, payments and the clock, all after the same three seats."""

    def __init__(self, office: Office, seats: Sequence[int]) -> None:
        self.office = office
        self.seats = seats
        self.bookings: list[UUID] = []

    async def step(self, choice: int, detail: int) -> None:
        kinds = [self.buy, self.pay_again, self.give_up, self.give_one_back, self.clock, *[self.payments_say] * 6]
        await kinds[choice % len(kinds)](detail)

    async def buy(self, detail: int) -> None:
        """Book one or two seats, with a hold that Valkey knows nothing of: the claim decides."""
        now = datetime.now(UTC)
        wanted = self.seats[detail % 3 : detail % 3 + 1 + detail % 2]
        held = Hold(
            id=uuid7(), revision=1, tenant_id=self.office.tenant.id, owner=(BUYER, OTHER)[detail % 2],
            event_id=self.office.event_id, seats=tuple(HeldSeat(n, HALF) for n in wanted), currency="EUR",
            first_at=now, expires_at=now + timedelta(minutes=10), exclusive=False,
        )  # fmt: skip
        with suppress(SeatsTaken):
            self.bookings.append((await self.office.book(held)).booking.id)

    async def payments_say(self, detail: int) -> None:
        """A batch of up to four messages about any bookings, repeated and in any order."""
        possible: list[OfBooking] = []
        for booking_id in self.bookings:
            possible += of_payments(booking_id, (await self.office.booking(booking_id)).saga)
        if not possible:
            return
        chosen = [possible[(detail * (n + 1)) % len(possible)] for n in range(1 + detail % 4)]
        captured = [m for m in chosen if isinstance(m, PaymentCompleted)]
        await deliver(self.office.database, self.office.tenant, self.office.bookings.captured, *captured)
        heard: list[Any] = [m for m in chosen if not isinstance(m, PaymentCompleted)]
        await deliver(self.office.database, self.office.tenant, self.office.bookings.heard, *heard)

    async def pay_again(self, detail: int) -> None:
        await self._wish(detail, lambda tx, owner, id: self.office.bookings.pay_again(tx, owner, id, "pm_card_visa"))

    async def give_up(self, detail: int) -> None:
        await self._wish(detail, lambda tx, owner, id: self.office.giving_back.cancel(tx, owner, id, None))

    async def give_one_back(self, detail: int) -> None:
        async def act(tx: Any, owner: str, id: UUID) -> None:
            valid = (await store.load(tx, [id]))[id].valid_lines
            seats = [line.seat_no for line in valid][:1]
            await self.office.giving_back.cancel(tx, owner, id, seats)

        await self._wish(detail, act)

    async def _wish(self, detail: int, act: Any) -> None:
        if self.bookings:
            booking = await self.office.booking(self.bookings[detail % len(self.bookings)])
            with suppress(Refusal):
                async with self.office.database.transaction(self.office.tenant) as tx:
                    await act(tx, booking.owner, booking.id)

    async def clock(self, detail: int) -> None:
        """One timer falls due; it is gone when its work is done, as the timer loop sees to."""
        async with self.office.database.platform() as tx:
            due = [timer for timer in await armed(tx, self.office.tenant, TIMER) if timer.id in self.bookings]
        if due:
            one = due[detail % len(due)]
            async with self.office.database.transaction(self.office.tenant) as tx:
                await self.office.bookings.due(tx, [one])
                await done(tx, one)

    async def broken(self) -> list[str]:
        async with self.office.database.transaction(self.office.tenant) as tx:
            return [
                f"{invariant.name}: {row[0]}"
                for invariant in OF_TENANT if invariant.name in AT_ANY_TIME
                for row in await tx.db.fetch(invariant.broken, self.office.tenant.id)
            ]  # fmt: skip


@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(drawn=steps)
async def test_rows_keep_their_invariants_whatever_happens(office: Office, drawn: list[tuple[int, int, bool]]) -> None:
    first = 3 * (next(FRESH_SEATS) % 13)
    street = Street(office, range(first, first + 3))
    await street.buy(1)

    for choice, detail, _ in drawn:
        await street.step(choice, detail)
        assert await street.broken() == []
