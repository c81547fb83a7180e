"""What a door is: a row of a service's route table, and the Call and the Answer its endpoint speaks in."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from boxoffice.kernel.caller import Caller
from boxoffice.kernel.tenant import Tenant

SMALL_BODY = 256 * 1024
PLAN_BODY = 16 * 1024 * 1024


class Who(Enum):
    """Who may use a door. ADMIN may all that ORGANIZER may; ORGANIZER may scan; OPERATOR only on the platform host."""

    ANYONE = "anyone"
    BUYER = "buyer"  # a signed-in user of the tenant or a guest
    USER = "user"  # signed in, any role
    SCANNER = "scanner"
    ORGANIZER = "organizer"
    ADMIN = "admin"
    OPERATOR = "operator"
    PEER = "peer"  # another service, with its service token


class Host(Enum):
    """Which hosts a door answers on."""

    TENANT = "tenant"
    PLATFORM = "platform"
    BOTH = "both"


@dataclass(slots=True)
class Call:
    """One request as an endpoint sees it: already resolved, authenticated, parsed and validated."""

    tenant: Tenant  # on the platform host: None, and such endpoints never ask
    caller: Caller
    path: Mapping[str, Any]  # path parameters; `*_id` are UUIDs (anything else there is a 404)
    query: Any  # the route's query struct, or None
    body: Any  # the route's body struct, or None
    raw: bytes  # the body as it came
    headers: Mapping[str, str]  # lower-case names
    idempotency_key: str | None
    request_id: str
    route: str = ""  # method and path template: the last part of an idempotency key's scope
    wait: int = 0  # for how many seconds the answer may wait for news, as `Prefer: wait` asked (RFC 7240)


@dataclass(slots=True)
class Answer:
    """What goes back: a value encoded as JSON, or bytes or a stream with their own content type."""

    status: int = 200
    value: Any = None
    content: bytes | None = None
    stream: AsyncIterable[bytes] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cookies: Sequence[str] = ()  # Set-Cookie values: the one header that comes several times
    waited: float = 0.0  # for how many seconds it waited for news, as it was asked to


Endpoint = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """One door. Whatever it may answer is listed here: the OpenAPI document is made from these tables."""

    method: str
    path: str
    endpoint: Endpoint
    who: Who
    summary: str
    answers: Mapping[int, type | Any | None]  # status → type of the value (None: no body)
    body: type[msgspec.Struct] | Any | None = None
    query: type[msgspec.Struct] | None = None
    host: Host = Host.TENANT
    refusals: Sequence[str] = ()  # "409 seat_unavailable"; the general ones (400, 401, 403, …) are added
    body_limit: int = SMALL_BODY
    also_suspended: bool = False  # answers on a suspended tenant's host too
    key_required: bool = False  # Idempotency-Key must be sent
    raw_body: bool = False  # the endpoint reads `raw` itself (webhooks, pages' forms)
    may_wait: bool = False  # heeds `Prefer: wait`; ends when its client has gone
    produces: Sequence[str] = ("application/json",)


def etag_matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this entity tag (RFC 9110, section 13.1.2; weak comparison)."""
    if header is None:
        return False
    given = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in given or etag.removeprefix("W/") in given


def path_id(call: Call, name: str) -> UUID:
    """The UUID in the path called `name`."""
    value: UUID = call.path[name]
    return value


def user_id(call: Call) -> UUID:
    """The id of a caller who is a user; the route has made sure of that."""
    if call.caller.id is None:
        raise LookupError(f"{call.caller.key} is no user")
    return call.caller.id
