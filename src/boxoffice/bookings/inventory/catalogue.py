"""What this process knows of the sales: rows kept for a second, plans for as long as they are used."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from boxoffice.bookings.inventory import sales
from boxoffice.bookings.inventory.domain import Sale
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Invalid, NotFound
from boxoffice.kernel.tenancy import Tenant
from boxoffice.messages import Category
from boxoffice.seating.categories import match_categories
from boxoffice.seating.parse import parse
from boxoffice.seating.plan import Plan

FRESH = timedelta(seconds=1).total_seconds()
MOST_PLANS = 64
PlanKey = tuple[UUID, str, tuple[tuple[str, str], ...]]


class Catalogue:
    """Sales by event. A hold may rest on a row a second old; a claim locks the row itself."""

    def __init__(self, database: Database, peers: Peers) -> None:
        self._database = database
        self._peers = peers
        self._sales: dict[tuple[UUID, UUID], tuple[float, Sale]] = {}
        self._reading: dict[tuple[UUID, UUID], asyncio.Task[Sale]] = {}
        self._plans: OrderedDict[PlanKey, Plan] = OrderedDict()
        self._methods: dict[UUID, frozenset[str]] = {}

    async def sale(self, tenant: Tenant, event_id: UUID) -> Sale:
        """The sale of an event. Raises NotFound `event_not_found` for one that was never published."""
        key = (tenant.id, event_id)
        known = self._sales.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        reading = self._reading.get(key)
        if reading is None:  # a crowd that comes when the row is a second old shares one reading
            reading = self._reading[key] = asyncio.create_task(self._read(tenant, event_id))
            reading.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(reading)

    async def _read(self, tenant: Tenant, event_id: UUID) -> Sale:
        async with self._database.transaction(tenant) as tx:
            row = await sales.load(tx, event_id)
            if row is None or row.status == "PREPARING":
                raise NotFound("event_not_found", "There is no such event.")
            plan = await self._plan(tx, row.sale.plan_hash, row.sale.categories)
        facts = row.sale
        sale = Sale(
            event_id=event_id, name=facts.name, venue=facts.venue, time_zone=facts.time_zone,
            starts_at=facts.starts_at, currency=facts.currency, categories=facts.categories,
            opens_at=facts.opens_at, closes_at=facts.closes_at, max_seats=facts.max_seats_per_booking,
            status=row.status, sold_out=row.sold_out, plan=plan,
        )  # fmt: skip
        self._sales[tenant.id, event_id] = (time.monotonic() + FRESH, sale)
        return sale

    async def _plan(self, tx: Tx, plan_hash: str, categories: Sequence[Category]) -> Plan:
        key = (tx.tenant.id, plan_hash, tuple((category.key, category.name) for category in categories))
        plan = self._plans.get(key)
        if plan is None:
            document = await sales.plan(tx, plan_hash)
            if document is None:
                raise LookupError(f"no plan {plan_hash} although it is on sale")
            plan = self._plans[key] = match_categories(parse(document), categories)
            if len(self._plans) > MOST_PLANS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return plan

    async def require_method(self, tenant: Tenant, method: str | None) -> str:
        """Refuse a payment method that the tenant's provider does not accept with 422 `unknown_payment_method`."""
        if method is not None and method in self._methods.get(tenant.id, ()):
            return method
        async with self._database.transaction(tenant) as tx:
            known = await sales.payment_methods(tx)
        if not known:  # the tenant is seconds old and its message still on the way
            answer = await self._peers.call("payments", "GET", "/internal/payments/methods", tenant=tenant)
            known = frozenset(answer.decode(dict[str, list[str]])["methods"])
        self._methods[tenant.id] = known
        if method is None or method not in known:
            raise Invalid(
                "unknown_payment_method", "This payment method is not accepted here.",
                [{"path": "payment_method", "code": "unknown_payment_method", "detail": "Choose one that is offered."}],
            )  # fmt: skip
        return method
