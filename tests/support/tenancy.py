"""Tenants for tests, made directly: schema, role and an ACTIVE row of the directory, without the tenants service."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import msgspec

from boxoffice.kernel import migrate
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles, schema_of
from boxoffice.kernel.tenancy import Status, Tenant, TenantSettings

ORDINARY = TenantSettings()
INSERT = """
    INSERT INTO platform.tenants (id, slug, name, schema_name, role_name, status, plan, spread, shard, settings,
                                  created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'main', $9::jsonb, now(), now())
"""
BUMP = "UPDATE platform.directory_version SET version = version + 1"


class NewTenant(Protocol):
    def __call__(
        self, slug: str | None = None, *, spread: int = 1, settings: TenantSettings = ORDINARY
    ) -> Awaitable[Tenant]: ...


def tenant_factory(database: Database, logins: migrate.Logins) -> NewTenant:
    async def make(slug: str | None = None, *, spread: int = 1, settings: TenantSettings = ORDINARY) -> Tenant:
        tenant_id = uuid7()
        slug = slug or f"t{tenant_id.hex[-12:]}"
        await asyncio.to_thread(migrate.provision, logins.migrator, slug)
        tenant = Tenant(
            id=tenant_id, slug=slug, name=slug.title(), schema=schema_of(slug),
            role=Roles(migrate.database_of(logins.migrator)).tenant(slug),
            status=Status.ACTIVE, plan="standard", spread=spread, settings=settings,
        )  # fmt: skip
        async with database.platform() as tx:
            await tx.db.execute(
                INSERT, tenant.id, tenant.slug, tenant.name, tenant.schema, tenant.role, tenant.status.value,
                tenant.plan, tenant.spread, msgspec.json.encode(settings).decode(),
            )  # fmt: skip
            await tx.db.execute(BUMP)
        return tenant

    return make
