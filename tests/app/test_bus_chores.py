"""What operators do at the bus from the command line, on either bus, beside a platform that has sold a ticket."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from boxoffice.messages import TOPICS
from tests.support.brokers import LEASE_SECONDS
from tests.support.crowd import database_url
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove  # each command is a process of its own, which takes its time
TABLES = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'"


@pytest.fixture(scope="module", params=["pglog", "kafka"])
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def brokers(request: pytest.FixtureRequest, adapter: str) -> str:
    return "" if adapter == "pglog" else request.getfixturevalue("kafka").access.servers


@dataclass
class Sold:
    """A platform that has sold a ticket: the tenant, and when it all began."""

    platform: Platform
    slug: str
    began: datetime

    async def say(self, *arguments: str) -> list[str]:
        """The lines of a `boxoffice bus` command that succeeds."""
        status, lines = await self.platform.say("bus", *arguments)
        assert status == 0, lines
        return lines

    async def all_is_read(self) -> bool:
        return all(line.split()[2] == "0" for line in await self.say("lag"))

    async def rows(self) -> dict[str, int]:
        """How many rows each table of the tenant has: an effect that happened twice is one too many."""
        db = await asyncpg.connect(database_url(self.platform))
        schema = f"tenant_{self.slug}"
        names = [row["table_name"] for row in await db.fetch(TABLES, schema)]
        counted = {"letters": await db.fetchval("SELECT count(*) FROM platform.dead_letters")}
        counted |= {name: await db.fetchval(f'SELECT count(*) FROM "{schema}"."{name}"') for name in names}
        await db.close()
        return counted

    async def lose_mail(self) -> None:
        db = await asyncpg.connect(database_url(self.platform))
        await db.execute(f'DELETE FROM "tenant_{self.slug}".notifications')
        await db.close()


@pytest.fixture(scope="module")
async def sold(adapter: str, brokers: str) -> AsyncIterator[Sold]:
    began = datetime.now(UTC)
    lease = str(LEASE_SECONDS[adapter])
    async with running_platform(
        bus=adapter, kafka=brokers, kafka_copies="1", web_processes="1", lease_seconds=lease
    ) as platform:
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
        slug = await platform.tenant()
        event, guest = await platform.event(slug), await platform.guest(slug)
        held = await platform.hold(slug, event, [0], guest=guest)
        booked = await platform.book(slug, held.json["token"], guest=guest)
        await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)
        made = Sold(platform, slug, began)
        await eventually(made.all_is_read, within=30)
        yield made


async def test_the_topics_are_made_and_told(sold: Sold, adapter: str) -> None:
    lines = await sold.say("topics")

    copies = ", 1 copies of which 1 confirm, kept for 7 days" if adapter == "kafka" else ""
    assert lines == [f"{topic}: 4 partitions{copies}" for topic in TOPICS]


async def test_the_lag_of_one_group_is_told_or_of_all(sold: Sold) -> None:
    everybody, payments = await sold.say("lag"), await sold.say("lag", "payments")

    assert "payments booking.requested 0 (0 0 0 0)" in payments
    assert {line.split()[0] for line in payments} == {"payments"}
    assert set(payments) < set(everybody)


async def test_what_a_seek_delivers_again_has_no_second_effect(sold: Sold) -> None:
    before = await sold.rows()

    for group, topic in (
        ("payments", "booking.requested"), ("bookings", "payment.completed"), ("notifications", "booking.confirmed"),
    ):  # fmt: skip
        await sold.say("seek", group, topic, "--to", "earliest")
    await eventually(sold.all_is_read, within=30)

    assert await sold.rows() == before


async def test_a_replay_lets_handlers_make_good_what_is_missing_and_nothing_else(sold: Sold) -> None:
    before = await sold.rows()
    await sold.lose_mail()

    for group in ("bookings", "payments", "notifications"):
        await sold.say("replay", group, "--since", sold.began.isoformat())
    await eventually(sold.all_is_read, within=30)

    assert before["notifications"] > 0
    assert await sold.rows() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["lag", "cashier"], "there is no group 'cashier': choose of events, bookings, payments"),
        (["seek", "payments", "user.registered", "--to", "latest"], "payments does not read 'user.registered'"),
    ],
)
async def test_a_mistake_is_answered_with_one_line(sold: Sold, arguments: list[str], complaint: str) -> None:
    status, lines = await sold.platform.say("bus", *arguments)

    assert status == 1
    assert len(lines) == 1
    assert complaint in lines[0]


async def test_messages_that_wait_are_passed_over_only_when_somebody_says_so(sold: Sold) -> None:
    await sold.platform.stop()
    waiting = await sold.say("seek", "payments", "booking.requested", "--to", "earliest")
    tried, refusal = await sold.platform.say("bus", "seek", "payments", "booking.requested", "--to", "latest")
    passed = await sold.say("seek", "payments", "booking.requested", "--to", "latest", "--pass-over")

    assert waiting[0].startswith("payments has now to read: booking.requested 1 ")
    assert tried == 1
    assert "1 messages of booking.requested wait for payments" in refusal[0]
    assert passed[0].startswith("payments has now to read: booking.requested 0 ")
