"""Identifiers: UUIDv7, so that keys made anywhere sort by the time they were made (RFC 9562, section 5.7)."""

import os
import time
from datetime import datetime
from uuid import UUID

from asyncpg.pgproto import pgproto

TAIL_BYTES = 10  # what follows the time: version, 12 random bits, variant, 62 random bits
DRAWN_AT_ONCE = 256  # tails; a call of the kernel for each would cost more than all the rest
VERSION_AND_VARIANT = int.from_bytes(bytes.fromhex("7000 8000000000000000") * DRAWN_AT_ONCE)
RANDOM = int.from_bytes(bytes.fromhex("0fff 3fffffffffffffff") * DRAWN_AT_ONCE)

_tails: list[bytes] = []
os.register_at_fork(after_in_child=_tails.clear)  # two processes must not use the same


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    if not _tails:
        size = TAIL_BYTES * DRAWN_AT_ONCE
        drawn = (int.from_bytes(os.urandom(size)) & RANDOM | VERSION_AND_VARIANT).to_bytes(size)
        _tails.extend(drawn[at : at + TAIL_BYTES] for at in range(0, size, TAIL_BYTES))
    made: UUID = pgproto.UUID((time.time_ns() // 1_000_000).to_bytes(6) + _tails.pop())  # the type that asyncpg reads
    return made


def first_of(moment: datetime) -> UUID:
    """A UUIDv7 that none made at this moment or later sorts before."""
    return UUID(int=round(moment.timestamp() * 1000) << 80)
