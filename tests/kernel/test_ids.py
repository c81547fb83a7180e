"""Identifiers are UUIDv7 of the moment they were made, and no two are the same, in whatever process."""

import subprocess
import sys
import time

from boxoffice.kernel.ids import DRAWN_AT_ONCE, uuid7

FORKED = """
import os
from boxoffice.kernel.ids import uuid7
uuid7()
child = os.fork()
print(str(uuid7())[14:], flush=True)
if child:
    os.waitpid(child, 0)
"""


def test_an_identifier_is_a_uuid_of_version_7_of_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(2 * DRAWN_AT_ONCE + 1)]
    after = time.time_ns() // 1_000_000

    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert all(before <= each.int >> 80 <= after for each in made)
    assert len({each.int & (1 << 62) - 1 for each in made}) == len(made)


def test_a_forked_process_makes_others_than_its_parent() -> None:
    lines = subprocess.run([sys.executable, "-c", FORKED], check=True, capture_output=True, text=True).stdout.split()

    assert len(lines) == 2
    assert lines[0] != lines[1]
