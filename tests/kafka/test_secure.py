"""Brokers that ask who is there: each service signs in under its own name, writes its own topics and no others."""

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from boxoffice.embedded.kafka import Kafka
from boxoffice.kafka.access import Access
from boxoffice.kafka.bus import KafkaBus, with_dead
from boxoffice.kafka.relay import Undelivered
from boxoffice.kafka.rights import Rights, grant
from boxoffice.kafka.topics import NotAllowed
from boxoffice.kernel.bus.port import Member
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Unavailable
from boxoffice.kernel.tenancy import Tenant
from tests.support.brokers import let_carry, temporary_kafka
from tests.support.messaging import fresh_topic, publish, values, waiting
from tests.support.platform import OPERATOR, PASSWORD, Platform
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[Kafka]:
    async with temporary_kafka(secure=True) as running:
        yield running


@pytest.fixture
async def topics(secure: Kafka, database: Database) -> AsyncIterator[tuple[str, str]]:
    """One that `seller` writes and `cashier` reads, and one the other way round."""
    sold, paid = fresh_topic(), fresh_topic()
    await KafkaBus(database, secure.access).declare([sold, paid])
    rights = {"seller": Rights(with_dead([sold]), [paid]), "cashier": Rights(with_dead([paid]), [sold])}
    await grant(secure.access, rights)
    async with database.system() as db:
        await db.execute("DELETE FROM platform.outbox")
    await let_carry("kafka", database)
    yield sold, paid
    await let_carry("pglog", database)


def bus_of(secure: Kafka, database: Database, **writers: list[str]) -> KafkaBus:
    """The bus of a process of these services."""
    return KafkaBus(database, secure.access.as_user(next(iter(writers))), writers=writers, lease_seconds=0.5)


async def test_a_message_goes_from_one_service_to_the_other(
    secure: Kafka, topics: tuple[str, str], database: Database, tenant: Tenant
) -> None:
    sold, paid = topics
    bus = bus_of(secure, database, seller=[sold], cashier=[paid])
    await bus.declare([sold, paid])
    await publish(database, tenant, sold, ["a seat"])
    await publish(database, tenant, paid, ["the money"])

    await eventually(lambda: _relayed(bus, database), within=30)
    cashier, seller = await bus.join("cashier", [sold]), await bus.join("seller", [paid])

    assert await eventually(lambda: _read(cashier), within=30) == ["a seat"]
    assert await eventually(lambda: _read(seller), within=30) == ["the money"]
    assert sum((await bus.lag("cashier", [sold])).values()) == 1
    await cashier.close()
    await seller.close()


async def test_a_service_cannot_write_the_topic_of_another(
    secure: Kafka, topics: tuple[str, str], database: Database, tenant: Tenant
) -> None:
    sold, _ = topics
    await publish(database, tenant, sold, ["forged"])

    with pytest.raises(Undelivered, match="Topic authorization failed"):
        await bus_of(secure, database, cashier=[sold]).relay(100)

    assert await waiting(database)


async def test_a_service_cannot_read_what_it_does_not_hear(
    secure: Kafka, topics: tuple[str, str], database: Database
) -> None:
    sold, _ = topics
    seller = await bus_of(secure, database, seller=[sold]).join("seller", [sold])

    async def refused() -> bool:
        try:
            await seller.poll(100)
        except KafkaException as refusal:
            return "authorization failed" in refusal.args[0].str().lower()
        return False

    assert await eventually(refused, within=30)
    await seller.close()


async def test_a_right_that_is_no_more_is_taken_away_and_the_relay_goes_on_when_it_is_given_back(
    secure: Kafka, topics: tuple[str, str], database: Database, tenant: Tenant
) -> None:
    sold, _ = topics
    bus = bus_of(secure, database, seller=[sold])
    await publish(database, tenant, sold, ["late"])

    await grant(secure.access, {"seller": Rights([], [])})
    with pytest.raises(Undelivered, match="authorization failed"):
        await bus.relay(100)
    await grant(secure.access, {"seller": Rights([sold], [])})

    assert await eventually(lambda: _relayed(bus, database), within=30)


async def test_a_wrong_password_is_refused_and_named(
    secure: Kafka, topics: tuple[str, str], database: Database, tmp_path: Path
) -> None:
    shutil.copy(secure.secrets / "ca.pem", tmp_path)
    (tmp_path / "seller.password").write_text("a guess")
    bus = KafkaBus(database, Access(secure.access.servers, "seller", tmp_path))

    with pytest.raises(NotAllowed, match="Kafka does not let seller in"):
        await bus.declare([fresh_topic()])


async def test_a_topic_that_a_service_may_not_make_is_named(
    secure: Kafka, topics: tuple[str, str], database: Database
) -> None:
    missing = fresh_topic()

    with pytest.raises(NotAllowed, match=f"the topic {missing} is missing"):
        await bus_of(secure, database, seller=[missing]).declare([missing])


async def test_a_ticket_is_sold_by_services_that_all_sign_in_under_their_own_names(secure: Kafka) -> None:
    with temporary_folder() as folder:
        where = {"bus": "kafka", "kafka": secure.access.servers, "kafka_secure": "1", "kafka_copies": "1"}
        platform = Platform(folder, where, "services")
        secrets = platform.data / "secrets" / "kafka"
        secrets.mkdir(parents=True)
        for name in ("admin.password", "ca.pem"):
            shutil.copy(secure.secrets / name, secrets)
        await platform.command("migrate")
        users = (await platform.say("bus", "users"))[1]
        topics = (await platform.say("bus", "topics"))[1]
        try:
            await platform.start()
            await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
            slug = await platform.tenant()
            event, guest = await platform.event(slug), await platform.guest(slug)
            held = await platform.hold(slug, event, [0], guest=guest)
            booked = await platform.book(slug, held.json["token"], guest=guest)
            await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest, within=60)
        finally:
            await platform.stop()

    assert "auth writes 2 topics and reads 0 topics" in users
    assert "booking.requested: 4 partitions, 1 copies of which 1 confirm, kept for 7 days" in topics


async def _read(member: Member) -> list[str]:
    """What comes; a broker that is slow to let its member in is asked again, as by every consumer."""
    with suppress(KafkaException):
        return values(await member.poll(100))
    return []


async def _relayed(bus: KafkaBus, database: Database) -> bool:
    with suppress(Undelivered, Unavailable):  # as the worker does it
        await bus.relay(100)
        return not await waiting(database)
    return False
