"""What every bus must bear: poison, the end of a worker, a restart under load, the loss of who leads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from confluent_kafka.admin import AdminClient

from boxoffice.embedded.kafka import Kafka
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import dead_letters, migrate, worker
from boxoffice.kernel.bus.port import DEAD_SUFFIX, Bus
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.message import Received
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.conformance.conftest import NewBus
from tests.support.brokers import let_carry, open_bus, temporary_kafka
from tests.support.messaging import Noted, fresh_topic, noted_on, read, waiting, working
from tests.support.notes import notes, noting_child, tell, with_notes
from tests.support.noting_worker import Order, noting
from tests.support.servers import temporary_folder, temporary_servers
from tests.support.tenancy import tenant_factory
from tests.support.waiting import eventually, lasting

DATABASE = "shaken"
TOLD_BETWEEN = 100  # messages that are published before, between and after the faults


@pytest.fixture(scope="module")
async def own_servers() -> AsyncIterator[EmbeddedServers]:
    """Servers that a test may kill."""
    async with temporary_servers() as running:
        yield running


@pytest.fixture(scope="module")
async def three_brokers() -> AsyncIterator[Kafka]:
    """Brokers that a test may kill; with each topic on all of them."""
    async with temporary_kafka(brokers=3) as running:
        yield running


@dataclass
class Ground:
    """What a bus stands on, and how it shakes."""

    adapter: str
    servers: EmbeddedServers
    logins: migrate.Logins
    database: Database
    brokers: Kafka | None
    topic: str = field(default_factory=fresh_topic)
    elsewhere: asyncio.subprocess.Process | None = None

    def bus(self) -> Bus:
        return open_bus(self.adapter, self.database, self.brokers.access if self.brokers else None)

    @asynccontextmanager
    async def worker_elsewhere(self, group: str, lease: float) -> AsyncIterator[None]:
        """A member of the group in a process of its own."""
        servers = self.brokers.access.servers if self.brokers else ""
        role = Roles(DATABASE).platform
        order = Order(self.logins.worker, role, group, lease, 0.0, self.topic, self.adapter, servers)
        async with noting_child(order) as self.elsewhere:
            yield

    async def restart(self) -> None:
        """Whoever keeps the messages dies at once and is started again."""
        if self.brokers is None:
            await asyncio.to_thread(self.servers.postgres.kill)
            await asyncio.to_thread(self.servers.postgres.start)
            return
        for number in self.brokers.brokers:
            self.brokers.kill_broker(number)
        await asyncio.to_thread(self.brokers.start)

    async def lose_leader(self) -> None:
        """Whoever keeps the order of the topic's messages dies: its leading broker, or the member with the leases."""
        if self.brokers is None:
            assert self.elsewhere is not None
            self.elsewhere.kill()
            return
        admin = AdminClient(self.brokers.access.client())
        found = await asyncio.to_thread(admin.list_topics, self.topic, timeout=10)
        self.brokers.kill_broker(found.topics[self.topic].partitions[0].leader)

    async def mend(self) -> None:
        if self.brokers is not None:
            await asyncio.to_thread(self.brokers.start)


@pytest.fixture
def brokers(request: pytest.FixtureRequest, adapter: str) -> Kafka | None:
    return None if adapter == "pglog" else request.getfixturevalue("three_brokers")


@pytest.fixture
async def ground(adapter: str, own_servers: EmbeddedServers, brokers: Kafka | None) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        logins = migrate.bootstrap(own_servers.postgres.url(DATABASE), folder / "secrets")
        migrate.upgrade(logins.migrator)
        database = await Database.connect(logins.worker, platform_role=Roles(DATABASE).platform)
        stack.push_async_callback(database.close)
        await let_carry(adapter, database)
        made = Ground(adapter, own_servers, logins, database, brokers)
        stack.push_async_callback(made.mend)
        yield made


