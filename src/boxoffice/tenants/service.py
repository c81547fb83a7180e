"""Tenants' doors: the operator's, and the due work that makes a tenant's schema."""

from redis.asyncio import Redis

from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service
from boxoffice.tenants.actions import PROVISION
from boxoffice.tenants.api import Api, NewTenant, Suspension, TenantChange, TenantPage, TenantQuery, TenantView
from boxoffice.tenants.onboarding import Onboarding

NAME = "tenants"


def build(
    *,
    database: Database,
    peers: Peers,
    valkey: Redis | None,
    keyring: Keyring,
    roles: Roles,
    least_hold_seconds: float = 5.0,
    migrator_url: str | None = None,
    settle_seconds: float = 1.0,
) -> Service:
    """The service tenants. Only the worker is given `migrator_url`, and only there tenants are provisioned.

    `settle_seconds`: how long an onboarding's request waits for its tenant to become ACTIVE.
    """
    onboarding = Onboarding(
        database, peers, roles, valkey=valkey, migrator_url=migrator_url, settle_seconds=settle_seconds
    )
    api = Api(onboarding, fingerprint=keyring.secret("fingerprint"), least_hold_seconds=least_hold_seconds)
    senders = {PROVISION: onboarding.provision} if migrator_url is not None else {}
    return Service(name=NAME, routes=routes(api), senders=senders)


def routes(api: Api) -> tuple[Route, ...]:
    return (
        Route("POST", "/api/tenants", api.create, Who.OPERATOR, "Onboard a tenant",
              {201: TenantView}, body=NewTenant, host=Host.PLATFORM, key_required=True,
              refusals=("409 slug_taken", "409 in_flight", "422 key_reused", "503 overloaded")),
        Route("GET", "/api/tenants", api.list, Who.OPERATOR, "All tenants, newest first",
              {200: TenantPage}, query=TenantQuery, host=Host.PLATFORM),
        Route("GET", "/api/tenants/{tenant_id}", api.show, Who.OPERATOR, "One tenant",
              {200: TenantView}, host=Host.PLATFORM, refusals=("404 tenant_not_found",)),
        Route("PATCH", "/api/tenants/{tenant_id}", api.change, Who.OPERATOR, "Change a tenant, all of it or nothing",
              {200: TenantView}, body=TenantChange, host=Host.PLATFORM, refusals=("404 tenant_not_found",)),
        Route("POST", "/api/tenants/{tenant_id}/suspension", api.suspend, Who.OPERATOR, "Suspend a tenant",
              {200: TenantView}, body=Suspension, host=Host.PLATFORM,
              refusals=("404 tenant_not_found", "409 tenant_provisioning", "409 in_flight", "422 key_reused")),
        Route("DELETE", "/api/tenants/{tenant_id}/suspension", api.resume, Who.OPERATOR, "End a suspension",
              {204: None}, host=Host.PLATFORM, refusals=("404 tenant_not_found",)),
    )  # fmt: skip
