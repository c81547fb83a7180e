"""What buyers see of a fault, as a table: the tests hold the platform to it, and docs/resilience.md is written from it.

`python -m tests.resilience.matrix > docs/resilience.md`
"""

from enum import Enum

VERBS = ("browse", "hold", "book", "confirm", "cancel")
FAULTS = ("down", "slow", "reset", "blackhole")


class Cell(Enum):
    """What a buyer sees of one verb; the value is how the page says it."""

    WORKS = "works"
    SLOWER = "works, slower"
    SHARED = "works, `exclusive: false`"
    REFUSED = "503"
    EITHER = "works, slower, or 503"
    WAITS = "waits"
    LATER = "later, or waits"


WORKS, SLOWER, SHARED, REFUSED, EITHER, WAITS, LATER = Cell
Row = tuple[Cell, Cell, Cell, Cell, Cell]

# fmt: off
MATRIX: dict[tuple[str, str], Row] = {
    #                            browse   hold     book     confirm  cancel
    ("PostgreSQL", "down"):      (REFUSED, REFUSED, REFUSED, WAITS,   REFUSED),
    ("PostgreSQL", "slow"):      (EITHER,  EITHER,  EITHER,  LATER,   EITHER),
    ("PostgreSQL", "reset"):     (REFUSED, REFUSED, REFUSED, WAITS,   REFUSED),
    ("PostgreSQL", "blackhole"): (REFUSED, REFUSED, REFUSED, WAITS,   REFUSED),
    ("Valkey", "down"):          (WORKS,   SHARED,  WORKS,   WORKS,   WORKS),
    ("Valkey", "slow"):          (WORKS,   SHARED,  WORKS,   WORKS,   WORKS),
    ("Valkey", "reset"):         (WORKS,   SHARED,  WORKS,   WORKS,   WORKS),
    ("Valkey", "blackhole"):     (WORKS,   SHARED,  WORKS,   WORKS,   WORKS),
    ("bus", "down"):             (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("bus", "slow"):             (WORKS,   WORKS,   WORKS,   LATER,   LATER),
    ("bus", "reset"):            (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("bus", "blackhole"):        (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("provider", "down"):        (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("provider", "slow"):        (WORKS,   WORKS,   WORKS,   SLOWER,  SLOWER),
    ("provider", "reset"):       (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("provider", "blackhole"):   (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("worker", "down"):          (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("worker", "slow"):          (WORKS,   WORKS,   WORKS,   LATER,   LATER),
    ("worker", "reset"):         (WORKS,   WORKS,   WORKS,   LATER,   LATER),
    ("worker", "blackhole"):     (WORKS,   WORKS,   WORKS,   WAITS,   WAITS),
    ("mail", "down"):            (WORKS,   WORKS,   WORKS,   WORKS,   WORKS),
    ("mail", "slow"):            (WORKS,   WORKS,   WORKS,   WORKS,   WORKS),
    ("mail", "reset"):           (WORKS,   WORKS,   WORKS,   WORKS,   WORKS),
    ("mail", "blackhole"):       (WORKS,   WORKS,   WORKS,   WORKS,   WORKS),
}
# fmt: on

INTRODUCTION = """\
<!-- Written by `python -m tests.resilience.matrix`; do not edit. -->

# What buyers see when a part fails

Each row is one fault, switched on under a running platform; each cell says what a buyer sees meanwhile. The
[tests](../tests/resilience/test_matrix.py) drive a web process and a worker through the public API with a
[proxy](../tests/support/proxy.py) before each server, hold every cell to this table, then end the fault and wait: with
nobody's help everything that was begun comes to its end, what was refused works again, mail has arrived, and all
[invariants](../tests/support/invariants.py) hold.
"""
MEANINGS = """\
## The words

- **works**: as ever. **works, slower**: it takes at least as long as the fault adds.
- **works, `exclusive: false`**: the hold is not exclusive; the claim at the booking decides, and no seat is sold twice.
- **503**: a problem document with `Retry-After`, within {limit:g} s. The same request works again after recovery; a
  booking with the same `Idempotency-Key` is made once.
- **works, slower, or 503**: what needs few round trips ends in time, the rest is refused.
- **waits**: accepted, and not done while the fault lasts; it ends by itself after recovery. The buyer's page says so.
- **later, or waits**: accepted; it may still end during the fault, and does at the latest after it.

*browse* reads the events, one of them and its availability. *hold* takes a seat, *book* books one that was held before
the fault. *confirm* is a paid booking that had just been made when the fault began. *cancel* gives a confirmed booking
back, with its refund.

## The faults

- **down**: connections are reset, new ones refused. **slow**: each answer comes 2 s late. **reset**: every connection
  is reset as soon as it is made. **blackhole**: connections stand and new ones are taken, but nothing passes.
- **PostgreSQL** is the database of all processes, and with it the simulated bank's books.
- **bus**: the embedded bus is tables in PostgreSQL, so its fault is that of the worker's connections to PostgreSQL: the
  relay, the consumers, the timers and the senders are cut off while web processes are well.
- **provider**: the Stripe-compatible simulator, for a tenant that has chosen Stripe; its webhooks still come.
- **worker**: *down* is stopped, *reset* is killed and started again, *blackhole* is halted by SIGSTOP, *slow* is halted
  for 2 s at a time.
- **mail**: the SMTP server.
"""
LIMIT_SECONDS = 30.0


def page() -> str:
    """docs/resilience.md."""
    lines = [INTRODUCTION, f"| | fault | {' | '.join(VERBS)} |", f"|---|---|{'---|' * len(VERBS)}"]
    for (part, fault), row in MATRIX.items():
        name = part if fault == FAULTS[0] else ""
        lines.append(f"| {name} | {fault} | {' | '.join(cell.value for cell in row)} |")
    return "\n".join([*lines, "", MEANINGS.format(limit=LIMIT_SECONDS)])


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
