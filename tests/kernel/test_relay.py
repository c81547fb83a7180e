"""The relay and the log: dense offsets, nothing lost among several relays, late commits, days that are dropped."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from tests.support.messaging import fresh_topic, publish, read, relay_all, values

OFFSETS = """
    SELECT l.part, l.off, convert_from(l.value, 'UTF8') AS value FROM bus.log l JOIN bus.topic t ON t.id = l.topic
     WHERE t.name = $1 ORDER BY l.part, l.off
"""


async def test_several_relays_and_writers_at_once_lose_nothing_and_leave_no_gap(
    database: Database, tenant: Tenant
) -> None:
    topic, writers, each = fresh_topic(), 8, 40
    relays = [PgLog(database) for _ in range(3)]
    await relays[0].declare([topic])
    written = asyncio.Event()

    async def write(writer: int) -> None:
        for n in range(each):
            await publish(database, tenant, topic, [f"{writer}:{n}"], key=f"writer-{writer}")

    async def relay(bus: PgLog) -> None:
        while not written.is_set() or await bus.relay(7):
            await bus.relay(7)

    relaying = [asyncio.create_task(relay(bus)) for bus in relays]
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    written.set()
    await asyncio.gather(*relaying)
    async with database.system() as db:
        rows = await db.fetch(OFFSETS, topic)

    by_part: dict[int, list[int]] = {}
    by_writer: dict[str, list[int]] = {}
    for row in rows:
        by_part.setdefault(row["part"], []).append(row["off"])
        writer, n = row["value"].split(":")
        by_writer.setdefault(writer, []).append(int(n))
    assert all(offsets == list(range(len(offsets))) for offsets in by_part.values())
    assert by_writer == {str(writer): list(range(each)) for writer in range(writers)}


async def test_a_message_whose_transaction_committed_late_is_moved_too(
    database: Database, new_tenant_topic: str, tenant: Tenant
) -> None:
    bus, topic = PgLog(database), new_tenant_topic
    await bus.declare([topic])
    async with database.transaction(tenant) as late:
        await late.db.execute(
            """INSERT INTO platform.outbox (tenant_id, message_id, topic, key, hash, type, headers, value)
               VALUES ($1, $2, $3, 'late', 1, 'Noted', '{}', 'late')""",
            tenant.id, uuid4(), topic,
        )  # fmt: skip
        await publish(database, tenant, topic, ["early"], key="other")
        await relay_all(bus)
    await relay_all(bus)
    async with database.system() as db:
        rows = await db.fetch(OFFSETS, topic)

    assert {row["value"] for row in rows} == {"early", "late"}


@pytest.fixture
def new_tenant_topic() -> str:
    return fresh_topic()


async def test_an_old_day_is_dropped_once_every_group_has_read_it(
    servers: EmbeddedServers, database: Database, tenant: Tenant
) -> None:
    bus, topic, group = PgLog(database, retention_days=30), fresh_topic(), fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, ["old"])
    await relay_all(bus)
    day = await _move_log_to_a_day_long_past(servers, topic)
    member = await bus.join(group, [topic])

    await bus.housekeep()
    kept = await _day_exists(database, day)
    await member.commit(await read(member, 1))
    await bus.housekeep()
    dropped = not await _day_exists(database, day)
    await publish(database, tenant, topic, ["new"])
    await relay_all(bus)
    newcomer = await bus.join(fresh_topic(), [topic])

    assert (kept, dropped) == (True, True)
    assert values(await read(member, 1)) == values(await read(newcomer, 1)) == ["new"]
    assert sum((await bus.lag(group, [topic])).values()) == 1
    await member.close()
    await newcomer.close()


async def _move_log_to_a_day_long_past(servers: EmbeddedServers, topic: str) -> int:
    superuser = await asyncpg.connect(servers.postgres.url("suite"))
    try:
        day: int = await superuser.fetchval("SELECT bus.today() - 60")
        await superuser.execute(f"CREATE TABLE bus.log_{day} (LIKE bus.log INCLUDING ALL)")
        await superuser.execute(f'ALTER TABLE bus.log_{day} OWNER TO "suite__migrator"')
        await superuser.execute(
            f"ALTER TABLE bus.log ATTACH PARTITION bus.log_{day} FOR VALUES FROM ({day}) TO ({day + 1})"
        )
        await superuser.execute(
            "UPDATE bus.log SET seg = $2 WHERE topic = (SELECT id FROM bus.topic WHERE name = $1)", topic, day
        )
        return day
    finally:
        await superuser.close()


async def _day_exists(database: Database, day: int) -> bool:
    async with database.system() as db:
        return bool(await db.fetchval("SELECT to_regclass('bus.log_' || $1::integer) IS NOT NULL", day))


async def test_a_lease_is_one_owners_until_it_lapses_and_its_epoch_tells_owners_apart(database: Database) -> None:
    from boxoffice.kernel import leases

    name, one, other = fresh_topic(), uuid7(), uuid7()
    async with database.system() as db:
        taken = [
            await leases.take(db, name, one, timedelta(seconds=60)),
            await leases.take(db, name, other, timedelta(seconds=60)),
            await leases.take(db, name, one, timedelta(seconds=60)),
        ]
        await leases.give_up(db, name, one)
        handed_over = await leases.take(db, name, other, timedelta(seconds=60))

    assert taken == [1, None, 1]
    assert handed_over == 2
