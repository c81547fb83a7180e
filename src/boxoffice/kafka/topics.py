"""What the admin does at the brokers: make topics, tell positions and ends, move the position of a group at rest."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from boxoffice.kafka.access import Access
from boxoffice.kernel.bus.port import DEAD_SUFFIX

Partition = tuple[str, int]

K = TypeVar("K")
Q = TypeVar("Q")
A = TypeVar("A")

ANSWER_SECONDS_MAX = 10.0
DAY_MS = 86_400_000
ELECTING = {
    KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE,
}  # fmt: skip
log = structlog.get_logger("bus")


@dataclass(frozen=True)
class Shape:
    """How a topic is made. Fewer brokers than `copies` hold fewer; with `copies_least` in step they confirm."""

    partitions: int = 4
    copies: int = 3
    copies_least: int = 2
    retention_days: int = 7


class NotAllowed(Exception):
    """The brokers do not let this user do that."""


class Topics:
    """The topics and groups of one cluster."""

    def __init__(self, access: Access, shape: Shape) -> None:
        self._access = access
        self._shape = shape
        self._admin: AdminClient | None = None
        self._partitions: dict[str, int] = {}
        self._met = False
        self._turned_away = ""
        self._one_question = asyncio.Lock()  # two at once mix up their answers, or lose them (confluent-kafka 2.16)

    @property
    def admin(self) -> AdminClient:
        self._admin = self._admin or AdminClient(self._access.client() | {"error_cb": self._troubled})
        return self._admin

    def _troubled(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._turned_away = error.str()

    async def declare(self, names: Iterable[str]) -> None:
        """Make those that do not exist. Raises NotAllowed when this user may not."""
        wanted = dict.fromkeys(names)
        if wanted.keys() <= self._partitions.keys():
            return
        brokers = await self._look()
        missing = [name for name in wanted if name not in self._partitions]
        if not missing:
            return
        copies = min(self._shape.copies, brokers)
        if copies < self._shape.copies:
            log.warning("topics_with_fewer_copies", wanted=self._shape.copies, brokers=brokers)
        config = {
            "retention.ms": str(self._shape.retention_days * DAY_MS),
            "min.insync.replicas": str(min(self._shape.copies_least, copies)),
        }
        async with self._one_question:
            made = self.admin.create_topics(
                [NewTopic(name, self._partitions_of(name), copies, config=config) for name in missing],
                operation_timeout=ANSWER_SECONDS_MAX,
            )
            answers = await asyncio.gather(*map(asyncio.wrap_future, made.values()), return_exceptions=True)
        for name, answer in zip(made, answers, strict=True):
            if isinstance(answer, KafkaException):
                _judge(answer.args[0], name)
        await self._look()

    def _partitions_of(self, name: str) -> int:
        """Nobody shares the dead letters out."""
        return 1 if name.endswith(DEAD_SUFFIX) else self._shape.partitions

    async def partitions(self, topics: Collection[str]) -> list[Partition]:
        """Every partition of these topics, as far as they exist."""
        if not set(topics) <= self._partitions.keys():
            await self._look()
        return [(t, part) for t in dict.fromkeys(topics) for part in range(self._partitions.get(t, 0))]

    async def shapes(self, topics: Collection[str]) -> dict[str, Shape]:
        """How each of these topics, which exist, was made."""
        async with self._one_question:
            found = await asyncio.to_thread(self.admin.list_topics, timeout=ANSWER_SECONDS_MAX)
        wanted = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        told = {each.name: config for each, config in (await self._ask(AdminClient.describe_configs, wanted)).items()}
        return {
            topic: Shape(
                partitions=len(found.topics[topic].partitions),
                copies=len(found.topics[topic].partitions[0].replicas),
                copies_least=int(told[topic]["min.insync.replicas"].value),
                retention_days=int(told[topic]["retention.ms"].value) // DAY_MS,
            )
            for topic in topics
        }

    async def lag(self, group: str, topics: Collection[str]) -> dict[Partition, int]:
        return await self._as_reader(group, _lag, await self.partitions(topics))

    async def offset_of(self, topic: str, part: int, to: int | datetime) -> int:
        """An offset that exists: the one given, brought within the log, or that of the first message of a time."""
        first, end = await self._as_reader("", _reach, TopicPartition(topic, part))
        if isinstance(to, datetime):
            found = await self._as_reader("", _first_since, TopicPartition(topic, part, int(to.timestamp() * 1000)))
            to = end if found < 0 else found
        return max(first, min(end, to))

    async def move(self, group: str, offsets: Mapping[Partition, int]) -> bool:
        """Set the positions of a group without members; false when it has some."""
        wanted = [TopicPartition(topic, part, offset) for (topic, part), offset in offsets.items()]
        await self._meet_coordinator(group)
        request = [ConsumerGroupTopicPartitions(group, wanted)]
        try:
            answer = await self._ask(AdminClient.alter_consumer_group_offsets, request)
        except KafkaException as fault:
            if fault.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
                return False
            raise
        return all(each.error is None for each in answer[group].topic_partitions)

    async def _as_reader(self, group: str, question: Callable[[Consumer, Q], A], asked: Q) -> A:
        """What a reader is answered; asked again, by a new one, while leaders and coordinators are being elected.

        An admin could ask it too, but now and then waits three seconds for nothing (confluent-kafka 2.16), and one from
        before a crash of the brokers asks those who led then for ever.
        """

        def ask() -> A:
            reader = Consumer(self._access.client() | {"group.id": group or "boxoffice"})
            try:
                return question(reader, asked)
            finally:
                reader.close()

        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            try:
                return await asyncio.to_thread(ask)
            except KafkaException as fault:
                if fault.args[0].code() not in ELECTING or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def _ask(self, call: Callable[..., Mapping[K, Future[Any]]], request: object) -> dict[K, Any]:
        """The answers to one request; asked again while leaders are being elected."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            async with self._one_question:
                asked = call(self.admin, request, request_timeout=ANSWER_SECONDS_MAX)
                answers = await asyncio.gather(*map(asyncio.wrap_future, asked.values()), return_exceptions=True)
            faults = [answer for answer in answers if isinstance(answer, BaseException)]
            if not faults:
                return dict(zip(asked, answers, strict=True))
            codes = {each.args[0].code() if isinstance(each, KafkaException) else None for each in faults}
            if not codes <= ELECTING or time.monotonic() > deadline:
                raise faults[0]
            await asyncio.sleep(0.1)

    async def _meet_coordinator(self, group: str) -> None:
        """On brokers that never had a group an admin's first question about one is never answered; a consumer's is."""
        if self._met:
            return
        options = self._access.client() | {"group.id": group}

        def meet() -> None:
            consumer = Consumer(options)
            try:
                consumer.committed([TopicPartition(topic, 0) for topic in self._partitions][:1], ANSWER_SECONDS_MAX)
            finally:
                consumer.close()

        await asyncio.to_thread(meet)
        self._met = True

    async def _look(self) -> int:
        """Learn which topics there are; the number of brokers."""
        try:
            async with self._one_question:
                found = await asyncio.to_thread(self.admin.list_topics, timeout=ANSWER_SECONDS_MAX)
        except KafkaException:
            self.admin.poll(0)  # brings what the brokers said
            if self._turned_away:
                raise NotAllowed(f"Kafka does not let {self._access.user} in: {self._turned_away}") from None
            raise
        self._partitions = {name: len(topic.partitions) for name, topic in found.topics.items()}
        return len(found.brokers)


