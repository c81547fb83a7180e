"""The port to whoever moves the money. Calls carry idempotency keys, take batches and run outside transactions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from boxoffice.kernel.tenant import Tenant
from boxoffice.payments.domain import RefundResult, Result


@dataclass(frozen=True, slots=True)
class Charge:
    """Money to take. `key` makes a repeat the same charge; `reference` is what the provider called it, once it did."""

    key: str
    tenant_id: UUID
    amount_minor: int
    currency: str
    method: str
    description: str
    return_url: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Repayment:
    """Money to return from a charge. `key` makes a repeat the same refund, until the provider has refused it."""

    key: str
    charge_key: str
    charge_reference: str | None
    amount_minor: int
    currency: str
    refused: int = 0


class Provider(Protocol):
    """What every adapter does. A key that is missing in an answer got none: the caller asks again, never assumes.

    A call that raises says nothing about any of its keys either.
    """

    @property
    def name(self) -> str: ...

    @property
    def methods(self) -> Sequence[str]: ...

    async def charge(self, charges: Sequence[Charge]) -> Mapping[str, Result]: ...

    async def cancel(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        """Stop these charges where that is still possible. A key never seen is refused from now on: CANCELLED."""
        ...

    async def lookup(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        """What became of these. NOT_FOUND: nothing yet; sending it (again) under the same key is safe."""
        ...

    async def refund(self, repayments: Sequence[Repayment]) -> Mapping[str, RefundResult]: ...

    def read_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> Sequence[str]:
        """The keys of the charges that something happened to. Raises Malformed `bad_signature`."""
        ...


Providers = Mapping[str, Callable[[Tenant], Provider]]  # by name; each tenant's has credentials of its own
