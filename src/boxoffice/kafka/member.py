"""A member of a group: a consumer on a thread of its own, which reads ahead a little and gives way when told to."""

import asyncio
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from boxoffice.kafka import wire
from boxoffice.kernel.bus.port import Fenced, Portion
from boxoffice.kernel.message import Envelope
from boxoffice.kernel.wake import rest

READ_MESSAGES = 500
PORTION_BYTES = 8_000_000
AHEAD_MESSAGES, AHEAD_BYTES = 1_000, 8_000_000  # read ahead at the most: then the partitions rest until half is gone
POLL_SECONDS, BUSY_POLL_SECONDS = 0.1, 0.005  # busy: work is in hand, whose commit is to leave at once
GIVE_WAY_SECONDS = 10.0  # how long a rebalance waits for work in hand
COMMIT_SECONDS_MAX = 20.0
RESTART_SECONDS = 0.5
LOST = {
    KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.FENCED_INSTANCE_ID,
}  # fmt: skip
PASSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._PARTITION_EOF}  # a topic just made, an end: no trouble
log = structlog.get_logger("bus")

Partition = tuple[str, int]


@dataclass
class Held:
    """A partition this member has: under which generation, what it has read ahead, and whether work is in hand."""

    generation: int
    ahead: deque[tuple[int, Envelope | None]] = field(default_factory=deque)
    in_hand: bool = False


@dataclass
class Commit:
    """Offsets to commit, and who waits for that: told which partitions were refused, or why nobody knows."""

    offsets: dict[Partition, int]
    answer: "asyncio.Future[list[Partition]]"
    sent: bool = False

    def positions(self) -> list[TopicPartition]:
        return [TopicPartition(topic, part, offset) for (topic, part), offset in self.offsets.items()]


