"""The state of every place: one byte each in memory, two bits each on the wire."""

import re
import struct
from typing import NamedTuple

AVAILABLE, HELD, SOLD, BLOCKED = range(4)

HEADER = struct.Struct(">II")
"""u32 epoch, u32 seq, big-endian; then two bits per seat, the most significant first."""

_UNPACK = tuple(bytes((packed >> shift) & 3 for packed in range(256)) for shift in (6, 4, 2, 0))


class Counts(NamedTuple):
    """How many places are in each state."""

    available: int
    held: int
    sold: int
    blocked: int


def pack(states: bytes | bytearray) -> bytes:
    """Two bits per place, four places a byte, the first in the highest bits; the last byte is filled with zeros."""
    padded = bytes(states) + bytes(-len(states) % 4)
    first, second, third, fourth = (int.from_bytes(padded[lane::4], "little") for lane in range(4))
    return (first << 6 | second << 4 | third << 2 | fourth).to_bytes(len(padded) // 4, "little")


def unpack(packed: bytes, seats: int) -> bytearray:
    """The inverse of `pack`: one byte per place."""
    states = bytearray(len(packed) * 4)
    for lane, table in enumerate(_UNPACK):
        states[lane::4] = packed.translate(table)
    del states[seats:]
    return states


def snapshot(epoch: int, seq: int, states: bytes | bytearray) -> bytes:
    """The binary answer of GET …/availability."""
    return HEADER.pack(epoch, seq) + pack(states)


def counts(states: bytes | bytearray) -> Counts:
    """How many places are available, held, sold and blocked."""
    held, sold, blocked = states.count(HELD), states.count(SOLD), states.count(BLOCKED)
    return Counts(len(states) - held - sold - blocked, held, sold, blocked)


def places_in(states: bytes | bytearray, state: int) -> list[int]:
    """The numbers of all places in one state, ascending."""
    return [found.start() for found in re.finditer(re.escape(bytes((state,))), states)]
