"""What every bus must do: order, groups, redelivery, fencing, rebalance, seek, lag, headers, large messages.

An adapter joins by an entry in ADAPTERS. Each bus a test opens stands for one process.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.bus.port import Bus, Fenced, Member
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from tests.support.messaging import fresh_topic, publish, read, values
from tests.support.waiting import eventually

LEASE_SECONDS = 0.6

ADAPTERS: dict[str, Callable[[Database], Bus]] = {
    "pglog": lambda database: PgLog(database, lease_seconds=LEASE_SECONDS),
}


class Machine:
    """A process with a bus of its own; `stop` is as if it were halted in the middle of its work."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(bus.run(self._stop))

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


OpenBus = Callable[[], Awaitable[Machine]]


@pytest.fixture(params=sorted(ADAPTERS))
async def machine(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[OpenBus]:
    opened: list[Machine] = []

    async def open_bus() -> Machine:
        opened.append(Machine(ADAPTERS[request.param](database)))
        return opened[-1]

    yield open_bus
    for one in opened:
        await one.stop()


@pytest.fixture
def group() -> str:
    return fresh_topic().replace("test.", "readers-")


async def relay(bus: Bus) -> None:
    while await bus.relay(100):
        pass


async def test_messages_of_one_key_arrive_in_the_order_of_publication(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    for start in range(0, 300, 30):
        await publish(database, tenant, topic, [str(n) for n in range(start, start + 30)])

    await asyncio.gather(relay(bus), relay((await machine()).bus))
    member = await bus.join(group, [topic])

    assert values(await read(member, 300)) == [str(n) for n in range(300)]
    await member.close()


async def test_every_group_gets_every_message_from_the_first_on(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, ["first", "second"])
    await relay(bus)

    one, other = await bus.join(group, [topic]), await bus.join(f"{group}-other", [topic])

    assert values(await read(one, 2)) == values(await read(other, 2)) == ["first", "second"]
    await one.close()
    await other.close()


async def test_what_was_not_committed_is_delivered_again_and_the_rest_is_not(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    first = await bus.join(group, [topic])
    await publish(database, tenant, topic, ["committed"])
    await relay(bus)
    await first.commit(await read(first, 1))
    await publish(database, tenant, topic, ["not committed"])
    await relay(bus)
    await read(first, 1)

    await first.close()
    second = await bus.join(group, [topic])

    assert values(await read(second, 1)) == ["not committed"]
    await second.close()


async def test_members_share_the_partitions_and_one_that_leaves_is_replaced(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    here, there = await machine(), await machine()
    topic = fresh_topic()
    await here.bus.declare([topic])
    first, second = await here.bus.join(group, [topic]), await there.bus.join(group, [topic])
    shares: dict[Member, set[int]] = {first: set(), second: set()}

    async def read_some(*members: Member) -> None:
        for key in range(16):
            await publish(database, tenant, topic, ["x"], key=f"key-{key}")
        await relay(here.bus)
        for member in members:
            for portion in await member.poll(100):
                with contextlib.suppress(Fenced):
                    await member.commit([portion])
                    shares[member].add(portion.part)

    async def both_have_a_share() -> bool:
        await read_some(first, second)
        return bool(shares[first] and shares[second])

    await eventually(both_have_a_share)
    await first.close()

    async def second_has_all() -> bool:
        await read_some(second)
        return len(shares[second]) == len(await there.bus.lag(group))

    assert await eventually(second_has_all)
    await second.close()


async def test_a_member_that_was_halted_is_fenced_and_its_messages_go_to_another(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    halted, awake = await machine(), await machine()
    topic = fresh_topic()
    await halted.bus.declare([topic])
    zombie = await halted.bus.join(group, [topic])
    await publish(database, tenant, topic, ["precious"])
    await relay(halted.bus)
    portions = await read(zombie, 1)

    await halted.stop()
    successor = await awake.bus.join(group, [topic])
    taken = await read(successor, 1)

    with pytest.raises(Fenced):
        await zombie.commit(portions)
    assert values(taken) == ["precious"]
    await successor.commit(taken)
    assert sum((await awake.bus.lag(group)).values()) == 0
    await successor.close()


async def test_a_member_that_works_longer_than_its_lease_keeps_its_partitions(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    busy, idle = await machine(), await machine()
    topic = fresh_topic()
    await busy.bus.declare([topic])
    working = await busy.bus.join(group, [topic])
    await publish(database, tenant, topic, ["slow"])
    await relay(busy.bus)
    portions = await read(working, 1)

    rival = await idle.bus.join(group, [topic])
    async with asyncio.timeout(LEASE_SECONDS * 3):
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + LEASE_SECONDS * 2:
            assert await rival.poll(100) == []

    await working.commit(portions)
    await working.close()
    await rival.close()


async def test_a_group_reads_again_from_an_offset_or_a_time(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, ["a", "b"])
    await relay(bus)
    between = datetime.now(UTC)
    await publish(database, tenant, topic, ["c"])
    await relay(bus)
    member = await bus.join(group, [topic])
    portions = await read(member, 3)
    await member.commit(portions)
    part = portions[0].part
    await member.close()

    await bus.seek(group, topic, part, portions[-1].next_offset - 2)
    again = await bus.join(group, [topic])
    by_offset = values(await read(again, 2))
    await again.close()
    await bus.seek(group, topic, part, between)
    later = await bus.join(group, [topic])
    by_time = values(await read(later, 1))
    await later.close()

    assert by_offset == ["b", "c"]
    assert by_time == ["c"]


async def test_a_member_is_fenced_by_a_seek(machine: OpenBus, database: Database, tenant: Tenant, group: str) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, ["a"])
    await relay(bus)
    member = await bus.join(group, [topic])
    portions = await read(member, 1)

    await bus.seek(group, topic, portions[0].part, 0)

    with pytest.raises(Fenced):
        await member.commit(portions)
    assert values(await read(member, 1)) == ["a"]
    await member.close()


async def test_lag_counts_what_is_not_committed(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    member = await bus.join(group, [topic])
    await publish(database, tenant, topic, ["a", "b", "c"])
    await relay(bus)

    before = sum((await bus.lag(group)).values())
    await member.commit(await read(member, 3))

    assert (before, sum((await bus.lag(group)).values())) == (3, 0)
    await member.close()


async def test_headers_and_900_kilobytes_arrive_as_they_were_sent(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    large = bytes(range(256)) * 3_515
    ids = await publish(database, tenant, topic, [large])
    await relay(bus)
    member = await bus.join(group, [topic])

    message = (await read(member, 1))[0].messages[0]

    assert (message.id, message.tenant_id, message.topic, message.type) == (ids[0], tenant.id, topic, "Noted")
    assert message.headers["tenantid"] == message.headers["partitionkey"] == message.key == str(tenant.id)
    assert message.headers["source"] == "boxoffice"
    assert message.value == large
    await member.close()


async def test_many_large_messages_come_in_bounded_portions(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, [bytes(900_000)] * 20)
    await relay(bus)
    member = await bus.join(group, [topic])

    first = await read(member, 1)

    assert 0 < sum(len(m.value) for portion in first for m in portion.messages) < 10_000_000
    assert len((await read(member, 1))[0].messages) > 0
    await member.close()