class KafkaMember:
    """Implements `bus.port.Member`. Offsets are committed by hand, for partitions it has now and for no others."""

    def __init__(self, group: str, topics: Sequence[str], options: dict[str, Any], *, poll_seconds: float) -> None:
        self.group = group
        self._topics = list(topics)
        self._options = options | {"group.id": group, "on_commit": self._committed, "error_cb": self._troubled}
        self._poll_seconds = poll_seconds
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._one_commit = asyncio.Lock()
        self._lock = threading.Condition()
        self._closing = threading.Event()
        self._held: dict[Partition, Held] = {}
        self._seeks: dict[Partition, tuple[int, Callable[[], None]]] = {}
        self._generations = itertools.count(1)
        self._resting: set[Partition] = set()
        self._asked: Commit | None = None
        self._trouble: KafkaError | None = None
        self._thread = threading.Thread(target=self._live, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    # ── on the loop ──────────────────────────────────────────────────────────────────────────────────────────────────
    async def poll(self, limit: int) -> list[Portion]:
        """Raises KafkaException when the brokers refuse this member."""
        self._news.clear()
        if not any(held.ahead for held in list(self._held.values())):
            trouble, self._trouble = self._trouble, None
            if trouble is not None:
                raise KafkaException(trouble)
            await rest(self._news, self._poll_seconds)
        with self._lock:
            waiting = [(partition, held) for partition, held in self._held.items() if held.ahead]
            among = max(1, len(waiting))
            return [self._portion(p, held, max(1, limit // among), PORTION_BYTES // among) for p, held in waiting]

    async def commit(self, portions: Sequence[Portion]) -> None:
        async with self._one_commit:
            refused = await self._commit({(p.topic, p.part): p for p in portions})
        if refused:
            raise Fenced(refused)

    async def close(self) -> None:
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    async def seek(self, topic: str, part: int, offset: int) -> bool:
        """Read this partition from an offset on, if it is ours; what was read of it before is fenced."""
        done = self._loop.create_future()
        with self._lock:
            if (topic, part) not in self._held:
                return False
            self._seeks[topic, part] = offset, lambda: self._tell(done, True)
        with contextlib.suppress(TimeoutError):
            return bool(await asyncio.wait_for(done, GIVE_WAY_SECONDS))
        return False

    async def _commit(self, portions: dict[Partition, Portion]) -> list[Partition]:
        """The partitions that were lost. Raises when it is not known what became of the commit."""
        with self._lock:
            lost = [p for p, portion in portions.items() if not self._has(p, portion.generation)]
            offsets = {p: portion.next_offset for p, portion in portions.items() if p not in lost}
            if not offsets:
                return lost
            self._asked = commit = Commit(offsets, self._loop.create_future())
            self._lock.notify_all()  # a rebalance may wait for this
        refused = await asyncio.wait_for(commit.answer, COMMIT_SECONDS_MAX)
        with self._lock:
            for partition in offsets:
                if partition not in refused and self._has(partition, portions[partition].generation):
                    self._held[partition].in_hand = False
            for partition in refused:
                self._held.pop(partition, None)
        return lost + refused

    def _has(self, partition: Partition, generation: int) -> bool:
        held = self._held.get(partition)
        return held is not None and held.generation == generation

    def _portion(self, partition: Partition, held: Held, limit: int, bytes_max: int) -> Portion:
        """At least one message, whatever its size."""
        taken: list[tuple[int, Envelope | None]] = []
        size = 0
        while held.ahead and len(taken) < limit and (not taken or size + _size(held.ahead[0]) <= bytes_max):
            taken.append(held.ahead.popleft())
            size += _size(taken[-1])
        held.in_hand = True
        return Portion(
            topic=partition[0], part=partition[1], generation=held.generation, next_offset=taken[-1][0] + 1,
            messages=[message for _, message in taken if message is not None],
        )  # fmt: skip

    # ── on the thread ────────────────────────────────────────────────────────────────────────────────────────────────
    def _live(self) -> None:
        """Consume; a client that can go on no more is replaced by a new one."""
        while not self._closing.is_set():
            try:
                consumer = Consumer(self._options)
                self._resting.clear()
                try:
                    consumer.subscribe(
                        self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
                    )
                    while not self._closing.is_set():
                        self._turn(consumer)
                finally:
                    consumer.close()
                    self._forget(list(self._held))
            except Exception as fault:
                log.warning("consumer_replaced", group=self.group, fault=repr(fault))
                self._closing.wait(RESTART_SECONDS)

    def _turn(self, consumer: Consumer) -> None:
        self._do_seeks(consumer)
        self._rest_or_read(consumer)
        self._send_commit(consumer)
        first = consumer.poll(POLL_SECONDS if not self._in_hand(list(self._held)) else BUSY_POLL_SECONDS)
        if first is not None:
            self._keep([first, *consumer.consume(READ_MESSAGES, 0)])

    def _keep(self, records: Sequence[Message]) -> None:
        for record in records:
            error = record.error()
            if error is not None:
                if error.code() == KafkaError._FATAL or error.fatal():
                    raise KafkaException(error)
                if error.code() not in PASSING:
                    self._troubled(error)
                continue
            with self._lock:
                held = self._held.get((record.topic() or "", record.partition() or 0))
                if held is not None:
                    held.ahead.append((record.offset() or 0, _readable(record)))
        self._tell_news()

    def _rest_or_read(self, consumer: Consumer) -> None:
        """Back-pressure: who has read far enough ahead goes on polling, but gets nothing."""
        with self._lock:
            ours = set(self._held)
            messages = sum(len(held.ahead) for held in self._held.values())
            size = sum(_size(each) for held in self._held.values() for each in held.ahead)
        if messages >= AHEAD_MESSAGES or size >= AHEAD_BYTES:
            self._pause(consumer, ours - self._resting)
        elif messages < AHEAD_MESSAGES / 2 and size < AHEAD_BYTES / 2:
            self._resume(consumer, ours & self._resting)

    def _pause(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        if partitions:
            consumer.pause([TopicPartition(*partition) for partition in partitions])
            self._resting.update(partitions)

    def _resume(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        if partitions:
            consumer.resume([TopicPartition(*partition) for partition in partitions])
            self._resting.difference_update(partitions)

    def _do_seeks(self, consumer: Consumer) -> None:
        with self._lock:
            seeks, self._seeks = self._seeks, {}
            for partition in seeks:
                if partition in self._held:
                    self._held[partition] = Held(next(self._generations))
        for (topic, part), (offset, done) in seeks.items():
            position = TopicPartition(topic, part, offset)
            if (topic, part) in self._held:
                consumer.commit(offsets=[position], asynchronous=False)
                consumer.seek(position)
                done()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._lock:
            for each in partitions:
                self._held[each.topic, each.partition] = Held(next(self._generations))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Let go: what was read ahead is forgotten, and work in hand may end and be committed, but not for ever."""
        leaving = [(each.topic, each.partition) for each in partitions]
        with self._lock:
            for partition in leaving:
                if partition in self._held:
                    self._held[partition].ahead.clear()
            if not self._closing.is_set():
                self._lock.wait_for(lambda: self._asked is not None or not self._in_hand(leaving), GIVE_WAY_SECONDS)
            for partition in leaving:
                self._held.pop(partition, None)
        self._leave_awake(consumer, leaving)
        self._send_commit(consumer)  # it precedes our leaving; to wait here for its answer could wait for ourselves

    def _send_commit(self, consumer: Consumer) -> None:
        """On this thread only, and without the lock: a call from another waits while this one is in a rebalance."""
        with self._lock:
            commit = self._asked
            if commit is None or commit.sent:
                return
            commit.sent = True
        consumer.commit(offsets=commit.positions(), asynchronous=True)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        lost = [(each.topic, each.partition) for each in partitions]
        self._leave_awake(consumer, lost)
        self._forget(lost)

    def _leave_awake(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        """A partition that leaves at rest would still be at rest when it comes back, and nobody would know."""
        self._resume(consumer, self._resting.intersection(partitions))

    def _in_hand(self, partitions: Sequence[Partition]) -> bool:
        return any(partition in self._held and self._held[partition].in_hand for partition in partitions)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        """These are lost, and with them what was to be committed of them."""
        with self._lock:
            for partition in partitions:
                self._held.pop(partition, None)
            if self._asked is not None and self._held.keys().isdisjoint(self._asked.offsets):
                asked, self._asked = self._asked, None
                self._answer(asked, list(asked.offsets))

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """A commit was answered."""
        told = {(each.topic, each.partition): each.offset for each in partitions}
        with self._lock:
            if self._asked is not None and (error is not None or told in ({}, self._asked.offsets)):
                asked, self._asked = self._asked, None
                self._answer(asked, _outcome(error, partitions, asked))

    def _answer(self, commit: Commit, outcome: list[Partition] | KafkaError) -> None:
        if isinstance(outcome, KafkaError):
            self._tell(commit.answer, KafkaException(outcome))
        else:
            self._tell(commit.answer, outcome)

    def _troubled(self, error: KafkaError) -> None:
        self._trouble = error

    def _tell(self, future: "asyncio.Future[Any]", outcome: object) -> None:
        def settle() -> None:
            if not future.done():
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(settle)

    def _tell_news(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)


def _size(read: tuple[int, Envelope | None]) -> int:
    return len(read[1].value) if read[1] is not None else 0


def _outcome(
    error: KafkaError | None, partitions: Sequence[TopicPartition], commit: Commit
) -> list[Partition] | KafkaError:
    """Of a commit's answer: the partitions that were not ours, or why nothing is known."""
    if error is not None:
        return list(commit.offsets) if error.code() in LOST else error
    refused = []
    for each in partitions:
        if each.error is not None:
            if each.error.code() not in LOST:
                return each.error
            refused.append((each.topic, each.partition))
    return refused


def _readable(record: Message) -> Envelope | None:
    """A record that somebody else wrote on our topic is passed over: it would stop all that come after it."""
    try:
        return wire.envelope(record)
    except ValueError as fault:
        log.error(
            "record_not_read", topic=record.topic(), part=record.partition(), offset=record.offset(), fault=str(fault)
        )
        return None
