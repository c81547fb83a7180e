"""The saga's table: a cell for everything, each of them meant; what it says is searched in tests/model."""

from uuid import UUID

from boxoffice.bookings.decide import MAX_ATTEMPTS, Requested, RetryRequested, Saga, decide
from boxoffice.bookings.saga import IGNORED, ILLEGAL, ROWS, TABLE, Ignored, Illegal, Row, State, Trigger
from boxoffice.messages import PaymentFailed


def test_the_table_has_a_cell_for_every_state_and_trigger() -> None:
    assert set(TABLE) == {(state, trigger) for state in State for trigger in Trigger}


def test_a_cell_acts_or_says_why_it_does_not() -> None:
    for cell in TABLE.values():
        assert isinstance(cell, Row) or (type(cell) in (Ignored, Illegal) and len(cell.reason.split()) > 2)


def test_no_cell_is_given_twice() -> None:
    given = [*ROWS, *((s, t) for states, triggers, _ in (*IGNORED, *ILLEGAL) for s in states for t in triggers)]

    assert sorted({cell for cell in given if given.count(cell) > 1}) == []


def test_a_booking_may_be_paid_for_five_times_and_the_fifth_decline_ends_it() -> None:
    saga = decide(Saga(total_minor=100), Requested("pm_1")).saga
    states = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        saga = decide(saga, PaymentFailed(booking_id=UUID(int=1), attempt=attempt, retryable=True, reason="funds")).saga
        states.append(saga.state)
        if attempt < MAX_ATTEMPTS:
            saga = decide(saga, RetryRequested("pm_1")).saga

    assert states == [*[State.PENDING_PAYMENT] * 4, State.FAILED]
