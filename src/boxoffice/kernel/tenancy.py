"""The tenant directory: every process's copy of who sells here, renewed twice a second from one version row."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog

from boxoffice.kernel.tenant import SLUG, Cancellation, Status, Tenant, TenantSettings, unknown_tenant

if TYPE_CHECKING:
    from boxoffice.kernel.database import Database, Tx

__all__ = [
    "SLUG", "Cancellation", "Directory", "Status", "Tenant", "TenantSettings", "directory_changed", "revoke_session",
    "unknown_tenant",
]  # fmt: skip

POLL_SECONDS = 0.5
MISS_SECONDS = 0.1
log = structlog.get_logger("tenancy")

DIRECTORY = """
    SELECT id, slug, name, schema_name, role_name, status, plan, spread, settings FROM platform.tenants
"""
CHANGES = """
    SELECT (SELECT version FROM platform.directory_version) AS version,
           (SELECT coalesce(array_agg(sid), '{}') FROM platform.revoked_sessions WHERE revoked_until > now()) AS revoked
"""

DIRECTORY_CHANGED = """
    UPDATE platform.directory_version SET version = version + 1
"""
REVOKE_SESSION = """
    INSERT INTO platform.revoked_sessions AS known (sid, tenant_id, revoked_until) VALUES ($1, $2, $3)
    ON CONFLICT (sid) DO UPDATE SET revoked_until = greatest(known.revoked_until, excluded.revoked_until)
"""


async def directory_changed(tx: "Tx") -> None:
    """Make every process read the directory again, once this platform transaction has committed."""
    await tx.db.execute(DIRECTORY_CHANGED)


async def revoke_session(tx: "Tx", sid: UUID, *, until: datetime) -> None:
    """Let no process accept a token of this session any more; `until` the last of them has expired by itself."""
    await tx.db.execute(REVOKE_SESSION, sid, tx.tenant.id if tx.tenant is not None else None, until)


class Directory:
    """All tenants by slug and by id, and the sessions revoked lately. A miss re-reads at most once per 100 ms."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._by_slug: dict[str, Tenant] = {}
        self._by_id: dict[UUID, Tenant] = {}
        self._version = -1
        self._revoked: frozenset[UUID] = frozenset()
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    def on_revocation(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the set of revoked sessions changed (a token cache clears itself by this)."""
        self._listeners.append(listener)

    def all(self) -> list[Tenant]:
        return list(self._by_id.values())

    def is_revoked(self, sid: UUID) -> bool:
        return sid in self._revoked

    async def by_slug(self, slug: str) -> Tenant:
        """The tenant of a subdomain. Raises NotFound `tenant_not_found`."""
        tenant = self._by_slug.get(slug)
        if (tenant is None and SLUG.match(slug)) or (tenant and tenant.status is Status.PROVISIONING):
            await self._read_again()
            tenant = self._by_slug.get(slug)
        if tenant is None or tenant.status is Status.DELETED:
            raise unknown_tenant()
        return tenant

    async def by_id(self, tenant_id: UUID) -> Tenant:
        """The tenant of an id. Ids come from our own rows, so a miss always reads again. Raises NotFound."""
        tenant = self._by_id.get(tenant_id)
        if tenant is None:
            async with self._reading:
                await self.refresh()
            tenant = self._by_id.get(tenant_id)
        if tenant is None:
            raise unknown_tenant()
        return tenant

    async def refresh(self) -> None:
        """Read the version and the revocations; read the tenants too if the version moved."""
        began = time.monotonic()
        async with self._database.system() as db:
            row = await db.fetchrow(CHANGES)
            if row["version"] != self._version:
                self._take(await db.fetch(DIRECTORY), row["version"])
        revoked = frozenset(row["revoked"])
        if revoked != self._revoked:
            self._revoked = revoked
            for listener in self._listeners:
                listener()
        self._read_at = began

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Refresh twice a second until `stop`; a database that is down for a while is only logged."""
        while not stop.is_set():
            try:
                await self.refresh()
            except Exception as fault:
                log.warning("directory_not_read", fault=repr(fault))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)

    async def _read_again(self) -> None:
        """Read what is newer than this call, together with all who ask in the same tenth of a second."""
        asked_at = time.monotonic()
        async with self._reading:
            if self._read_at < asked_at:
                await asyncio.sleep(max(0.0, self._read_at + MISS_SECONDS - asked_at))
                await self.refresh()

    def _take(self, rows: list[Any], version: int) -> None:
        tenants = [
            Tenant(
                id=row["id"], slug=row["slug"], name=row["name"], schema=row["schema_name"], role=row["role_name"],
                status=Status(row["status"]), plan=row["plan"], spread=row["spread"],
                settings=msgspec.json.decode(row["settings"], type=TenantSettings),
            )
            for row in rows
        ]  # fmt: skip
        self._by_slug = {tenant.slug: tenant for tenant in tenants}
        self._by_id = {tenant.id: tenant for tenant in tenants}
        self._version = version
