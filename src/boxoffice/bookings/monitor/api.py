"""The doors of the saga monitor, on the platform host."""

import dataclasses
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from boxoffice.bookings import store as bookings_store
from boxoffice.bookings import views
from boxoffice.bookings.actions import Shown, load_shown, not_found
from boxoffice.bookings.decide import Attempt, Refund
from boxoffice.bookings.executor import TIMER, public_status
from boxoffice.bookings.giving_back.actions import GivingBack
from boxoffice.bookings.monitor import store
from boxoffice.bookings.store import Booking
from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel import idempotency, timers
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.route import Answer, Call, path_id, user_id
from boxoffice.kernel.tenancy import Directory, Status, Tenant
from boxoffice.messages import OperatorIntervened

LATE = timedelta(seconds=60)


class SagaQuery(PageQuery, frozen=True, kw_only=True):
    """live: every saga with a timer; late: its timer is a minute overdue; stuck: its refund needs a human."""

    status: Literal["live", "late", "stuck"] = "live"
    tenant: Annotated[str, msgspec.Meta(max_length=32)] | None = None


class TenantOf(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    slug: str


class SagaItem(msgspec.Struct, frozen=True, kw_only=True):
    """A saga in a list."""

    booking_id: UUID
    tenant: TenantOf
    reference: str
    status: str
    since: datetime
    due_at: datetime | None
    late_seconds: int


class SagaDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one saga."""

    tenant: TenantOf
    booking: views.BookingView
    state: str
    reason: str | None
    attempts: list[Attempt]
    refunds: list[Refund]
    kept_minor: int


class Compensation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a booking is undone."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it can be seen that the money was returned."""

    refund_id: UUID
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class MonitorApi:
    """What operators ask of sagas, whichever tenant's they are. `fingerprint_secret` fingerprints what they ask."""

    def __init__(
        self, database: Database, directory: Directory, giving_back: GivingBack, fingerprint_secret: bytes
    ) -> None:
        self._database = database
        self._directory = directory
        self._giving_back = giving_back
        self._fingerprint_secret = fingerprint_secret

    async def list_sagas(self, call: Call) -> Answer:
        query: SagaQuery = call.query
        after = paging.after(query.cursor, datetime)
        tenant = await self._directory.by_slug(query.tenant) if query.tenant else None
        if query.status == "stuck":
            tenants = [tenant] if tenant else _serving(self._directory)
            found = [(one, id, None) for one, id in await store.stuck_of_all(self._database, tenants, query.limit)]
            return Answer(200, Page(items=await self._items(found), next_cursor=None))
        until = datetime.now(UTC) - LATE if query.status == "late" else None
        async with self._database.platform() as tx:
            waiting = await timers.listed(tx.db, TIMER, tenant.id if tenant else None, until, after, query.limit + 1)
        shown = waiting[: query.limit]
        items = await self._items([(await self._directory.by_id(w.tenant_id), w.id, w.fire_at) for w in shown])
        more = paging.cursor(shown[-1].fire_at, shown[-1].id) if len(waiting) > query.limit else None
        return Answer(200, Page(items=items, next_cursor=more))

    async def _items(self, found: Sequence[tuple[Tenant, UUID, datetime | None]]) -> list[SagaItem]:
        by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
        tenants = {tenant.id: tenant for tenant, _, _ in found}
        for tenant, booking_id, _ in found:
            by_tenant[tenant.id].append(booking_id)
        bookings: dict[UUID, Booking] = {}
        for tenant_id, ids in by_tenant.items():
            async with self._database.transaction(tenants[tenant_id]) as tx:
                bookings |= await bookings_store.load(tx, ids)
        return [_item(tenant, bookings[id], due) for tenant, id, due in found if id in bookings]

    async def show(self, call: Call) -> Answer:
        return Answer(200, _detail(*await self._find(path_id(call, "booking_id"))))

    async def retry(self, call: Call) -> Answer:
        return await self._act(call, "retry", "", self._giving_back.retry)

    async def compensate(self, call: Call) -> Answer:
        body: Compensation = call.body
        return await self._act(call, "compensation", body.reason, self._giving_back.compensate)

    async def mark_refunded(self, call: Call) -> Answer:
        body: Evidence = call.body

        async def mark(tx: Tx, booking_id: UUID) -> None:
            await self._giving_back.mark_refunded(tx, booking_id, body.refund_id, body.evidence)

        return await self._act(call, "refund-evidence", body.evidence, mark)

    async def _act(self, call: Call, action: str, detail: str, verb: Callable[[Tx, UUID], Awaitable[None]]) -> Answer:
        """Act once for this call's key, which is kept with the booking's tenant, and tell it: in one transaction."""
        booking_id, operator = path_id(call, "booking_id"), user_id(call)
        tenant, _ = await self._find(booking_id)

        async def work(tx: Tx) -> tuple[int, UUID]:
            await verb(tx, booking_id)
            tx.publish(OperatorIntervened(booking_id=booking_id, operator=operator, act=action, detail=detail))
            return 202, booking_id

        async def render(tx: Tx, _: str) -> SagaDetail:
            return _detail(tenant, (await load_shown(tx, [booking_id]))[booking_id])

        at_tenant = dataclasses.replace(call, tenant=tenant)
        return await idempotency.once(self._database, at_tenant, self._fingerprint_secret, work, render)

    async def _find(self, booking_id: UUID) -> tuple[Tenant, Shown]:
        """A booking of whichever tenant has it: its timer tells, else every tenant is asked."""
        async with self._database.platform() as tx:
            tenant_id = await timers.tenant_of(tx.db, booking_id, TIMER)
        tenants = [await self._directory.by_id(tenant_id)] if tenant_id else _serving(self._directory)
        for tenant in tenants:
            async with self._database.transaction(tenant) as tx:
                found = await load_shown(tx, [booking_id])
            if booking_id in found:
                return tenant, found[booking_id]
        raise not_found()


def _serving(directory: Directory) -> list[Tenant]:
    return [tenant for tenant in directory.all() if tenant.status in (Status.ACTIVE, Status.SUSPENDED)]


def _detail(tenant: Tenant, shown: Shown) -> SagaDetail:
    saga = shown.booking.saga
    return SagaDetail(
        tenant=TenantOf(id=tenant.id, slug=tenant.slug), booking=views.booking_view(shown, datetime.now(UTC)),
        state=saga.state, reason=saga.reason, attempts=list(saga.attempts), refunds=list(saga.refunds),
        kept_minor=saga.kept_minor,
    )  # fmt: skip


def _item(tenant: Tenant, booking: Booking, due_at: datetime | None) -> SagaItem:
    late = (datetime.now(UTC) - due_at).total_seconds() if due_at else 0
    return SagaItem(
        booking_id=booking.id, tenant=TenantOf(id=tenant.id, slug=tenant.slug), reference=booking.reference,
        status=public_status(booking.saga.state), since=booking.created_at, due_at=due_at,
        late_seconds=max(0, int(late)),
    )  # fmt: skip
