"""The relay to Kafka: reads the outbox under a fenced lease, has the brokers confirm each message, then deletes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from boxoffice import failpoint
from boxoffice.kafka import wire
from boxoffice.kafka.access import Access
from boxoffice.kernel import leases, outbox
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope

NAME = "kafka"  # as the carrier (kernel/bus/carrier.py)
LATE_IDS = 5_000  # how far below the newest moved row a transaction that committed late is still found at once
FULL_SCAN_SECONDS = 5.0
BATCH_BYTES_MAX = 8_000_000
DELIVERY_SECONDS_MAX = 20.0  # a leader that moves takes less; what is unconfirmed then is sent again
log = structlog.get_logger("relay")
_headers = msgspec.json.Decoder(dict[str, str])


class Undelivered(Exception):
    """The brokers did not confirm some messages; they stay in the outbox."""


class Relay:
    """Moves the messages of some topics (`topics`; None: of all), one process of all at a time for each `name`."""

    def __init__(
        self, database: Database, access: Access, declare: Callable[[Sequence[str]], Awaitable[None]], *,
        lease: timedelta, name: str = "relay", topics: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._declare = declare
        self._sender = Sender(access)
        self._lease = lease
        self._name = name
        self._topics = None if topics is None else sorted(topics)
        self._owner = uuid7()
        self._epoch: int | None = None
        self._asked_at = 0.0
        self._low = 0
        self._full_scan_at = 0.0

    async def move(self, limit: int) -> int:
        """Raises Undelivered when not all that was read could be delivered; what was is deleted all the same."""
        if not await self._hold():
            return 0
        rows = await self._read(limit)
        if not rows:
            return 0
        await self._declare(list({row["topic"]: None for row in rows}))
        delivered = await self._send(rows)
        async with self._database.system() as db:
            await outbox.delete(db, delivered, self._name, self._owner, self._epoch, NAME)
        if len(delivered) < len(rows):
            raise Undelivered(f"{len(rows) - len(delivered)} of {len(rows)} messages: {self._sender.trouble}")
        self._low = max(self._low, rows[-1]["id"] - LATE_IDS)
        return len(delivered)

    async def close(self) -> None:
        self._sender.close()
        if self._epoch is not None:
            async with self._database.system() as db:
                await leases.give_up(db, self._name, self._owner)

    async def _hold(self) -> bool:
        """Whether the lease is ours; asked of the database a few times in its length."""
        if time.monotonic() - self._asked_at > self._lease.total_seconds() / 4:
            await self._renew()
        return self._epoch is not None

    async def _renew(self) -> None:
        async with self._database.system() as db:
            self._epoch = await leases.take(db, self._name, self._owner, self._lease)
        self._asked_at = time.monotonic()

    async def _read(self, limit: int) -> Sequence[Any]:
        now = time.monotonic()
        if now - self._full_scan_at > FULL_SCAN_SECONDS:
            self._low, self._full_scan_at = 0, now
        async with self._database.system() as db:
            return await outbox.read(db, limit, BATCH_BYTES_MAX, self._low, self._topics, NAME)

    async def _send(self, rows: Sequence[Any]) -> list[int]:
        """The ids of the rows that the brokers confirmed; the lease is renewed meanwhile, for this may take long."""
        with failpoint.around_send():
            sending = asyncio.ensure_future(self._sender.send([(row["id"], _envelope(row)) for row in rows]))
            while not sending.done():
                await asyncio.wait([sending], timeout=self._lease.total_seconds() / 4)
                if not sending.done():
                    await self._renew()
            return sending.result()


class Sender:
    """An idempotent producer on a thread of its own. `trouble` says what went wrong last."""

    def __init__(self, access: Access) -> None:
        self._options = {
            **access.client(),
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "zstd",
            "partitioner": "murmur2",  # of the Java clients, and of the embedded bus
            "message.timeout.ms": 120_000,
            "message.max.bytes": 1_000_000,
            "error_cb": self._note,
        }
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-producer")
        self._producer: Producer | None = None
        self.trouble = ""

    async def send(self, messages: Sequence[tuple[int, Envelope]]) -> list[int]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, messages)

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    def _send(self, messages: Sequence[tuple[int, Envelope]]) -> list[int]:
        """Produce in order and await every report; what has none in time is recalled, and counts as undelivered."""
        self._producer = producer = self._producer or Producer(self._options)
        delivered: list[int] = []
        try:
            for number, message in messages:
                producer.produce(
                    message.topic, message.value, message.key, headers=wire.headers(message),
                    timestamp=wire.timestamp_ms(message.time), on_delivery=partial(self._report, delivered, number),
                )  # fmt: skip
            if producer.flush(DELIVERY_SECONDS_MAX):
                producer.purge(blocking=False)
                producer.flush(1.0)
        except KafkaException as fault:
            self.trouble = str(fault)
            self._producer = None
        except SystemError as fault:  # when the producer can go on no more; it does not always say why, but has told us
            self.trouble = str(fault.__cause__ or self.trouble or fault)
            self._producer = None
        return delivered

    def _report(self, delivered: list[int], number: int, error: KafkaError | None, _: object) -> None:
        if error is None:
            delivered.append(number)
        else:
            self._note(error)

    def _note(self, error: KafkaError) -> None:
        if error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):  # our own doing
            self.trouble = error.str()
        if error.fatal():
            self._producer = None


def _envelope(row: Any) -> Envelope:
    return Envelope(
        id=row["message_id"], type=row["type"], topic=row["topic"], tenant_id=row["tenant_id"], key=row["key"],
        time=row["ts"], headers=_headers.decode(row["headers"]), value=row["value"],
    )  # fmt: skip
