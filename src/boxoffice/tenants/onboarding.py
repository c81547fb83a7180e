"""Onboarding from end to end: the steps of a new tenant that happen outside a transaction, each safe to repeat."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from boxoffice.doors.peers import Peers
from boxoffice.kernel import timers
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Invalid
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.tenancy import Status, Tenant, directory_changed
from boxoffice.kernel.timers import Due
from boxoffice.kernel.valkey import FAULTS
from boxoffice.messages import TenantCreated
from boxoffice.tenants import actions, domain, store
from boxoffice.tenants.actions import Admin
from boxoffice.tenants.domain import Plan

LOCK_SECONDS = 5.0
LOCK_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.03


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Who will be the tenant's first admin, as they say it."""

    email: str
    password: str
    first_name: str
    last_name: str


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """What auth answers about an applicant."""

    email: str
    password_hash: str


class Onboarding:
    """Makes tenants. Only the worker and the command line have the migrator's login, and so provision."""

    def __init__(
        self,
        database: Database,
        peers: Peers,
        roles: Roles,
        *,
        valkey: Redis | None = None,
        migrator_url: str | None = None,
        settle_seconds: float = 1.0,
    ) -> None:
        self.database = database
        self.roles = roles
        self._peers = peers
        self._valkey = valkey
        self._migrator_url = migrator_url
        self._settle_seconds = settle_seconds

    async def admit(self, applicant: Applicant) -> Admin:
        """The applicant, checked and hashed by auth. Raises Invalid `invalid_body`, Unavailable `overloaded`."""
        try:
            answer = await self._peers.call("auth", "POST", "/internal/password-hashes", tenant=None, body=applicant)
        except Invalid as refusal:
            refusal.members["errors"] = [
                {**error, "path": f"admin.{error['path']}"} for error in refusal.members["errors"]
            ]
            raise
        hashed = answer.decode(Hashed)
        return Admin(
            email=hashed.email, password_hash=hashed.password_hash,
            first_name=applicant.first_name, last_name=applicant.last_name,
        )  # fmt: skip

    async def create(self, slug: str, name: str, plan: Plan, applicant: Applicant) -> Tenant:
        """Make a tenant from the command line, ACTIVE at the end. Raises Invalid or Conflict `slug_taken`."""
        name = domain.normal_name(name)
        domain.refuse(domain.check_slug(slug) + domain.check_name(name))
        admin = await self.admit(applicant)
        async with self.database.platform() as tx:
            tenant = await actions.onboard(tx, self.roles, slug, name, plan, admin)
        await self.provision(self.database, tenant, ())
        return msgspec.structs.replace(tenant, status=Status.ACTIVE)

    async def provision(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        """Schema and role, first admin, ACTIVE: whatever of it is still to be done (a sender of the worker)."""
        if self._migrator_url is None:
            raise RuntimeError("this process must not provision: it has no migrator's login")
        async with database.platform() as tx:
            admin = await store.first_admin(tx, tenant.id)
        if admin is not None:
            from boxoffice.kernel import migrate  # brings Alembic along: only where it is needed

            await asyncio.to_thread(migrate.provision, self._migrator_url, tenant.slug)
            await self._peers.call("auth", "POST", "/internal/admins", tenant=None, body=admin)
        async with database.platform() as tx:
            if admin is not None and await store.activate(tx, tenant.id):
                await store.forget_first_admin(tx, tenant.id)
                await directory_changed(tx)
                created = TenantCreated(
                    tenant_id=tenant.id, slug=tenant.slug, name=tenant.name, admin_email=admin.email
                )
                tx.publish(created, tenant=tenant)
            await timers.done_all(tx, due)

    async def settled(self, tenant_id: UUID) -> store.Record | None:
        """The tenant as it is once it is ACTIVE, or after the time in which it usually is."""
        deadline = time.monotonic() + self._settle_seconds
        while True:
            async with self.database.platform() as tx:
                record = await store.by_id(tx, tenant_id)
            if record is None or record.tenant.status is not Status.PROVISIONING or time.monotonic() > deadline:
                return record
            await asyncio.sleep(POLL_SECONDS)

    @asynccontextmanager
    async def alone(self, slug: str) -> AsyncIterator[None]:
        """Let requests for one slug pass one after the other, so that the later ones need not hash a password in vain.

        It decides nothing: after two seconds, or without Valkey, they pass at once, and the directory decides.
        """
        if self._valkey is None:
            yield
            return
        lock = self._valkey.lock(
            f"onboarding:{slug}", timeout=LOCK_SECONDS, sleep=POLL_SECONDS, blocking_timeout=LOCK_WAIT_SECONDS
        )
        held = False
        with contextlib.suppress(*FAULTS):
            held = await lock.acquire()
        try:
            yield
        finally:
            if held:
                with contextlib.suppress(*FAULTS):
                    await lock.release()