def _lag(reader: Consumer, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """How many messages of each partition the reader's group has still to read."""
    positions = reader.committed([TopicPartition(*partition) for partition in partitions], ANSWER_SECONDS_MAX)
    lag = {}
    for position in map(_sound, positions):
        first, end = _reach(reader, position)
        lag[position.topic, position.partition] = end - max(position.offset, first)  # below 0: it has committed none
    return lag


def _reach(reader: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset of a partition, and the one its next message will have."""
    reach: tuple[int, int] | None = reader.get_watermark_offsets(partition, ANSWER_SECONDS_MAX)
    if reach is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"where {partition.topic} ends was not told in time"))
    return reach


def _first_since(reader: Consumer, moment: TopicPartition) -> int:
    """The offset of the first message since a time (the offset of `moment`, in milliseconds); -1 when there is none."""
    found: int = _sound(reader.offsets_for_times([moment], ANSWER_SECONDS_MAX)[0]).offset
    return found


def _sound(answer: TopicPartition) -> TopicPartition:
    """The answer for one partition, which has its own fault; without a look at it the offset says nothing."""
    if answer.error is not None:
        raise KafkaException(answer.error)
    return answer


def _judge(error: KafkaError, topic: str) -> None:
    if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return
    if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
        raise NotAllowed(f"the topic {topic} is missing, and this user may not make it: make it as one who may")
    raise KafkaException(error)
