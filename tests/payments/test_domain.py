"""The table of statuses and answers."""

from datetime import timedelta
from itertools import product

import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.payments.domain import (
    SETTLED,
    Outcome,
    Status,
    after,
    charge_key,
    pause,
    read_charge_key,
)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.CAPTURED])
def test_a_capture_is_news_in_every_status_but_captured(status: Status) -> None:
    assert after(status, Outcome.CAPTURED) is Status.CAPTURED


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nothing_follows_a_capture(outcome: Outcome) -> None:
    assert after(Status.CAPTURED, outcome) is None


@pytest.mark.parametrize(
    ("status", "outcome"), [pair for pair in product(SETTLED, Outcome) if pair[1] is not Outcome.CAPTURED]
)
def test_a_settled_payment_is_reopened_by_nothing(status: Status, outcome: Outcome) -> None:
    assert after(status, outcome) is None


@pytest.mark.parametrize("status", list(Status))
def test_an_answer_that_changes_no_status_is_no_news(status: Status) -> None:
    assert all(after(status, outcome) is not status for outcome in Outcome)


def test_pauses_double_up_to_a_minute() -> None:
    pauses = [pause(timedelta(seconds=1), asked).total_seconds() for asked in range(9)]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_charge_key_names_its_attempt() -> None:
    tenant_id, booking_id = uuid7(), uuid7()

    name = read_charge_key(charge_key(tenant_id, booking_id, 3))

    assert name is not None
    assert (name.tenant_id, name.booking_id, name.attempt) == (tenant_id, booking_id, 3)


@pytest.mark.parametrize("key", ["", "a:b:1:charge", f"{uuid7()}:{uuid7()}:-1:charge", f"{uuid7()}:{uuid7()}:1:refund"])
def test_a_strange_key_names_nothing(key: str) -> None:
    assert read_charge_key(key) is None
