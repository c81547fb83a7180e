"""A move from one bus to the other: nothing is relayed meanwhile, everything is read before, and it can be given up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

import pytest

from boxoffice.crossing import carrier
from boxoffice.crossing.carrier import carrier_of
from boxoffice.crossing.moving import move, move_at_rest
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from tests.support.messaging import fresh_topic, publish, read, relay_all, values
from tests.support.waiting import eventually

Builders = Mapping[str, Callable[[], Bus]]


@pytest.fixture
async def builders(database: Database) -> AsyncIterator[Builders]:
    """The log in PostgreSQL, and in Kafka's place another look at it; the log carries again when the test is over."""
    async with database.system() as db:
        await db.execute("DELETE FROM platform.outbox")
    yield {"pglog": lambda: PgLog(database, lease_seconds=0.6), "kafka": lambda: PgLog(database, lease_seconds=0.6)}
    async with database.system() as db:
        await db.execute("UPDATE bus.carrier SET current = 'pglog', next = NULL")


@pytest.fixture
def topic() -> str:
    return fresh_topic()


def quiet(_: str) -> None:
    pass


async def test_while_messages_are_to_move_none_is_relayed_and_given_up_all_are(
    builders: Builders, database: Database, tenant: Tenant, topic: str
) -> None:
    bus = builders["pglog"]()
    await publish(database, tenant, topic, ["one", "two"])

    begun = await carrier.begin(database, "kafka")
    while_moving = await bus.relay(100)
    await carrier.give_up(database, begun)
    await relay_all(bus)  # type: ignore[arg-type]
    member = await bus.join("readers", [topic])

    assert while_moving == 0
    assert values(await read(member, 2)) == ["one", "two"]
    await member.close()


async def test_a_move_waits_until_every_group_has_read_what_is_left(
    builders: Builders, database: Database, tenant: Tenant, topic: str
) -> None:
    bus, group, said = builders["pglog"](), f"readers-{topic}", list[str]()
    member = await bus.join(group, [topic])
    await publish(database, tenant, topic, ["one", "two", "three"])
    await relay_all(bus)  # type: ignore[arg-type]

    moving = asyncio.create_task(move(database, builders, {group: [topic]}, "kafka", said.append))
    await eventually(lambda: said)
    before = await carrier_of(database)
    await bus_reads(bus, member, 3)
    await moving

    assert said[0] == f"To be read before kafka carries: {group} 3"
    assert (before.current, before.next) == ("pglog", "kafka")
    assert (await carrier_of(database)).current == "kafka"
    assert said[-1] == "Messages travel by kafka now."
    await member.close()


async def test_a_cancelled_move_is_given_up_and_everything_goes_on_where_it_was(
    builders: Builders, database: Database, tenant: Tenant, topic: str
) -> None:
    bus, group, said = builders["pglog"](), f"readers-{topic}", list[str]()
    await publish(database, tenant, topic, ["one"])
    await relay_all(bus)  # type: ignore[arg-type]

    moving = asyncio.create_task(move(database, builders, {group: [topic]}, "kafka", said.append))
    await eventually(lambda: said)
    moving.cancel()
    with suppress(asyncio.CancelledError):
        await moving

    found = await carrier_of(database)
    assert (found.current, found.next) == ("pglog", None)
    assert said[-1] == "Given up: messages travel by pglog as before."


async def test_a_move_whose_mover_has_died_is_taken_up_by_the_next_one(builders: Builders, database: Database) -> None:
    dead = await carrier.begin(database, "kafka")

    await move(database, builders, {}, "kafka", quiet)

    found = await carrier_of(database)
    assert (found.current, found.next, found.moves) == ("kafka", None, dead.moves)


async def test_a_mover_whose_move_was_given_up_does_not_finish_the_next_one(
    builders: Builders, database: Database
) -> None:
    first = await carrier.begin(database, "kafka")
    await carrier.give_up(database, first)
    second = await carrier.begin(database, "kafka")

    await carrier.finish(database, first)

    assert await carrier_of(database) == second


async def test_at_rest_messages_move_at_once_and_with_something_left_to_read_they_stay(
    builders: Builders, database: Database, tenant: Tenant, topic: str
) -> None:
    bus, groups = builders["pglog"](), {f"readers-{topic}": [topic]}
    await publish(database, tenant, topic, ["one"])
    await relay_all(bus)  # type: ignore[arg-type]

    refused = await move_at_rest(database, builders, groups, "kafka")
    stayed = await carrier_of(database)
    moved = await move_at_rest(database, builders, {}, "kafka")

    assert (refused, moved) == (False, True)
    assert (stayed.current, stayed.next) == ("pglog", None)
    assert (await carrier_of(database)).current == "kafka"


async def bus_reads(bus: Bus, member: object, count: int) -> None:
    portions = await read(member, count)  # type: ignore[arg-type]
    await member.commit(portions)  # type: ignore[attr-defined]
