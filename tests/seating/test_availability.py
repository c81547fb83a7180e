"""States in two bits: the bytes that clients read."""

from hypothesis import given
from hypothesis import strategies as st

from boxoffice.seating.availability import Counts, counts, pack, places_in, snapshot, unpack

STATES = st.lists(st.integers(0, 3), max_size=70).map(bytes)


def test_the_first_seat_is_in_the_highest_bits() -> None:
    packed = pack(bytes([0, 1, 2, 3, 3]))

    assert packed == bytes([0b00_01_10_11, 0b11_00_00_00])


def test_a_snapshot_begins_with_epoch_and_sequence_big_endian() -> None:
    body = snapshot(1, 258, bytes([2]))

    assert body == bytes([0, 0, 0, 1, 0, 0, 1, 2, 0b10_00_00_00])


@given(STATES)
def test_what_is_packed_can_be_unpacked(states: bytes) -> None:
    packed = pack(states)

    assert unpack(packed, len(states)) == states
    assert len(packed) == (len(states) + 3) // 4


@given(STATES)
def test_a_client_finds_the_state_of_a_seat_by_shifting(states: bytes) -> None:
    packed = pack(states)

    read = bytes((packed[i >> 2] >> (6 - 2 * (i & 3))) & 3 for i in range(len(states)))

    assert read == states


@given(STATES)
def test_counts_and_lists_agree(states: bytes) -> None:
    counted = counts(states)

    assert counted == Counts(*(len(places_in(states, state)) for state in range(4)))
    assert sum(counted) == len(states)
    assert all(states[place] == 1 for place in places_in(states, 1))