class Speaker:
    """Publishes steadily, whatever happens meanwhile. `told`: what was acknowledged."""

    def __init__(self, database: Database, tenant: Tenant, kind: type[Noted]) -> None:
        self._database = database
        self._tenant = tenant
        self._kind = kind
        self.told: list[UUID] = []

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[None]:
        ended = asyncio.Event()
        speaking = [asyncio.create_task(self._speak(ended)) for _ in range(2)]
        try:
            yield
        finally:
            ended.set()
            await asyncio.gather(*speaking)

    async def _speak(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with suppress(Unavailable):
                self.told += await tell(self._database, self._tenant, 3, self._kind)
            await lasting(0.02, ended)

    async def more_is_told(self) -> None:
        before = len(self.told)
        await eventually(lambda: len(self.told) > before + TOLD_BETWEEN, within=30)

    async def all_is_noted(self) -> bool:
        noted = {id for id, _ in await notes(self._database, self._tenant)}
        return set(self.told) <= noted and await is_relayed(self._database)


async def is_relayed(database: Database) -> bool:
    return not await waiting(database)


async def test_a_message_that_nobody_can_handle_goes_to_the_dead_letters_and_those_behind_it_go_on(
    new_bus: NewBus, database: Database, directory: Directory, tenant: Tenant, group: str
) -> None:
    kind, subject = noted_on(fresh_topic()), uuid4()
    handled: list[str] = []

    async def handle(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        texts = [message.body.text for message in messages]
        if "poison" in texts:
            raise RuntimeError("nobody can handle this")
        tx.after_commit(lambda: handled.extend(texts))

    service = Service(group, subscriptions=[on(kind, handle, hold=False)])
    policy = Policy(base_seconds=0.05, attempts=3)
    async with working(database, directory, service, policy=policy, bus=new_bus()) as bus:
        async with database.transaction(tenant) as tx:
            for text in ("before", "poison", "behind"):
                tx.publish(kind(about=subject, text=text))
            tx.publish(kind(about=uuid4(), text="beside"))
        await eventually(lambda: len(handled) == 3, within=30)
        async with database.platform() as platform:
            letters = await dead_letters.newest(platform.db, 10, tenant_id=tenant.id, group=group, before=None)
        assert await eventually(lambda: is_relayed(database), within=30)
        mourner = await bus.join(f"{group}-mourners", [kind.topic + DEAD_SUFFIX])
        announced = (await read(mourner, 1, within=20))[0].messages[0]
        await mourner.close()
        lag = await bus.lag(group, [kind.topic])

    assert sorted(handled) == ["before", "behind", "beside"]
    assert handled.index("before") < handled.index("behind")
    assert [(letter.attempts, letter.subject) for letter in letters] == [(3, str(subject))]
    assert b"poison" in announced.value
    assert announced.headers["dlqgroup"] == group
    assert sum(lag.values()) == 0


async def test_work_in_hand_is_finished_and_its_messages_are_relayed_before_the_end(
    new_bus: NewBus, database: Database, directory: Directory, tenant: Tenant, group: str
) -> None:
    asked, answered = noted_on(fresh_topic()), noted_on(fresh_topic())
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(tx: Tx, messages: Sequence[Received[Noted]]) -> None:
        begun.set()
        await go_on.wait()
        tx.publish(answered(about=messages[0].body.about, text="answered"))

    bus, stop, state = new_bus(), asyncio.Event(), worker.State()
    await bus.declare([asked.topic, answered.topic])
    service = Service(group, subscriptions=[on(asked, answer)])
    running = asyncio.create_task(worker.run([service], database, directory, bus, stop, lease_seconds=2.0, state=state))
    async with database.transaction(tenant) as tx:
        tx.publish(asked(about=uuid4(), text="asked"))
    await asyncio.wait_for(begun.wait(), 30)
    ready = state.problems()
    stop.set()
    await eventually(lambda: state.problems() == ["stopping"])
    still_running = not running.done()
    go_on.set()
    await asyncio.wait_for(running, 30)

    assert (ready, still_running) == ([], True)
    assert await is_relayed(database)
    assert sum((await new_bus().lag(group, [answered.topic])).values()) == 1


async def test_a_restart_under_load_loses_and_doubles_nothing(ground: Ground, group: str, lease_seconds: float) -> None:
    kind = noted_on(ground.topic)
    tenant = await with_notes(tenant_factory(ground.database, ground.logins), ground.logins, spread=16)
    speaker, directory = Speaker(ground.database, tenant, kind), Directory(ground.database)

    async with working(
        ground.database, directory, noting(group, "only", kind=kind), lease=lease_seconds, bus=ground.bus()
    ) as bus:
        async with speaker.speaking():
            for _ in range(2):
                await speaker.more_is_told()
                await bus.lag(group, [kind.topic])
                await ground.restart()
            await speaker.more_is_told()
        await eventually(speaker.all_is_noted, within=90)
        lag = await bus.lag(group, [kind.topic])

    assert lag.keys()
    noted = [id for id, _ in await notes(ground.database, tenant)]
    assert len(noted) == len(set(noted))


async def test_the_loss_of_who_leads_loses_and_doubles_nothing(
    ground: Ground, group: str, lease_seconds: float
) -> None:
    kind = noted_on(ground.topic)
    tenant = await with_notes(tenant_factory(ground.database, ground.logins), ground.logins, spread=16)
    speaker, directory = Speaker(ground.database, tenant, kind), Directory(ground.database)

    async def both_work() -> bool:
        return {worker for _, worker in await notes(ground.database, tenant)} == {"child", "here"}

    async with (
        ground.worker_elsewhere(group, lease_seconds),
        working(ground.database, directory, noting(group, "here", kind=kind), lease=lease_seconds, bus=ground.bus()),
    ):
        async with speaker.speaking():
            await eventually(both_work, within=30)
            await ground.lose_leader()
            await speaker.more_is_told()
        await eventually(speaker.all_is_noted, within=60)

    noted = [id for id, _ in await notes(ground.database, tenant)]
    assert len(noted) == len(set(noted))
