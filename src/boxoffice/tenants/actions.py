"""Tenants' verbs: onboard, change, suspend, resume. Each takes a platform transaction."""

from uuid import UUID

import msgspec

from boxoffice.doors.limits import POLICIES
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles, schema_of
from boxoffice.kernel.tenancy import Status, Tenant, TenantSettings, directory_changed, unknown_tenant
from boxoffice.kernel.timers import Timer
from boxoffice.messages import TenantChanged, TenantResumed, TenantSuspended
from boxoffice.tenants import domain, store
from boxoffice.tenants.domain import Plan, SettingsChange

PROVISION = "tenants.provision"


class Admin(msgspec.Struct, frozen=True, kw_only=True):
    """The first admin of a tenant to be, checked and hashed by auth."""

    email: str
    password_hash: str
    first_name: str
    last_name: str


async def onboard(tx: Tx, roles: Roles, slug: str, name: str, plan: Plan, admin: Admin) -> Tenant:
    """Enter a tenant into the directory and have it provisioned. Raises Conflict `slug_taken`."""
    tenant = Tenant(
        id=uuid7(), slug=slug, name=name, schema=schema_of(slug), role=roles.tenant(slug),
        status=Status.PROVISIONING, plan=plan, spread=1, settings=TenantSettings(),
    )  # fmt: skip
    if not await store.add(tx, tenant):
        raise slug_taken()
    await store.add_first_admin(
        tx,
        store.FirstAdmin(
            tenant_id=tenant.id, email=admin.email, password_hash=admin.password_hash,
            first_name=admin.first_name, last_name=admin.last_name,
        ),
    )  # fmt: skip
    await directory_changed(tx)
    tx.later(Timer(id=tenant.id, kind=PROVISION, at=tx.now, tenant_id=tenant.id))
    return tenant


async def change(
    tx: Tx, tenant_id: UUID, *, name: str | None, plan: Plan | None, settings: SettingsChange,
    least_hold_seconds: float,
) -> None:  # fmt: skip
    """Change what is named, or nothing at all. Raises Invalid `invalid_body`."""
    known = await _locked(tx, tenant_id)
    wanted = msgspec.structs.replace(
        known,
        name=known.name if name is None else domain.normal_name(name),
        plan=plan or known.plan,
        settings=domain.changed(known.settings, settings),
    )
    problems = domain.check_settings(wanted.settings, least_hold_seconds=least_hold_seconds, route_classes=POLICIES)
    domain.refuse(domain.check_name(wanted.name) + problems)
    await _write(tx, known, wanted)


async def suspend(tx: Tx, tenant_id: UUID, operator: UUID, *, strict: bool = False) -> None:
    """Stop pages, sales and organizers' writes. What is booked goes on to its end (drain), or, when `strict`, what
    still awaits a payment is called off."""
    known = await _locked(tx, tenant_id)
    await _write(tx, known, msgspec.structs.replace(known, status=domain.suspended(known.status)))
    tx.publish(TenantSuspended(tenant_id=tenant_id, strict=strict, operator=operator), tenant=known)


async def resume(tx: Tx, tenant_id: UUID, operator: UUID) -> None:
    """End a suspension; a tenant that is not suspended stays what it is."""
    known = await _locked(tx, tenant_id)
    wanted = msgspec.structs.replace(known, status=domain.resumed(known.status))
    await _write(tx, known, wanted)
    if wanted != known:
        tx.publish(TenantResumed(tenant_id=tenant_id, operator=operator), tenant=known)


def slug_taken() -> Conflict:
    return Conflict("slug_taken", "Another organizer has, or had, this slug.")


async def _locked(tx: Tx, tenant_id: UUID) -> Tenant:
    record = await store.lock(tx, tenant_id)
    if record is None:
        raise unknown_tenant()
    return record.tenant


async def _write(tx: Tx, known: Tenant, wanted: Tenant) -> None:
    if wanted != known:
        await store.change(tx, wanted)
        await directory_changed(tx)
        tx.publish(
            TenantChanged(
                tenant_id=wanted.id, name=wanted.name, payment_provider=wanted.settings.payment_provider
            ),
            tenant=wanted,
        )  # fmt: skip
