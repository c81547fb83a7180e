"""Idempotency keys: a repeated request gets the first one's outcome, decided in the transaction of the work itself.

A key lives for a day under its scope: tenant, caller and route. Only successes are kept, as a status and the resource
they made; the body is rendered anew from what is known now. Nobody waits for a stranger: while the first request
runs, its repetitions are refused at once.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.kernel.route import Answer, Call

if TYPE_CHECKING:
    from boxoffice.kernel.database import Database, Tx

NO_TENANT = UUID(int=0)  # requests on the platform host
SWEPT_AT_ONCE = 1_000
SECRET = "fingerprint"  # noqa: S105  (the name of a secret in a Keyring)

LOCK = """
    SELECT pg_try_advisory_xact_lock(lock) AS taken FROM unnest($1::int8[]) WITH ORDINALITY AS l (lock, place)
     ORDER BY place
"""
# LIMIT keeps the planner to one probe a key: where it believes the table to be small, it would compare all with all.
FIND = """
    SELECT i.scope, i.key, i.fingerprint, i.status, i.resource
      FROM unnest($2::text[], $3::text[]) AS wanted (scope, key)
     CROSS JOIN LATERAL (
        SELECT scope, key, fingerprint, status, resource FROM platform.idempotency
         WHERE (tenant_id, scope, key) = ($1, wanted.scope, wanted.key) AND expires_at > now() LIMIT 1) i
"""
RECORD = """
    INSERT INTO platform.idempotency AS i (tenant_id, scope, key, fingerprint, status, resource, created_at, expires_at)
    SELECT $1, scope, key, fingerprint, status, resource, now(), now() + interval '24 hours'
      FROM unnest($2::text[], $3::text[], $4::bytea[], $5::int2[], $6::text[])
           AS done (scope, key, fingerprint, status, resource)
     ORDER BY scope, key
    ON CONFLICT (tenant_id, scope, key) DO UPDATE
       SET fingerprint = excluded.fingerprint, status = excluded.status, resource = excluded.resource,
           created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE i.expires_at <= now()
    RETURNING i.key
"""
SWEEP = """
    DELETE FROM platform.idempotency WHERE (tenant_id, scope, key) IN (
        SELECT tenant_id, scope, key FROM platform.idempotency WHERE expires_at <= now() LIMIT $1
    )
"""


class Wanted(msgspec.Struct, frozen=True):
    """A request with a key: what it is the key of, and what it asks for."""

    scope: str
    key: str
    fingerprint: bytes


class New(msgspec.Struct, frozen=True):
    """The first request of its key: do the work, then `record` it."""


class Replay(msgspec.Struct, frozen=True):
    """A repetition: this was the outcome; `resource` is empty where there was none."""

    status: int
    resource: str


class InFlight(msgspec.Struct, frozen=True):
    """The first request still runs."""


class Reused(msgspec.Struct, frozen=True):
    """The key was used for something else."""


class Done(msgspec.Struct, frozen=True):
    """The outcome of a New request."""

    wanted: Wanted
    status: int
    resource: str


Outcome = New | Replay | InFlight | Reused


def wanted(call: Call, secret: bytes) -> Wanted | None:
    """What this call's key asks for; None for a call without a key."""
    if call.idempotency_key is None:
        return None
    asked = call.raw if call.body is None else call.body
    content = msgspec.json.encode((dict(call.path), asked), order="deterministic")
    fingerprint = hmac.digest(secret, content, "sha256")
    return Wanted(f"{call.caller.key} {call.route}", call.idempotency_key, fingerprint)


async def claim(tx: "Tx", requests: Sequence[Wanted]) -> list[Outcome]:
    """Decide for each request of one tenant what it is, and keep the New ones' keys until the transaction ends."""
    tenant_id = _tenant_id(tx)
    locks = await tx.db.fetch(LOCK, [_lock(tenant_id, request) for request in requests])
    rows = await tx.db.fetch(
        FIND, tenant_id, [request.scope for request in requests], [request.key for request in requests]
    )
    kept = {(row["scope"], row["key"]): row for row in rows}
    running: set[tuple[str, str]] = set()
    outcomes: list[Outcome] = []
    for request, lock in zip(requests, locks, strict=True):
        name = (request.scope, request.key)
        row = kept.get(name)
        if row is not None:
            same = hmac.compare_digest(row["fingerprint"], request.fingerprint)
            outcomes.append(Replay(row["status"], row["resource"]) if same else Reused())
        elif not lock["taken"] or name in running:
            outcomes.append(InFlight())
        else:
            running.add(name)
            outcomes.append(New())
    return outcomes


async def record(tx: "Tx", done: Sequence[Done]) -> None:
    """Keep the outcomes of New requests; only successes, in the transaction that claimed them."""
    if not done:
        return
    rows = await tx.db.fetch(
        RECORD, _tenant_id(tx),
        [each.wanted.scope for each in done], [each.wanted.key for each in done],
        [each.wanted.fingerprint for each in done], [each.status for each in done], [each.resource for each in done],
    )  # fmt: skip
    if len(rows) != len(done):
        raise RuntimeError("an idempotency key was recorded without having been claimed")


async def once(
    database: "Database",
    call: Call,
    secret: bytes,
    work: Callable[["Tx"], Awaitable[tuple[int, UUID | str | None]]],
    render: Callable[["Tx", str], Awaitable[Any]],
) -> Answer:
    """Do `work` in one transaction unless this call's key says it was done; answer what `render` shows of the resource.

    `work` answers the status and the resource's id. Raises Conflict `in_flight` or Invalid `key_reused`.
    """
    door: AbstractAsyncContextManager[Tx] = database.transaction(call.tenant) if call.tenant else database.platform()
    request = wanted(call, secret)
    async with door as tx:
        outcome: Outcome = New() if request is None else (await claim(tx, [request]))[0]
        headers: dict[str, str] = {}
        match outcome:
            case New():
                status, made = await work(tx)
                resource = "" if made is None else str(made)
                if request is not None:
                    await record(tx, [Done(request, status, resource)])
            case Replay():
                status, resource = outcome.status, outcome.resource
                headers = replayed()
            case _:
                raise refusal(outcome)
        value = await render(tx, resource)
    return Answer(status=status, value=value, headers=headers)


def replayed() -> dict[str, str]:
    """The header by which a repetition's answer says that it is one."""
    return {"Idempotency-Replayed": "true"}


def refusal(outcome: InFlight | Reused) -> Conflict | Invalid:
    """The answer to a request that cannot be served under its key."""
    if isinstance(outcome, InFlight):
        return Conflict("in_flight", "The first request with this key is still running.", {"Retry-After": "1"})
    return Invalid("key_reused", "This Idempotency-Key was used for another request.")


async def sweep(db: Any) -> int:
    """Delete keys that have expired, some at a time; answers whether there may be more by how many went."""
    done: str = await db.execute(SWEEP, SWEPT_AT_ONCE)
    return int(done.rpartition(" ")[2])


def _tenant_id(tx: "Tx") -> UUID:
    return tx.tenant.id if tx.tenant else NO_TENANT


def _lock(tenant_id: UUID, request: Wanted) -> int:
    """The advisory lock of a key: 64 bits of a hash, so that two keys never share one in practice."""
    name = f"idempotency\0{tenant_id}\0{request.scope}\0{request.key}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
