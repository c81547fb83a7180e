"""Timers: due work is done once, in its lane, tried again when it fails, and dropped when it was re-armed meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from boxoffice.kernel import timers
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.timers import Due, Timer
from tests.support.messaging import working
from tests.support.waiting import eventually

QUICK = Policy(base_seconds=0.05, longest_seconds=0.1)


def fresh_kind() -> str:
    return f"test.{uuid4().hex[:12]}"


async def arm(database: Database, tenant: Tenant, kind: str, *ids: UUID, after: float = 0.0) -> datetime:
    async with database.transaction(tenant) as tx:
        at = tx.now + timedelta(seconds=after)
        for id in ids:
            tx.later(Timer(id=id, kind=kind, at=at))
    return at


async def armed(database: Database, tenant: Tenant, kind: str) -> int:
    async with database.transaction(tenant) as tx:
        return int(await tx.db.fetchval("SELECT count(*) FROM platform.timers WHERE kind = $1", kind))


async def test_a_timer_fires_when_it_is_due_and_then_is_gone(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, id, fired = fresh_kind(), uuid4(), list[tuple[UUID, datetime]]()

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        fired.extend((due.id, tx.now) for due in dues)

    async with working(database, directory, Service("clock", timers={kind: handle})):
        at = await arm(database, tenant, kind, id, after=0.4)
        await eventually(lambda: fired)

    assert [due for due, _ in fired] == [id]
    assert fired[0][1] >= at
    assert await armed(database, tenant, kind) == 0


async def test_a_timer_due_at_once_does_not_wait_for_the_next_look(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, fired = fresh_kind(), asyncio.Event()

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        fired.set()

    async with working(database, directory, Service("clock", timers={kind: handle})):
        await arm(database, tenant, kind, uuid4())
        await asyncio.wait_for(fired.wait(), 5)


async def test_a_forgotten_timer_does_not_fire_and_the_last_arming_wins(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, forgotten, moved, last = fresh_kind(), uuid4(), uuid4(), uuid4()
    fired: list[UUID] = []

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        fired.extend(due.id for due in dues)

    await arm(database, tenant, kind, forgotten, moved)
    await arm(database, tenant, kind, moved, after=3600)
    async with database.transaction(tenant) as tx:
        tx.forget(forgotten, kind)
    async with working(database, directory, Service("clock", timers={kind: handle})):
        await arm(database, tenant, kind, last)
        await eventually(lambda: fired)

    assert fired == [last]
    assert await armed(database, tenant, kind) == 1


async def test_a_handler_may_arm_its_timer_anew(database: Database, directory: Directory, tenant: Tenant) -> None:
    kind, fired = fresh_kind(), list[int]()

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        for due in dues:
            fired.append(due.seq)
            if len(fired) < 3:
                tx.later(Timer(id=due.id, kind=kind, at=tx.now))

    async with working(database, directory, Service("clock", timers={kind: handle})):
        await arm(database, tenant, kind, uuid4())
        await eventually(lambda: len(fired) == 3)

    assert len(set(fired)) == 3
    assert await armed(database, tenant, kind) == 0


async def test_one_timer_that_fails_is_tried_again_and_does_not_hold_up_the_others_of_its_batch(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, bad, good = fresh_kind(), uuid4(), [uuid4() for _ in range(5)]
    done: list[UUID] = []
    attempts: list[int] = []

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        for due in dues:
            if due.id == bad:
                attempts.append(due.attempts)
                if due.attempts < 3:
                    raise RuntimeError("not now")
        ids = [due.id for due in dues]
        tx.after_commit(lambda: done.extend(ids))

    async with working(database, directory, Service("clock", timers={kind: handle}), policy=QUICK):
        await arm(database, tenant, kind, bad, *good)
        await eventually(lambda: len(done) == 6)

    assert done[-1] == bad
    assert sorted(done) == sorted([bad, *good])
    assert set(attempts) == {1, 2, 3}


async def test_work_for_a_timer_that_was_re_armed_meanwhile_is_rolled_back(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, id = fresh_kind(), uuid4()
    committed: list[int] = []
    seen: list[int] = []

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        seen.extend(due.seq for due in dues)
        if len(seen) == 1:  # somebody else's transaction re-arms it while ours is under way
            await arm(database, tenant, kind, id, after=0.1)
        seqs = [due.seq for due in dues]
        tx.after_commit(lambda: committed.extend(seqs))

    async with working(database, directory, Service("clock", timers={kind: handle})):
        await arm(database, tenant, kind, id)
        await eventually(lambda: committed)

    assert committed == seen[1:]
    assert len(seen) == 2


async def test_a_sender_records_its_work_unless_its_timer_was_re_armed(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, plain, moved = fresh_kind(), uuid4(), uuid4()
    recorded: list[tuple[UUID, bool]] = []

    async def send(database: Database, tenant: Tenant, dues: Sequence[Due]) -> None:
        for due in dues:
            if due.id == moved and not any(id == moved for id, _ in recorded):
                await arm(database, tenant, kind, moved, after=3600)
            async with database.transaction(tenant) as tx:
                recorded.append((due.id, await timers.done(tx, due)))

    async with working(database, directory, Service("sender", senders={kind: send})):
        await arm(database, tenant, kind, plain, moved)
        await eventually(lambda: len(recorded) == 2)

    assert dict(recorded) == {plain: True, moved: False}
    assert await armed(database, tenant, kind) == 1


async def test_a_sender_that_fails_is_tried_again(database: Database, directory: Directory, tenant: Tenant) -> None:
    kind, tries = fresh_kind(), list[int]()

    async def send(database: Database, tenant: Tenant, dues: Sequence[Due]) -> None:
        tries.append(dues[0].attempts)
        if len(tries) < 3:
            raise OSError("the mail server is away")
        async with database.transaction(tenant) as tx:
            await timers.done(tx, dues[0])

    async with working(database, directory, Service("sender", senders={kind: send}), policy=QUICK):
        await arm(database, tenant, kind, uuid4())
        await eventually(lambda: len(tries) == 3)

    assert tries == [1, 2, 3]


async def test_a_slow_sender_holds_up_neither_other_kinds_nor_other_tenants_work_nor_is_it_begun_twice(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    slow_kind, clock_kind = fresh_kind(), fresh_kind()
    begun: list[UUID] = []
    fired: list[UUID] = []
    release = asyncio.Event()

    async def send(database: Database, tenant: Tenant, dues: Sequence[Due]) -> None:
        begun.extend(due.id for due in dues)
        await release.wait()
        async with database.transaction(tenant) as tx:
            await timers.done_all(tx, dues)

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        fired.extend(due.id for due in dues)

    service = Service("mixed", timers={clock_kind: handle}, senders={slow_kind: send})
    async with working(database, directory, service, lease=0.5):
        await arm(database, tenant, slow_kind, uuid4())
        await eventually(lambda: begun)
        for round in range(6):  # three leases long
            await arm(database, tenant, clock_kind, uuid4(), after=0.25)
            await eventually(lambda count=round + 1: len(fired) == count)  # type: ignore[misc]
        release.set()
        await eventually(lambda: _none_armed(database, tenant, slow_kind))

    assert len(begun) == 1


async def _none_armed(database: Database, tenant: Tenant, kind: str) -> bool:
    return await armed(database, tenant, kind) == 0


async def test_a_timer_claimed_by_a_process_that_died_fires_when_its_claim_has_lapsed(
    database: Database, directory: Directory, tenant: Tenant
) -> None:
    kind, fired = fresh_kind(), list[int]()

    async def handle(tx: Tx, dues: Sequence[Due]) -> None:
        fired.extend(due.attempts for due in dues)

    await arm(database, tenant, kind, uuid4())
    async with database.system() as db:
        assert len(await timers.claim(db, kind, 10, timedelta(seconds=0.4))) == 1
        assert await timers.claim(db, kind, 10, timedelta(seconds=0.4)) == []
    async with working(database, directory, Service("clock", timers={kind: handle})):
        await eventually(lambda: fired)

    assert fired == [2]
