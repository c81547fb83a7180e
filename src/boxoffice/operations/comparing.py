"""Going through all bookings of all tenants, by bookings' and by payments' word side by side, a piece at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from boxoffice.doors import paging
from boxoffice.doors.paging import Page
from boxoffice.doors.peers import Peers
from boxoffice.kernel.tenant import Tenant
from boxoffice.operations import domain
from boxoffice.operations.domain import Booked, Kind, Paid

READ_AT_ONCE = 100
BEGINNING = UUID(int=0)  # before every booking
PIECE = timedelta(seconds=1)  # an answer is not longer in the making: the rest is behind its cursor
Told = TypeVar("Told", Booked, Paid)


class OfTenant(msgspec.Struct, frozen=True, kw_only=True):
    """Whose it is."""

    id: UUID
    slug: str


class MoneyTold(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken and returned, by somebody's word."""

    captured_minor: int
    refunded_minor: int


class BookingTold(MoneyTold, frozen=True, kw_only=True):
    """Bookings' word: also what is being returned, was returned by hand or kept, and what its valid lines cost."""

    refunding_minor: int
    by_hand_minor: int
    kept_minor: int
    valid_minor: int


class SeatsTold(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines claim a seat, and how many seats name the booking."""

    lines: int
    held: int
    sold: int


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A booking about which not all say the same; null where somebody does not know it or gave no answer."""

    tenant: OfTenant
    booking_id: UUID
    reference: str | None
    status: str | None
    kind: Kind
    kinds: list[Kind]
    currency: str | None
    bookings: BookingTold | None
    payments: MoneyTold | None
    provider: MoneyTold | None
    seats: SeatsTold | None
    changed_at: datetime
    age_seconds: int


class Comparing:
    """Compares what the services say. What changed just now is left out: it may be on its way between them."""

    def __init__(self, peers: Peers, piece: timedelta = PIECE) -> None:
        self._peers = peers
        self._piece = piece

    async def page(self, tenants: Sequence[Tenant], after: str | None, limit: int) -> Page[Disagreement]:
        """The next disagreements, tenant by tenant. A page may be short of `limit` and still not be the last one."""
        place = paging.after(after, UUID)
        moved = False  # at least by one booking, however slow everything is
        until = time.monotonic() + self._piece.total_seconds()
        found: list[Disagreement] = []
        for tenant in sorted(tenants, key=lambda each: each.id):
            if place is not None and tenant.id < place[1]:
                continue
            begin = place[0] if place is not None and tenant.id == place[1] else BEGINNING
            async for booking_id, booked, paid in self._side_by_side(tenant, begin):
                if len(found) == limit or (moved and time.monotonic() > until):
                    return Page(items=found, next_cursor=paging.cursor(begin, tenant.id))
                now = datetime.now(UTC)
                kinds = domain.differences(booked, paid, now)
                if kinds:
                    found.append(_disagreement(tenant, booking_id, booked, paid, kinds, now))
                begin, moved = booking_id, True
        return Page(items=found, next_cursor=None)

    async def _side_by_side(
        self, tenant: Tenant, after: UUID
    ) -> AsyncIterator[tuple[UUID, Booked | None, Paid | None]]:
        """Every booking that bookings or payments know, in the order of ids, as both tell it."""
        while True:
            booked, paid = await asyncio.gather(
                self._read(tenant, "bookings", "/internal/reconciliation/bookings", Page[Booked], after),
                self._read(tenant, "payments", "/internal/payments/ledger", Page[Paid], after),
            )
            horizon = _horizon(booked, paid)
            by_bookings = {each.booking_id: each for each in booked.items}
            by_payments = {each.booking_id: each for each in paid.items}
            for id in sorted(by_bookings.keys() | by_payments.keys()):
                if horizon is None or id <= horizon:
                    yield id, by_bookings.get(id), by_payments.get(id)
            if horizon is None:
                return
            after = horizon

    async def _read(self, tenant: Tenant, service: str, path: str, kind: type[Page[Told]], after: UUID) -> Page[Told]:
        wanted = {"limit": str(READ_AT_ONCE), "cursor": paging.cursor(after, after)}
        answer = await self._peers.call(service, "GET", f"{path}?{urlencode(wanted)}", tenant=tenant)
        return answer.decode(kind)


def _horizon(booked: Page[Booked], paid: Page[Paid]) -> UUID | None:
    """Up to which id both pages are complete; None: to the end."""
    ends = [page.items[-1].booking_id for page in (booked, paid) if page.next_cursor is not None]
    return min(ends, default=None)


def _disagreement(
    tenant: Tenant, booking_id: UUID, booked: Booked | None, paid: Paid | None, kinds: list[Kind], now: datetime
) -> Disagreement:
    changed_at = domain.changed_at(booked, paid)
    return Disagreement(
        tenant=OfTenant(id=tenant.id, slug=tenant.slug), booking_id=booking_id,
        reference=booked.reference if booked else None, status=booked.status if booked else None,
        kind=kinds[0], kinds=kinds, currency=booked.currency if booked else None,
        bookings=_told_by_bookings(booked) if booked else None,
        payments=MoneyTold(captured_minor=paid.captured_minor, refunded_minor=paid.refunded_minor) if paid else None,
        provider=_told_by_provider(paid) if paid else None,
        seats=SeatsTold(lines=booked.lines, held=booked.held, sold=booked.sold) if booked else None,
        changed_at=changed_at, age_seconds=int((now - changed_at).total_seconds()),
    )  # fmt: skip


def _told_by_bookings(booked: Booked) -> BookingTold:
    return BookingTold(
        captured_minor=booked.captured_minor, refunded_minor=booked.refunded_minor,
        refunding_minor=booked.refunding_minor, by_hand_minor=booked.by_hand_minor, kept_minor=booked.kept_minor,
        valid_minor=booked.valid_minor,
    )  # fmt: skip


def _told_by_provider(paid: Paid) -> MoneyTold | None:
    if paid.provider_captured_minor is None or paid.provider_refunded_minor is None:
        return None
    return MoneyTold(captured_minor=paid.provider_captured_minor, refunded_minor=paid.provider_refunded_minor)
