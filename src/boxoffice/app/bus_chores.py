"""An operator's chores at the bus: make topics, tell what groups have still to read, have them read it once more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import KafkaException

from boxoffice.app.bus import kafka_access, open_bus
from boxoffice.app.described import described_services
from boxoffice.app.process import process
from boxoffice.app.services import WORKERS
from boxoffice.kafka.bus import KafkaBus, with_dead
from boxoffice.kafka.rights import Rights, grant
from boxoffice.kafka.topics import NotAllowed, Shape
from boxoffice.kernel import inbox
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database
from boxoffice.messages import TOPICS, topics_of
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

PLACES = {"earliest": 0, "latest": 2**63 - 1}  # offsets: a bus takes them for the nearest that there is

Lag = Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class AtBus:
    """The bus, and the topics that each group reads."""

    bus: Bus
    database: Database
    groups: Mapping[str, Sequence[str]]

    def topics_of(self, group: str) -> Sequence[str]:
        if group not in self.groups:
            raise StartupProblem(f"there is no group {group!r}: choose of {', '.join(self.groups)}")
        return self.groups[group]


async def make_topics(settings: Settings) -> list[str]:
    """Make the topics that are missing, and those of their dead letters; a line for each that there is now."""
    async with at_bus(settings) as here:
        await here.bus.declare(TOPICS)
        if isinstance(here.bus, KafkaBus):
            return [f"{topic}: {_described(shape)}" for topic, shape in (await here.bus.topics.shapes(TOPICS)).items()]
        parts = Counter(topic for topic, _ in await here.bus.lag("", TOPICS))
        return [f"{topic}: {parts[topic]} partitions" for topic in TOPICS]


def _described(shape: Shape) -> str:
    return (
        f"{shape.partitions} partitions, {shape.copies} copies of which {shape.copies_least} confirm, "
        f"kept for {shape.retention_days} days"
    )


async def make_users(settings: Settings) -> list[str]:
    """Make the login of each service that uses Kafka, with its rights and no others; a line for each."""
    if not settings.kafka_secure:
        raise StartupProblem("BOXOFFICE_KAFKA_SECURE is not set: without it nobody signs in at Kafka")
    heard = {service.name: service.topics for service in described_services()}
    users = {name: Rights(with_dead(topics_of(name)), heard[name]) for name in WORKERS}
    with _told_in_one_line(settings):
        await grant(kafka_access(settings, settings.kafka_admin), users)
    return [
        f"{name} writes {_counted(rights.writes)} and reads {_counted(rights.reads)}" for name, rights in users.items()
    ]


async def lag(settings: Settings, group: str | None) -> dict[str, Lag]:
    """What this group, or each, has not committed yet."""
    async with at_bus(settings) as here:
        names = [group] if group is not None else list(here.groups)
        return {name: await here.bus.lag(name, here.topics_of(name)) for name in names}


async def seek(settings: Settings, group: str, topic: str, to: int | datetime, *, pass_over: bool) -> Lag:
    """Let a group read a topic from there on; what it has to read now. What it handled before has no second effect.

    Raises StartupProblem when messages that wait could be passed over, and nobody said that they may.
    """
    async with at_bus(settings) as here:
        if topic not in here.topics_of(group):
            raise StartupProblem(f"{group} does not read {topic!r}: choose of {', '.join(here.topics_of(group))}")
        waiting = sum((await here.bus.lag(group, [topic])).values())
        if waiting and to != PLACES["earliest"] and not pass_over:
            raise StartupProblem(
                f"{waiting} messages of {topic} wait for {group}; those from before that place would never reach it. "
                "Say --pass-over if they may be lost"
            )
        await _move(here.bus, group, [topic], to)
        return await here.bus.lag(group, [topic])


async def replay(settings: Settings, group: str, since: datetime) -> Lag:
    """Let a group handle once more all that was published since a moment; what it has to read now."""
    async with at_bus(settings) as here:
        topics = here.topics_of(group)
        async with here.database.system() as db:
            await inbox.forget(db, group, since)
        await _move(here.bus, group, topics, since)
        return await here.bus.lag(group, topics)


def read_place(text: str) -> int | datetime:
    """`earliest`, `latest` or a time. Raises StartupProblem."""
    return PLACES[text] if text in PLACES else read_time(text)


def read_time(text: str) -> datetime:
    """Raises StartupProblem for what is no time, and for one of which the zone is not known."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StartupProblem(f"{text!r} is no time: write it like 2026-05-01T18:00+02:00") from None
    if moment.tzinfo is None:
        raise StartupProblem(f"{text!r} could be in any zone: write it like {text}Z or {text}+02:00")
    return moment


def by_topic(lag: Lag) -> list[str]:
    """A line for each topic: the number of all its messages, and of each partition's."""
    topics = dict.fromkeys(topic for topic, _ in lag)
    parts = {topic: [count for (of, _), count in sorted(lag.items()) if of == topic] for topic in topics}
    return [f"{topic} {sum(counts)} ({' '.join(map(str, counts))})" for topic, counts in parts.items()]


@asynccontextmanager
async def at_bus(settings: Settings) -> AsyncIterator[AtBus]:
    """The bus that carries messages. What it refuses becomes one line for the person at the terminal."""
    async with process(settings, "worker") as parts:
        groups = {service.name: service.topics for service in parts.services if service.topics}
        with _told_in_one_line(settings):
            yield AtBus(await open_bus(settings, parts.database).now(), parts.database, groups)


@contextmanager
def _told_in_one_line(settings: Settings) -> Iterator[None]:
    try:
        yield
    except KafkaException as refused:
        raise StartupProblem(f"Kafka at {settings.kafka}: {refused.args[0].str()}") from refused
    except NotAllowed as refused:
        raise StartupProblem(f"Kafka at {settings.kafka}: {refused}") from refused
    except TimeoutError as late:
        raise StartupProblem(str(late) or "the bus does not answer") from late


def _counted(topics: Collection[str]) -> str:
    return f"{len(topics)} topics"


async def _move(bus: Bus, group: str, topics: Sequence[str], to: int | datetime) -> None:
    for topic in topics:
        parts = [part for _, part in await bus.lag(group, [topic])]
        await asyncio.gather(*(bus.seek(group, topic, part, to) for part in parts))
