"""The saga in every world that is small enough to be searched to the end, and spoiled tables that must not pass.

The bookings, their payments, refunds, timers and wishes are those of `saga_model`; what decides is the production's
`decide` over the production's TABLE.
"""

from collections.abc import Callable
from functools import cache

import pytest

from boxoffice.bookings.saga import TABLE, Illegal, State, Trigger
from tests.model.invariants import ALL_NAMES
from tests.model.mutants import MUTANTS, Mutant
from tests.model.saga_model import Bounds, SagaModel
from tests.model.search import Found, search, told

Say = Callable[[str], None]
SMALL = {
    "two seats, fees": Bounds(wants=((0, 1),), keeps_percent=(0, 50, 100)),
    "two free seats": Bounds(wants=((0, 1),), free=True),
    "refunds refused to the last": Bounds(wants=((0,),), refusals=11),
}
LARGE = {
    "two bookings that overlap in a seat": Bounds(wants=((0, 1), (1,))),
    "two attempts to pay for two seats": Bounds(wants=((0, 1),), attempts=2),
    "two attempts, refunds refused to the last": Bounds(wants=((0,),), attempts=2, refusals=11, at_once=10),
}


@cache
def explored(bounds: Bounds) -> Found:
    return search(SagaModel(bounds, TABLE))


def check(bounds: Bounds, say: Say) -> None:
    found = explored(bounds)

    say(f"\n  {found.worlds:,} states, {found.steps:,} steps: all there are")
    assert found.violation is None, "\n" + told(found.violation)


@pytest.mark.parametrize("bounds", SMALL.values(), ids=SMALL)
def test_in_no_small_world_can_anything_break_a_booking(bounds: Bounds, say: Say) -> None:
    check(bounds, say)


@pytest.mark.prove
@pytest.mark.parametrize("bounds", LARGE.values(), ids=LARGE)
def test_in_no_world_can_anything_break_a_booking(bounds: Bounds, say: Say) -> None:
    check(bounds, say)


@pytest.mark.prove
def test_every_cell_that_is_not_illegal_was_asked() -> None:
    asked = frozenset[tuple[State, Trigger]]().union(*(explored(b).asked for b in (*SMALL.values(), *LARGE.values())))

    assert asked == {cell for cell, content in TABLE.items() if not isinstance(content, Illegal)}


@pytest.mark.prove
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_spoiled_table_is_caught(mutant: Mutant, say: Say) -> None:
    found = search(SagaModel(mutant.world, mutant.table), frozenset({mutant.caught_by}))

    assert mutant.table[mutant.state, mutant.trigger] != TABLE[mutant.state, mutant.trigger]
    assert found.violation is not None, "nobody noticed"
    say(f"\n  {mutant.name}\n{told(found.violation)} after {found.worlds:,} states")


def test_every_invariant_has_a_table_that_breaks_it() -> None:
    assert {mutant.caught_by for mutant in MUTANTS} == ALL_NAMES
