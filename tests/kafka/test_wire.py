"""A message survives its way through a Kafka record, and what is none of ours is told apart."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from confluent_kafka import Message

from boxoffice.kafka import wire
from boxoffice.kernel.message import Envelope

SENT = Envelope(
    id=uuid4(), type="Noted", topic="test.noted", tenant_id=uuid4(), key="someone#3",
    time=datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC), value=b'{"text": "caf\xc3\xa9"}',
    headers={"source": "boxoffice", "subject": "s", "tenantid": "", "traceparent": "00-1-2-01"},
)  # fmt: skip


def record(message: Envelope, headers: list[tuple[str, str | bytes | None]]) -> Message:
    return Message(topic=message.topic, key=message.key.encode(), value=message.value, headers=headers)


def test_a_message_comes_out_of_a_record_as_it_went_in() -> None:
    told = {**SENT.headers, "tenantid": str(SENT.tenant_id)}
    sent = Envelope(**{name: getattr(SENT, name) for name in Envelope.__struct_fields__} | {"headers": told})

    assert wire.envelope(record(sent, wire.headers(sent))) == sent


def test_a_record_is_a_cloud_event_in_binary_form() -> None:
    headers = dict(wire.headers(SENT))

    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == str(SENT.id).encode()
    assert headers["ce_type"] == b"Noted"
    assert headers["ce_source"] == b"boxoffice"
    assert headers["ce_time"] == b"2026-05-01T12:00:00.123456+00:00"
    assert headers["content-type"] == b"application/json"


@pytest.mark.parametrize(
    "headers", [[], [("ce_id", b"no uuid")], [("ce_id", str(uuid4()).encode()), ("ce_tenantid", None)]]
)
def test_a_record_that_no_boxoffice_wrote_is_refused(headers: list[tuple[str, str | bytes | None]]) -> None:
    with pytest.raises(ValueError, match="not a message of ours"):
        wire.envelope(record(SENT, headers))
