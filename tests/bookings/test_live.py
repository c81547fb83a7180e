"""One read for a crowd, and everybody sees what they changed before they asked."""

import asyncio

from redis.asyncio import Redis

from boxoffice.bookings.inventory.holds import Holds
from boxoffice.bookings.inventory.live import Live, Snapshot
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from tests.bookings.conftest import Office


class Counting(Holds):
    """Holds that count how often they are read."""

    def __init__(self, valkey: Redis) -> None:
        super().__init__(valkey)
        self.reads = 0

    async def held(self, tenant_id: object, event_id: object) -> list[int]:
        self.reads += 1
        return await super().held(tenant_id, event_id)  # type: ignore[arg-type]


async def look(live: Live, office: Office) -> Snapshot:
    return await live.snapshot(office.tenant, await office.catalogue.sale(office.tenant, office.event_id))


async def test_a_crowd_that_looks_at_once_costs_two_reads(office: Office, valkey: Redis) -> None:
    holds = Counting(valkey)
    live = Live(office.database, holds)
    await office.catalogue.sale(office.tenant, office.event_id)

    seen = await asyncio.gather(*(look(live, office) for _ in range(50)))

    assert len({snapshot.seq for snapshot in seen}) == 1
    assert holds.reads <= 2


async def test_everybody_in_a_crowd_sees_their_own_change(office: Office) -> None:
    async def hold_and_look(seat_no: int) -> bool:
        await office.hold(seat_no, owner=f"guest:{uuid7()}")
        return bool((await look(office.live, office)).states[seat_no])

    seen = await asyncio.gather(*(hold_and_look(seat_no) for seat_no in range(40)))

    assert all(seen)


async def test_a_caller_who_leaves_takes_nothing_from_the_others(office: Office) -> None:
    leaving = asyncio.create_task(look(office.live, office))
    staying = [asyncio.create_task(look(office.live, office)) for _ in range(3)]
    await asyncio.wait(staying, timeout=0)
    leaving.cancel()

    seen = await asyncio.gather(*staying)

    assert [len(snapshot.states) for snapshot in seen] == [40] * 3
    assert (await look(office.live, office)).seq == seen[0].seq


async def test_a_read_that_failed_is_not_remembered(office: Office, tenant: Tenant) -> None:
    class Breaking(Counting):
        async def held(self, tenant_id: object, event_id: object) -> list[int]:
            if self.reads == 0:
                self.reads += 1
                raise RuntimeError("no answer")
            return await super().held(tenant_id, event_id)

    live = Live(office.database, Breaking(office.live._holds._valkey))

    first = (await asyncio.gather(look(live, office), return_exceptions=True))[0]
    second = await look(live, office)

    assert isinstance(first, RuntimeError)
    assert len(second.states) == 40


async def test_a_crowd_shares_one_reading_of_the_sale(office: Office) -> None:
    seen = await asyncio.gather(*(office.catalogue.sale(office.tenant, office.event_id) for _ in range(50)))

    assert len({id(sale) for sale in seen}) == 1


async def test_those_who_come_too_late_share_one_glance(office: Office, valkey: Redis) -> None:
    holds = Counting(valkey)
    live = Live(office.database, holds, glance_seconds=60)
    sale = await office.catalogue.sale(office.tenant, office.event_id)

    seen = [await live.glance(office.tenant, sale) for _ in range(5)]

    assert holds.reads == 1
    assert len({snapshot.seq for snapshot in seen}) == 1
