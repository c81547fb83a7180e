"""Tenants over HTTP: reads the request, runs an action, renders the tenant as it is now."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from boxoffice.doors import paging
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel import idempotency
from boxoffice.kernel.database import Tx
from boxoffice.kernel.route import Answer, Call, path_id, user_id
from boxoffice.kernel.tenancy import Status, TenantSettings, unknown_tenant
from boxoffice.tenants import actions, domain, store
from boxoffice.tenants.domain import Plan, SettingsChange
from boxoffice.tenants.onboarding import Applicant, Onboarding
from boxoffice.tenants.store import Record

Text = Annotated[str, msgspec.Meta(max_length=1024)]


class FirstAdmin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person who will run the tenant."""

    email: Text
    password: Text
    first_name: Text
    last_name: Text


class NewTenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant to be."""

    slug: Text
    name: Text
    admin: FirstAdmin
    plan: Plan = "standard"


class TenantChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of these to change; what is left out stays as it is."""

    name: Text | UnsetType = UNSET
    plan: Plan | UnsetType = UNSET
    settings: SettingsChange = SettingsChange()


class Suspension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to suspend. drain: what is booked goes on to its end; strict: what awaits a payment is called off."""

    mode: Literal["drain", "strict"] = "drain"


class TenantQuery(PageQuery, frozen=True, kw_only=True):
    """A page of tenants, of one status if it is named."""

    status: Status | None = None


class TenantView(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as the operator sees it."""

    id: UUID
    slug: str
    name: str
    plan: str
    status: Status
    settings: TenantSettings
    created_at: datetime


class Api:
    """Tenants' endpoints, all on the platform's host and for operators."""

    def __init__(self, onboarding: Onboarding, *, fingerprint: bytes, least_hold_seconds: float) -> None:
        self._onboarding = onboarding
        self._database = onboarding.database
        self._fingerprint = fingerprint
        self._least_hold_seconds = least_hold_seconds

    async def create(self, call: Call) -> Answer:
        """201 with the status as it is after a second at most; provisioning goes on without the request."""
        body: NewTenant = call.body
        name = domain.normal_name(body.name)
        domain.refuse(domain.check_slug(body.slug) + domain.check_name(name))

        async with self._onboarding.alone(body.slug):
            answer = await self._once(call, body, name)
        answer.value = _view(await self._onboarding.settled(answer.value))
        return answer

    async def list(self, call: Call) -> Answer:
        query: TenantQuery = call.query
        after = paging.after(query.cursor, datetime)
        async with self._database.platform() as tx:
            status = query.status.value if query.status is not None else None
            records = await store.newest(tx, query.limit + 1, after, status)
        page = paging.page(records, query.limit, lambda record: (record.created_at, record.tenant.id), _view)
        return Answer(200, page)

    async def show(self, call: Call) -> Answer:
        async with self._database.platform() as tx:
            record = await store.by_id(tx, path_id(call, "tenant_id"))
        return Answer(200, _view(record))

    async def change(self, call: Call) -> Answer:
        body: TenantChange = call.body
        tenant_id = path_id(call, "tenant_id")
        async with self._database.platform() as tx:
            await actions.change(
                tx, tenant_id, settings=body.settings, least_hold_seconds=self._least_hold_seconds,
                name=None if body.name is UNSET else body.name, plan=None if body.plan is UNSET else body.plan,
            )  # fmt: skip
            record = await store.by_id(tx, tenant_id)
        return Answer(200, _view(record))

    async def suspend(self, call: Call) -> Answer:
        tenant_id = path_id(call, "tenant_id")

        async def work(tx: Tx) -> tuple[int, UUID]:
            await actions.suspend(tx, tenant_id, user_id(call), strict=call.body.mode == "strict")
            return 200, tenant_id

        async def render(tx: Tx, resource: str | None) -> TenantView:
            return _view(await store.by_id(tx, tenant_id))

        return await idempotency.once(self._database, call, self._fingerprint, work, render)

    async def resume(self, call: Call) -> Answer:
        async with self._database.platform() as tx:
            await actions.resume(tx, path_id(call, "tenant_id"), user_id(call))
        return Answer(204)

    async def _once(self, call: Call, body: NewTenant, name: str) -> Answer:
        """Look first: neither a repetition nor a slug that is gone is worth a password's hash."""
        request = idempotency.wanted(call, self._fingerprint)
        async with self._database.platform() as tx:
            repeated = request is not None and not isinstance(
                (await idempotency.claim(tx, [request]))[0], idempotency.New
            )
            if not repeated and await store.slug_is_taken(tx, body.slug):
                raise actions.slug_taken()
        admin = None if repeated else await self._onboarding.admit(Applicant(**msgspec.structs.asdict(body.admin)))

        async def work(tx: Tx) -> tuple[int, UUID]:
            if admin is None:  # the first request was still running when we looked, and has failed since
                raise idempotency.refusal(idempotency.InFlight())
            tenant = await actions.onboard(tx, self._onboarding.roles, body.slug, name, body.plan, admin)
            return 201, tenant.id

        async def render(tx: Tx, resource: str | None) -> UUID:
            return UUID(resource)

        return await idempotency.once(self._database, call, self._fingerprint, work, render)


def _view(record: Record | None) -> TenantView:
    if record is None:
        raise unknown_tenant()
    tenant = record.tenant
    return TenantView(
        id=tenant.id, slug=tenant.slug, name=tenant.name, plan=tenant.plan, status=tenant.status,
        settings=tenant.settings, created_at=record.created_at,
    )  # fmt: skip


TenantPage = Page[TenantView]
