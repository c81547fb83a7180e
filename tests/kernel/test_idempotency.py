"""Idempotency keys on real transactions: one effect however often and however concurrently a request comes."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from boxoffice.kernel.caller import Caller, Kind
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.kernel.idempotency import Done, InFlight, New, Replay, Reused, Wanted, claim, once, record, sweep, wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call
from boxoffice.kernel.tenancy import Tenant
from tests.support.tenancy import NewTenant

SECRET = b"s" * 32
BUYER = uuid7()


def call(tenant: Tenant | None, key: str | None = "k", *, user: UUID = BUYER, **changes: Any) -> Call:
    given: dict[str, Any] = {
        "tenant": tenant, "caller": Caller(kind=Kind.USER, id=user), "path": {}, "query": None, "body": {"a": 1},
        "raw": b"", "headers": {}, "idempotency_key": key, "request_id": "r", "route": "POST /api/bookings",
    }  # fmt: skip
    return Call(**(given | changes))


def asked(tenant: Tenant, key: str = "k", **changes: Any) -> Wanted:
    request = wanted(call(tenant, key, **changes), SECRET)
    assert request is not None
    return request


@dataclass
class Desk:
    """An endpoint that counts its work, which can be made to wait or to fail."""

    database: Database
    made: list[UUID] = field(default_factory=list)
    gate: asyncio.Event | None = None
    fails: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Call) -> Answer:
        return await once(self.database, request, SECRET, self.work, self.render)

    async def work(self, tx: Tx) -> tuple[int, UUID]:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise Conflict("seat_unavailable", "Gone.")
        self.made.append(uuid7())
        return 202, self.made[-1]

    async def render(self, tx: Tx, resource: str) -> Any:
        return {"id": resource, "known": len(self.made)}


@pytest.fixture
def desk(web_database: Database) -> Desk:
    return Desk(web_database)


async def test_a_repetition_gets_the_first_outcome_as_now_known(desk: Desk, tenant: Tenant) -> None:
    first = await desk.answer(call(tenant))
    await desk.answer(call(tenant, "another"))

    again = await desk.answer(call(tenant))

    assert len(desk.made) == 2
    assert (again.status, again.value) == (202, {"id": str(desk.made[0]), "known": 2})
    assert (first.headers, again.headers) == ({}, {"Idempotency-Replayed": "true"})


async def test_without_a_key_each_request_counts(desk: Desk, tenant: Tenant) -> None:
    await desk.answer(call(tenant, None))
    await desk.answer(call(tenant, None))

    assert len(desk.made) == 2


async def test_a_key_belongs_to_its_tenant_caller_and_route(desk: Desk, tenant: Tenant, new_tenant: NewTenant) -> None:
    other = await new_tenant()

    for request in (
        call(tenant), call(other), call(tenant, user=uuid7()), call(tenant, route="POST /api/refunds"),
        call(tenant, caller=Caller(kind=Kind.GUEST, id=BUYER)),
    ):  # fmt: skip
        await desk.answer(request)

    assert len(desk.made) == 5


async def test_a_key_serves_the_platform_host_too(desk: Desk) -> None:
    key = str(uuid7())

    await desk.answer(call(None, key))
    again = await desk.answer(call(None, key))

    assert len(desk.made) == 1
    assert "Idempotency-Replayed" in again.headers


@pytest.mark.parametrize("change", [{"body": {"a": 2}}, {"path": {"event_id": uuid7()}}, {"body": None, "raw": b"x"}])
async def test_a_key_cannot_be_used_for_something_else(desk: Desk, tenant: Tenant, change: dict[str, Any]) -> None:
    await desk.answer(call(tenant))

    with pytest.raises(Invalid) as refusal:
        await desk.answer(call(tenant, **change))

    assert (refusal.value.code, len(desk.made)) == ("key_reused", 1)


async def test_while_the_first_runs_its_repetition_is_refused_at_once(desk: Desk, tenant: Tenant) -> None:
    desk.gate = asyncio.Event()
    first = asyncio.create_task(desk.answer(call(tenant)))
    await desk.reached.wait()

    with pytest.raises(Conflict) as refusal:
        await asyncio.wait_for(desk.answer(call(tenant)), 5)
    desk.gate.set()
    await first

    assert (refusal.value.code, refusal.value.headers["Retry-After"]) == ("in_flight", "1")
    assert (await desk.answer(call(tenant))).value["id"] == str(desk.made[0])


async def test_twenty_at_once_have_one_effect(desk: Desk, tenant: Tenant) -> None:
    outcomes = await asyncio.gather(*(desk.answer(call(tenant)) for _ in range(20)), return_exceptions=True)

    answers = [each for each in outcomes if isinstance(each, Answer)]
    assert len(desk.made) == 1
    assert {answer.value["id"] for answer in answers} == {str(desk.made[0])}
    assert all(isinstance(each, Conflict) for each in outcomes if not isinstance(each, Answer))


async def test_a_refused_request_leaves_its_key_free(desk: Desk, tenant: Tenant) -> None:
    desk.fails = True
    with pytest.raises(Conflict):
        await desk.answer(call(tenant))
    desk.fails = False

    answer = await desk.answer(call(tenant))

    assert (answer.headers, len(desk.made)) == ({}, 1)


async def test_a_batch_is_decided_request_by_request(web_database: Database, tenant: Tenant) -> None:
    async with web_database.transaction(tenant) as tx:
        await claim(tx, [asked(tenant, "done")])
        await record(tx, [Done(asked(tenant, "done"), 202, "b-1")])
    async with web_database.transaction(tenant) as running:
        await claim(running, [asked(tenant, "running")])

        async with web_database.transaction(tenant) as tx:
            outcomes = await claim(tx, [
                asked(tenant, "new"), asked(tenant, "done"), asked(tenant, "running"), asked(tenant, "new"),
                asked(tenant, "done", body={"a": 2}), asked(tenant, "new", user=uuid7()),
            ])  # fmt: skip

    assert outcomes == [New(), Replay(202, "b-1"), InFlight(), InFlight(), Reused(), New()]


async def test_a_batch_without_keys_asks_nothing(web_database: Database, tenant: Tenant) -> None:
    async with web_database.transaction(tenant) as tx:
        assert await claim(tx, []) == []
        await record(tx, [])


async def test_recording_a_key_that_is_taken_is_a_fault(web_database: Database, tenant: Tenant) -> None:
    async with web_database.transaction(tenant) as tx:
        await record(tx, [Done(asked(tenant), 202, "b-1")])

    with pytest.raises(RuntimeError, match="without having been claimed"):
        async with web_database.transaction(tenant) as tx:
            await record(tx, [Done(asked(tenant), 202, "b-2")])


async def expire(database: Database, tenant: Tenant) -> None:
    async with database.transaction(tenant) as tx:
        await tx.db.execute("UPDATE platform.idempotency SET expires_at = now() - interval '1 second'")


async def test_an_expired_key_is_new_again(desk: Desk, web_database: Database, tenant: Tenant) -> None:
    await desk.answer(call(tenant))
    await expire(web_database, tenant)

    again = await desk.answer(call(tenant))
    replayed = await desk.answer(call(tenant))

    assert (again.headers, len(desk.made)) == ({}, 2)
    assert replayed.value["id"] == str(desk.made[1])


async def test_expired_keys_are_swept_and_live_ones_stay(
    desk: Desk, database: Database, web_database: Database, tenant: Tenant, new_tenant: NewTenant
) -> None:
    other = await new_tenant()
    for host in (tenant, other):
        await desk.answer(call(host))
    await expire(web_database, tenant)

    async with database.system() as db:
        swept = await sweep(db)

    assert swept >= 1
    for host, rows in ((tenant, 0), (other, 1)):
        async with web_database.transaction(host) as tx:
            assert await tx.db.fetchval("SELECT count(*) FROM platform.idempotency") == rows


async def test_what_is_kept_tells_nothing_of_the_body(desk: Desk, web_database: Database, tenant: Tenant) -> None:
    await desk.answer(call(tenant, body={"email": "ada@example.org"}))

    async with web_database.transaction(tenant) as tx:
        row = await tx.db.fetchrow("SELECT scope, key, fingerprint, resource FROM platform.idempotency")
    assert len(row["fingerprint"]) == 32
    assert row["scope"] == f"user:{BUYER} POST /api/bookings"
    assert row["fingerprint"] != hashlib.sha256(b'[{},{"email":"ada@example.org"}]').digest()
