"""Who is calling, once a token has been believed."""

from enum import Enum
from uuid import UUID

import msgspec


class Kind(Enum):
    ANONYMOUS = "anonymous"
    USER = "user"
    GUEST = "guest"
    PEER = "peer"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The one behind a request. `id` is the user's or the guest's; a peer's `name` is its service's."""

    kind: Kind
    id: UUID | None = None
    role: str | None = None
    sid: UUID | None = None
    name: str | None = None
    token: str | None = None

    @property
    def key(self) -> str:
        """A stable name for limits, idempotency and ownership: `user:<id>`, `guest:<id>`, `peer:<name>`."""
        return f"{self.kind.value}:{self.id or self.name}" if self.kind is not Kind.ANONYMOUS else "anonymous"


ANONYMOUS = Caller(kind=Kind.ANONYMOUS)
