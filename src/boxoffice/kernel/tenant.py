"""Tenants as plain values: what every process knows of who sells here. Pure; `tenancy` reads and keeps them."""

import re
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Forbidden, NotFound, Unavailable

PaymentProvider = Literal["simulated", "stripe"]
SLUG = re.compile(r"^[a-z][a-z0-9-]{1,30}[a-z0-9]$")


class Status(StrEnum):
    PROVISIONING = "PROVISIONING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when a buyer may cancel for a refund (hours before the start), and what share of the price is kept."""

    free_until_hours: int = 24
    fee_percent: int = 0


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set for a tenant. `rate_limits` lifts or raises a route class: requests per minute."""

    hold_seconds: int = 600
    max_seats_per_booking: int = 10
    cancellation: Cancellation = Cancellation()
    rate_limits: dict[str, int] = {}
    payment_provider: PaymentProvider = "simulated"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """An organizer's organisation: one subdomain, one schema, one database role."""

    id: UUID
    slug: str
    name: str
    schema: str
    role: str
    status: Status
    plan: str
    spread: int
    settings: TenantSettings

    def require_serving(self, *, also_suspended: bool = False) -> None:
        """Refuse what this tenant's status forbids (architecture §4): 404, 503 or 403."""
        match self.status:
            case Status.DELETED:
                raise unknown_tenant()
            case Status.PROVISIONING:
                raise Unavailable("tenant_provisioning", "This organizer is being set up; try again in a moment.")
            case Status.SUSPENDED if not also_suspended:
                raise Forbidden("tenant_suspended", "This organizer's sales are suspended.")


def unknown_tenant() -> NotFound:
    return NotFound("tenant_not_found", "No organizer sells at this address.")
