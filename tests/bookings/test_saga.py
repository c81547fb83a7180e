"""The saga's table: total, and its rows tell the stories they should."""

from boxoffice.bookings.saga import IGNORED, ILLEGAL, ROWS, TABLE, State, Trigger


def test_the_table_has_a_cell_for_every_state_and_trigger() -> None:
    missing = [(state, trigger) for state in State for trigger in Trigger if (state, trigger) not in TABLE]

    assert missing == []


def test_no_cell_is_given_twice() -> None:
    given = [*ROWS, *((s, t) for states, triggers, _ in (*IGNORED, *ILLEGAL) for s in states for t in triggers)]

    assert sorted({cell for cell in given if given.count(cell) > 1}) == []
