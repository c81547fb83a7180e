"""Tenants' tables: the directory, and the first admins that wait for their tenant's schema."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.kernel.database import Tx
from boxoffice.kernel.tenancy import Status, Tenant, TenantSettings

ADD = """
    INSERT INTO platform.tenants (id, slug, name, schema_name, role_name, plan, settings, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $8)
    ON CONFLICT DO NOTHING
"""
SLUG_IS_TAKEN = """
    SELECT EXISTS (SELECT FROM platform.tenants WHERE slug = $1)
"""
BY_ID = """
    SELECT id, slug, name, schema_name, role_name, status, plan, spread, settings, created_at
      FROM platform.tenants WHERE id = $1 AND status <> 'DELETED'
"""
LOCK = """
    SELECT id, slug, name, schema_name, role_name, status, plan, spread, settings, created_at
      FROM platform.tenants WHERE id = $1 AND status <> 'DELETED' FOR UPDATE
"""
PAGE = """
    SELECT id, slug, name, schema_name, role_name, status, plan, spread, settings, created_at
      FROM platform.tenants
     WHERE status <> 'DELETED'
       AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
       AND ($4::text IS NULL OR status = $4)
     ORDER BY created_at DESC, id DESC
     LIMIT $1
"""
CHANGE = """
    UPDATE platform.tenants
       SET name = $2, plan = $3, settings = $4::jsonb, status = $5, updated_at = $6
     WHERE id = $1
"""
ACTIVATE = """
    UPDATE platform.tenants SET status = 'ACTIVE', updated_at = $2 WHERE id = $1 AND status = 'PROVISIONING'
"""
ADD_FIRST_ADMIN = """
    INSERT INTO platform.first_admins (tenant_id, email, password_hash, first_name, last_name, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
FIRST_ADMIN = """
    SELECT tenant_id, email, password_hash, first_name, last_name FROM platform.first_admins WHERE tenant_id = $1
"""
FORGET_FIRST_ADMIN = """
    DELETE FROM platform.first_admins WHERE tenant_id = $1
"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's row: what the directory shows of it, and since when it is there."""

    tenant: Tenant
    created_at: datetime


class FirstAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """The person who will be a tenant's first admin; the password was hashed before it came here."""

    tenant_id: UUID
    email: str
    password_hash: str
    first_name: str
    last_name: str


async def add(tx: Tx, tenant: Tenant) -> bool:
    """Insert a PROVISIONING tenant; False when its slug is, or ever was, somebody's."""
    done = await tx.db.execute(
        ADD, tenant.id, tenant.slug, tenant.name, tenant.schema, tenant.role, tenant.plan,
        msgspec.json.encode(tenant.settings).decode(), tx.now,
    )  # fmt: skip
    return bool(done == "INSERT 0 1")


async def slug_is_taken(tx: Tx, slug: str) -> bool:
    return bool(await tx.db.fetchval(SLUG_IS_TAKEN, slug))


async def by_id(tx: Tx, tenant_id: UUID) -> Record | None:
    return _record(await tx.db.fetchrow(BY_ID, tenant_id))


async def lock(tx: Tx, tenant_id: UUID) -> Record | None:
    """The tenant's row, kept from others until the transaction ends."""
    return _record(await tx.db.fetchrow(LOCK, tenant_id))


async def newest(
    tx: Tx, limit: int, after: tuple[datetime, UUID] | None = None, status: str | None = None
) -> Sequence[Record]:
    """Up to `limit` tenants, newest first, behind the row `after`."""
    created_at, tenant_id = after or (None, None)
    rows = await tx.db.fetch(PAGE, limit, created_at, tenant_id, status)
    return [record for row in rows if (record := _record(row)) is not None]


async def change(tx: Tx, tenant: Tenant) -> None:
    """Write what an operator may change of a locked tenant."""
    await tx.db.execute(
        CHANGE, tenant.id, tenant.name, tenant.plan, msgspec.json.encode(tenant.settings).decode(),
        tenant.status.value, tx.now,
    )  # fmt: skip


async def activate(tx: Tx, tenant_id: UUID) -> bool:
    """Make a PROVISIONING tenant ACTIVE; False when it is not PROVISIONING any more."""
    return bool(await tx.db.execute(ACTIVATE, tenant_id, tx.now) == "UPDATE 1")


async def add_first_admin(tx: Tx, admin: FirstAdmin) -> None:
    await tx.db.execute(
        ADD_FIRST_ADMIN, admin.tenant_id, admin.email, admin.password_hash, admin.first_name, admin.last_name, tx.now
    )


async def first_admin(tx: Tx, tenant_id: UUID) -> FirstAdmin | None:
    row = await tx.db.fetchrow(FIRST_ADMIN, tenant_id)
    return None if row is None else FirstAdmin(**dict(row))


async def forget_first_admin(tx: Tx, tenant_id: UUID) -> None:
    await tx.db.execute(FORGET_FIRST_ADMIN, tenant_id)


def _record(row: Any) -> Record | None:
    if row is None:
        return None
    tenant = Tenant(
        id=row["id"], slug=row["slug"], name=row["name"], schema=row["schema_name"], role=row["role_name"],
        status=Status(row["status"]), plan=row["plan"], spread=row["spread"],
        settings=msgspec.json.decode(row["settings"], type=TenantSettings),
    )  # fmt: skip
    return Record(tenant=tenant, created_at=row["created_at"])
