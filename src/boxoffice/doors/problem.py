"""Problems: how refusals and faults look on the wire (RFC 9457), and which faults only mean "not now"."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import redis.exceptions

from boxoffice.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

CONTENT_TYPE = "application/problem+json"
KINDS: dict[int, type[Refusal]] = {
    kind.status: kind
    for kind in (
        Malformed, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, Conflict,
        TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
}  # fmt: skip
# What a PostgreSQL that restarts, fails over or is overrun says; the next attempt may well succeed.
PASSING_FAULTS: tuple[type[BaseException], ...] = (
    OSError,  # refused and reset connections, time-outs
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
)
# How asyncpg's InterfaceError, else the sign of a mistake of ours, tells of a connection that died meanwhile.
LOST_CONNECTION = ("connection is closed", "pool is clos", "released back to the pool")
PASSED_ON: Sequence[str] = ("retry-after", "www-authenticate", "allow")
MEMBERS_OF_EVERY_PROBLEM = frozenset({"type", "title", "status", "detail", "code"})


def document(refusal: Refusal) -> dict[str, Any]:
    """The problem document of a refusal; its `type` is a relative reference, stable per code."""
    return {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        **refusal.members,
    }


def fault_document(request_id: str) -> dict[str, Any]:
    """What a caller learns of a fault: that there was one, and the id under which it is logged."""
    return {
        "type": "/problems/internal",
        "title": "Internal error",
        "status": 500,
        "detail": "Something went wrong on our side. It has been logged.",
        "code": "internal",
        "request_id": request_id,
    }


def passing(fault: BaseException) -> Unavailable | None:
    """The refusal that a fault amounts to when it will pass by itself; None for a fault that will not."""
    lost = isinstance(fault, asyncpg.InterfaceError) and any(word in str(fault) for word in LOST_CONNECTION)
    if lost or isinstance(fault, PASSING_FAULTS):
        return Unavailable("unavailable", "A part of the platform is restarting; try again in a moment.")
    return None


def refusal_of(status: int, content: bytes, headers: dict[str, str]) -> Refusal:
    """The refusal that a problem document tells of, so that a peer's "no" can be passed on as it came."""
    try:
        members = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = {}
    code, detail = str(members.get("code", "unavailable")), str(members.get("detail", "A peer refused."))
    rest = {name: value for name, value in members.items() if name not in MEMBERS_OF_EVERY_PROBLEM}
    if status == Invalid.status:
        return Invalid(code, detail, **rest)
    kind = KINDS.get(status)
    if kind is None or kind is Unavailable:
        if status < 500:
            return Malformed(code, detail, **rest)
        wait = headers.get("retry-after", "")
        return Unavailable("unavailable" if status != 503 else code, detail if status == 503 else "Try again soon.",
                           int(wait) if wait.isdecimal() else 1)  # fmt: skip
    passed_on: dict[str, str] = {name: headers[name] for name in PASSED_ON if name in headers}
    return kind(code, detail, passed_on, **rest)
