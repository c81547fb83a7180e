"""What any bus has carried, as tables of a connection, so that one query sees the log in PostgreSQL and Kafka alike.

`carried` has each message once, however often it came; `reading` has the topics of each group.
"""

import asyncio
import json
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from boxoffice.app import described_services
from boxoffice.kafka import wire
from boxoffice.kafka.access import Access
from boxoffice.kafka.topics import Shape, Topics
from boxoffice.kernel.bus import seeks
from boxoffice.messages import TOPICS
from tests.support.waiting import eventually

TABLES = """
    CREATE TEMP TABLE at_kafka (topic text, message_id uuid, tenant_id uuid, key text, type text, headers json,
                                value bytea);
    CREATE TEMP TABLE reading AS
        SELECT DISTINCT a.grp, t.name AS topic FROM bus.assignment a JOIN bus.topic t ON t.id = a.topic;
"""
AT_KAFKA = "INSERT INTO at_kafka VALUES ($1, $2, $3, $4, $5, $6, $7)"
READING = "INSERT INTO reading SELECT $1, $2 EXCEPT SELECT grp, topic FROM reading"
CARRIED = """
    CREATE TEMP TABLE carried AS
        SELECT DISTINCT ON (message_id) topic, message_id, tenant_id, key, type, headers, value
          FROM (SELECT t.name AS topic, message_id, tenant_id, key, type, headers, value
                  FROM bus.log l JOIN bus.topic t ON t.id = l.topic
                UNION ALL SELECT topic, message_id, tenant_id, key, type, headers, value FROM at_kafka) l;
    CREATE INDEX ON carried ((headers ->> 'subject'));
    ANALYZE carried;
"""
REWIND = """
    UPDATE bus.assignment a SET committed = p.log_start, owner = NULL, gen = a.gen + 1, lease_until = NULL
      FROM bus.partition p WHERE (p.topic, p.part) = (a.topic, a.part)
"""
CAUGHT_UP = """
    SELECT NOT EXISTS (SELECT FROM bus.assignment a JOIN bus.partition p USING (topic, part)
                        WHERE a.committed < p.next_off)
"""
NOBODY_HAS_TO_SEEK = "SELECT NOT EXISTS (SELECT FROM bus.seek)"
READ_SECONDS_MAX = 30.0


async def tell(db: Any, kafka: Access | None = None) -> None:
    """Make the tables, with what is on Kafka's topics now."""
    await db.execute(TABLES)
    if kafka is not None:
        await db.executemany(AT_KAFKA, await asyncio.to_thread(_records, kafka))
        await db.executemany(READING, _reading())
    await db.execute(CARRIED)


async def read_again(db: Any, kafka: Access | None = None) -> None:
    """Let every group read all of its topics once more, as after a crash before it committed anything."""
    if kafka is None:
        await db.execute(REWIND)
        await eventually(lambda: db.fetchval(CAUGHT_UP), within=READ_SECONDS_MAX)
        return
    topics = Topics(kafka, Shape())
    for group, topic in _reading():
        for _, part in await topics.lag(group, [topic]):
            await seeks.ask(db, group, topic, part, 0)
    await eventually(lambda: db.fetchval(NOBODY_HAS_TO_SEEK), within=READ_SECONDS_MAX)


async def unread(kafka: Access) -> list[str]:
    """What groups have still to read at Kafka."""
    topics = Topics(kafka, Shape())
    found = []
    for group in {group for group, _ in _reading()}:
        lag = sum((await topics.lag(group, [topic for name, topic in _reading() if name == group])).values())
        found += [f"{lag} messages are unread by {group} at Kafka"] if lag else []
    return found


def _reading() -> list[tuple[str, str]]:
    return [(service.name, topic) for service in described_services() for topic in service.topics]


def _records(kafka: Access) -> list[tuple[Any, ...]]:
    consumer = Consumer(kafka.client() | {"group.id": "invariants", "enable.auto.commit": False})
    try:
        known = consumer.list_topics(timeout=READ_SECONDS_MAX).topics
        partitions = [TopicPartition(t, p, 0) for t in TOPICS if t in known for p in known[t].partitions]
        left = 0
        for each in partitions:
            first, end = consumer.get_watermark_offsets(each, timeout=READ_SECONDS_MAX)
            each.offset = first
            left += end - first
        consumer.assign(partitions)
        rows: list[tuple[Any, ...]] = []
        while len(rows) < left:
            for record in consumer.consume(min(500, left - len(rows)), READ_SECONDS_MAX):  # it waits for so many
                message = wire.envelope(record)
                rows.append(
                    (message.topic, message.id, message.tenant_id, message.key, message.type,
                     json.dumps(dict(message.headers)), message.value)
                )  # fmt: skip
        return rows
    finally:
        consumer.close()
