"""What every bus must do: order, groups, redelivery, fencing, rebalance, seek, lag, headers, large messages."""

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime

import pytest

from boxoffice.kernel.bus.port import Fenced, Member
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Tenant
from tests.conformance.conftest import OpenBus, OpenElsewhere
from tests.support.messaging import fresh_topic, publish, read, relay, values
from tests.support.processes import frozen
from tests.support.waiting import eventually

MORE_THAN_IS_READ_AHEAD = 4_000  # by any adapter


async def test_messages_of_one_key_arrive_in_the_order_of_publication(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    for start in range(0, 300, 30):
        await publish(database, tenant, topic, [str(n) for n in range(start, start + 30)])

    await asyncio.gather(relay(bus, database), relay((await machine()).bus, database))
    member = await bus.join(group, [topic])

    assert values(await read(member, 300)) == [str(n) for n in range(300)]
    await member.close()


async def test_a_topic_nobody_declared_is_made_when_its_first_message_comes(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await publish(database, tenant, topic, ["first"])

    await relay(bus, database)
    member = await bus.join(group, [topic])

    assert values(await read(member, 1)) == ["first"]
    await member.close()


async def test_every_group_gets_every_message_from_the_first_on(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    await publish(database, tenant, topic, ["first", "second"])
    await relay(bus, database)

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
    await relay(bus, database)
    await first.commit(await read(first, 1))
    await publish(database, tenant, topic, ["not committed"])
    await relay(bus, database)
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
        await relay(here.bus, database)
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
        return len(shares[second]) == len(await there.bus.lag(group, [topic]))

    assert await eventually(second_has_all)
    await second.close()


async def test_a_member_that_was_halted_is_fenced_and_its_messages_go_to_another(
    machine: OpenBus, elsewhere: OpenElsewhere, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    async with elsewhere(group, [topic]) as zombie:
        await publish(database, tenant, topic, ["precious"])
        await relay(bus, database)
        assert await zombie.read(1) == ["precious"]

        with frozen(zombie.pid):
            successor = await bus.join(group, [topic])
            taken = await read(successor, 1, within=20)

        assert await zombie.commit() == "fenced"
        assert values(taken) == ["precious"]
        await successor.commit(taken)
        assert sum((await bus.lag(group, [topic])).values()) == 0
        await successor.close()


async def test_a_member_that_is_to_give_way_ends_and_commits_its_work_first(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    here, there = await machine(), await machine()
    topic, seen = fresh_topic(), Counter[str]()
    await here.bus.declare([topic])
    first = await here.bus.join(group, [topic])
    for key in range(16):
        await publish(database, tenant, topic, [f"early {key}"], key=f"key-{key}")
    await relay(here.bus, database)
    in_hand = await read(first, 16)

    second = await there.bus.join(group, [topic])
    second_polls = asyncio.create_task(second.poll(100))
    await first.commit(in_hand)
    seen.update(values(in_hand) + values(await second_polls))

    async def both_have_a_share() -> bool:
        for key in range(16):
            await publish(database, tenant, topic, ["later"], key=f"key-{key}")
        await relay(here.bus, database)
        shares = [await member.poll(100) for member in (first, second)]
        seen.update(value for portions in shares for value in values(portions))
        return all(shares)

    await eventually(both_have_a_share, within=20)

    assert {value: times for value, times in seen.items() if value != "later"} == {f"early {n}": 1 for n in range(16)}
    await first.close()
    await second.close()


async def test_a_member_that_works_longer_than_its_lease_keeps_its_partitions(
    machine: OpenBus, database: Database, tenant: Tenant, group: str, lease_seconds: float
) -> None:
    busy, idle = await machine(), await machine()
    topic = fresh_topic()
    await busy.bus.declare([topic])
    working = await busy.bus.join(group, [topic])
    await publish(database, tenant, topic, ["slow"])
    await relay(busy.bus, database)
    portions = await read(working, 1)

    rival = await idle.bus.join(group, [topic])
    async with asyncio.timeout(lease_seconds * 3):
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + lease_seconds * 2:
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
    await relay(bus, database)
    between = datetime.now(UTC)
    await publish(database, tenant, topic, ["c"])
    await relay(bus, database)
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
    await relay(bus, database)
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
    await relay(bus, database)

    before = sum((await bus.lag(group, [topic])).values())
    await member.commit(await read(member, 3))

    assert (before, sum((await bus.lag(group, [topic])).values())) == (3, 0)
    await member.close()


async def test_headers_and_900_kilobytes_arrive_as_they_were_sent(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    bus, topic = (await machine()).bus, fresh_topic()
    await bus.declare([topic])
    large = bytes(range(256)) * 3_515
    ids = await publish(database, tenant, topic, [large])
    await relay(bus, database)
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
    await relay(bus, database)
    member = await bus.join(group, [topic])

    first = await read(member, 1)

    assert 0 < sum(len(m.value) for portion in first for m in portion.messages) < 10_000_000
    assert len((await read(member, 1))[0].messages) > 0
    await member.close()


async def test_who_has_read_as_far_ahead_as_it_may_reads_on_when_another_has_joined(
    machine: OpenBus, database: Database, tenant: Tenant, group: str
) -> None:
    one, other, topic = (await machine()).bus, (await machine()).bus, fresh_topic()
    await one.declare([topic])
    for start in range(0, MORE_THAN_IS_READ_AHEAD, 100):
        await publish(database, tenant, topic, [str(n) for n in range(start, start + 100)], key=str(start))
    await relay(one, database)
    first = await one.join(group, [topic])
    taken = await read(first, 1)
    await first.commit(taken)
    came = set(values(taken))

    second = await other.join(group, [topic])
    async with asyncio.timeout(60):
        shared = False
        while len(came) < MORE_THAN_IS_READ_AHEAD:  # the first reads slowly until the other has a share
            for member, limit in ((first, 500 if shared else 1), (second, 500)):
                portions = await member.poll(limit)
                shared = shared or (member is second and bool(portions))
                came.update(values(portions))
                with contextlib.suppress(Fenced):
                    await member.commit(portions)

    assert came == {str(n) for n in range(MORE_THAN_IS_READ_AHEAD)}
    await first.close()
    await second.close()
