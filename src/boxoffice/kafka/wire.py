"""A message as a Kafka record: CloudEvents' binary form, every attribute a header."""

from datetime import datetime
from typing import Any
from uuid import UUID

from confluent_kafka import Message

from boxoffice.kernel.message import Envelope

ATTRIBUTE = "ce_"
FIXED = (("ce_specversion", b"1.0"), ("content-type", b"application/json"))
OWN = {"ce_id", "ce_type", "ce_time", "ce_specversion"}


def headers(message: Envelope) -> list[tuple[str, str | bytes | None]]:
    """The record's headers."""
    own = {"id": str(message.id), "type": message.type, "time": message.time.isoformat()}
    return [*FIXED, *((ATTRIBUTE + name, value.encode()) for name, value in (own | message.headers).items())]


def timestamp_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def envelope(record: Message) -> Envelope:
    """The message of a record. Raises ValueError for one that no boxoffice wrote."""
    found: dict[str, Any] = dict(record.headers() or ())
    try:
        told = {name: bytes(value).decode() for name, value in found.items() if name.startswith(ATTRIBUTE)}
        return Envelope(
            id=UUID(told["ce_id"]), type=told["ce_type"], topic=record.topic() or "",
            tenant_id=UUID(told["ce_tenantid"]), key=(record.key() or b"").decode(),
            time=datetime.fromisoformat(told["ce_time"]), value=record.value() or b"",
            headers={name[len(ATTRIBUTE) :]: value for name, value in told.items() if name not in OWN},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message of ours: {error!r}") from error
