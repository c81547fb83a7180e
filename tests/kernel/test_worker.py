"""The worker as a whole: it begins failed loops again, ends in order, and tells whether it is ready."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import worker
from boxoffice.kernel.bus.pglog import PgLog
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.message import Received
from boxoffice.kernel.migrate import Logins
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.timers import Timer
from boxoffice.kernel.valkey import connect
from boxoffice.kernel.wake import OUTBOX, Wake, timers_of
from tests.support.messaging import Noted, fresh_topic, noted_on, working
from tests.support.waiting import eventually, lasting


async def test_a_loop_that_fails_is_begun_again(database: Database, directory: Directory) -> None:
    begun: list[int] = []

    async def loop(stop: asyncio.Event) -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise RuntimeError("once more")
        await stop.wait()

    async with working(database, directory, Service("looping", loops=[loop])):
        await eventually(lambda: len(begun) == 3)

    assert begun == [0, 1, 2]


class Watched(PgLog):
    """Its relay, once the worker is to stop, waits a while for the bus to end before it."""

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        super().__init__(database, lease_seconds=2.0)
        self.stopping, self.ended, self.ended_first = stop, asyncio.Event(), False

    async def run(self, stop: asyncio.Event) -> None:
        await super().run(stop)
        self.ended.set()

    async def relay(self, limit: int) -> int:
        if self.stopping.is_set():
            self.ended_first = await lasting(1.0, self.ended)
        return await super().relay(limit)


async def test_the_bus_goes_on_until_the_last_message_is_relayed(database: Database, directory: Directory) -> None:
    stop = asyncio.Event()
    bus = Watched(database, stop)
    running = asyncio.create_task(worker.run([], database, directory, bus, stop, lease_seconds=2.0))

    stop.set()
    await asyncio.wait_for(running, 20)

    assert bus.ended.is_set()
    assert not bus.ended_first


class Crowded(PgLog):
    """Others publish a message for every round of its relay, without an end."""

    async def relay(self, limit: int) -> int:
        await super().relay(limit)
        return 1


async def test_a_worker_ends_though_others_go_on_publishing(database: Database, directory: Directory) -> None:
    stop = asyncio.Event()
    stop.set()
    bus = Crowded(database, lease_seconds=2.0)

    await asyncio.wait_for(worker.run([], database, directory, bus, stop, lease_seconds=2.0), 20)


def test_a_worker_is_ready_from_its_start_to_its_stop() -> None:
    state = worker.State()
    before = state.problems()
    state.started = True
    state.came_round("relay")
    meanwhile = state.problems()
    state.rounds["relay"] -= worker.STILL_SECONDS_MAX + 1
    stuck = state.problems()
    state.stopping = True

    assert before == ["starting"]
    assert meanwhile == []
    assert stuck == ["relay stands still"]
    assert state.problems() == ["stopping"]


async def test_a_commit_in_one_process_rings_in_another(
    servers: EmbeddedServers, logins: Logins, tenant: Tenant
) -> None:
    channel, stop = fresh_topic(), asyncio.Event()
    here, there = connect(servers.valkey_url), connect(servers.valkey_url)
    listening = Wake(there, channel)
    hearing = asyncio.create_task(listening.listen(stop))
    web = await Database.connect(
        logins.web, platform_role=Roles("suite").platform, pool_size=1, reserve_size=1, wake=Wake(here, channel)
    )

    async def heard(subject: UUID) -> bool:
        async with web.transaction(tenant) as tx:
            tx.publish(Noted(about=subject, text="ring"))
        return listening.bell(OUTBOX).is_set()

    try:
        assert await eventually(lambda: heard(uuid4()))
    finally:
        stop.set()
        await web.close()
        await asyncio.wait_for(hearing, 10)
        await here.aclose()
        await there.aclose()


async def test_timers_due_at_once_wake_only_who_works_on_their_kind(logins: Logins, tenant: Tenant) -> None:
    wake, id, mine, another = Wake(), uuid4(), fresh_topic(), fresh_topic()
    concerned, unconcerned = wake.bell(timers_of(mine), timers_of(fresh_topic())), wake.bell(timers_of(another))
    database = await Database.connect(
        logins.web, platform_role=Roles("suite").platform, pool_size=1, reserve_size=1, wake=wake
    )

    async with database.transaction(tenant) as tx:
        tx.later(Timer(id=id, kind=mine, at=tx.now))
        tx.later(Timer(id=id, kind=another, at=tx.now + timedelta(hours=1)))

    assert concerned.is_set()
    assert not unconcerned.is_set()
    async with database.transaction(tenant) as tx:
        tx.forget(id, mine)
        tx.forget(id, another)
    await database.close()


async def test_without_valkey_messages_are_handled_all_the_same(
    logins: Logins, directory: Directory, tenant: Tenant
) -> None:
    nowhere = connect("unix:///nowhere/valkey.sock")
    database = await Database.connect(logins.worker, platform_role=Roles("suite").platform, wake=Wake(nowhere))
    heard: list[UUID] = []
    kind = noted_on(fresh_topic())

    async def hear(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        heard.extend(message.body.about for message in messages)

    subject = uuid4()
    async with working(database, directory, Service(fresh_topic(), subscriptions=[on(kind, hear)])):
        async with database.transaction(tenant) as tx:
            tx.publish(kind(about=subject, text="quietly"))
        await eventually(lambda: subject in heard)
    await database.close()
    await nowhere.aclose()
