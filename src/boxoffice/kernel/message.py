"""Messages: what travels between services, and the envelope it travels in (CloudEvents attributes as headers)."""

from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

MAX_VALUE_BYTES = 900_000


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A fact, in the past tense. Subclasses name their topic; `subject` is the aggregate whose order is kept."""

    topic: ClassVar[str]
    schema_version: ClassVar[int] = 1

    @property
    def subject(self) -> UUID:
        """The aggregate this message is about; messages of one subject keep their order."""
        raise TypeError(f"{type(self).__name__} names no subject")


M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message on the wire: its routing, its headers, its JSON value."""

    id: UUID
    type: str
    topic: str
    tenant_id: UUID
    key: str
    time: datetime
    headers: dict[str, str]
    value: bytes

    @property
    def subject(self) -> str:
        """The aggregate this message is about; a stranger's message without one is kept in order by its key."""
        return self.headers.get("subject", self.key)


class Received(Generic[M_co]):
    """A message as a handler sees it: the body, and the envelope it came in."""

    __slots__ = ("body", "envelope")

    def __init__(self, envelope: Envelope, body: M_co) -> None:
        self.envelope = envelope
        self.body = body

    @property
    def id(self) -> UUID:
        return self.envelope.id


def partition_hash(key: str) -> int:
    """Kafka's murmur2 of the UTF-8 key, made positive: partition = partition_hash(key) % partitions on every bus."""
    data = key.encode()
    length = len(data)
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    tail = data[length - length % 4 :]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    h ^= h >> 15
    return h & 0x7FFFFFFF


def encode(message: Message) -> bytes:
    """The message's JSON value. Raises ValueError when it exceeds 900 kB, the size every bus takes."""
    value = msgspec.json.encode(message)
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"{type(message).__name__} is {len(value)} bytes; the bus takes {MAX_VALUE_BYTES}")
    return value


def decode(kind: type[M], value: bytes) -> M:
    """The message of a JSON value. Raises msgspec.ValidationError when it is not one of `kind`."""
    return _decoder(kind).decode(value)  # type: ignore[no-any-return]


@cache
def _decoder(kind: type[Message]) -> Any:
    return msgspec.json.Decoder(kind)
