"""Identifiers: UUIDv7, so that keys made anywhere sort by the time they were made (RFC 9562, section 5.7)."""

import os
import time
from datetime import datetime
from uuid import UUID

VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
RANDOM = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | int.from_bytes(os.urandom(10)) & RANDOM | VERSION_AND_VARIANT)


def first_of(moment: datetime) -> UUID:
    """A UUIDv7 that none made at this moment or later sorts before."""
    return UUID(int=round(moment.timestamp() * 1000) << 80)
