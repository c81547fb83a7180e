"""Death before and after every commit and send of the relay to Kafka: born again, the platform keeps its promises.

The other points of a platform are in tests/faults/test_failpoints.py; this is the part that only Kafka has.
"""

from collections.abc import AsyncIterator

import pytest

from tests.faults import stories
from tests.faults.stage import Stage
from tests.support.brokers import temporary_kafka
from tests.support.mail_server import TinyMailServer
from tests.support.mortal import Mortal
from tests.support.servers import temporary_folder

pytestmark = pytest.mark.prove
SETTINGS = {"bus": "kafka", "kafka_copies": "1", "lease_seconds": "2", "web_processes": "1"}
POINTS = (
    "commit kafka.relay.Relay._renew", "commit kafka.relay.Relay._read", "send kafka.relay.Relay._send",
    "commit kafka.relay.Relay.move",
)  # fmt: skip


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """Brokers of its own, for the topics are the product's."""
    async with temporary_kafka() as kafka:
        with temporary_folder() as folder:
            platform, mail = Mortal(folder, {**SETTINGS, "kafka": kafka.access.servers}), TinyMailServer()
            platform.kafka = kafka.access
            stage = Stage(platform, mail)
            try:
                await platform.start()
                async with stage.superuser() as db:
                    await db.execute("UPDATE bus.carrier SET current = 'kafka'")
                await stage.furnish()
                yield stage
            finally:
                await platform.stop()
                await mail.stop()


@pytest.mark.parametrize("point", [f"{moment} {point}" for point in POINTS for moment in ("before", "after")])
async def test_a_death_of_the_relay_breaks_no_promise(stage: Stage, point: str) -> None:
    platform = stage.platform
    await platform.die()
    platform.deaths.clear()
    await platform.live(point)

    await stories.bought(stage)
    await stage.settle()

    assert platform.deaths == [point]
