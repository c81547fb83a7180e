"""What counts as a disagreement, and what may just be on its way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.operations.domain import Booked, Kind, Paid, differences, made_at

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
ID = uuid7()


def booked(**changes: Any) -> Booked:
    """A confirmed booking of two seats at 45.00, paid for."""
    facts: dict[str, Any] = {
        "booking_id": ID, "reference": "ABC123", "status": "CONFIRMED", "awaiting": False, "currency": "EUR",
        "captured_minor": 9_000, "refunded_minor": 0, "refunding_minor": 0, "by_hand_minor": 0, "kept_minor": 0,
        "valid_minor": 9_000, "lines": 2, "held": 0, "sold": 2, "hold_until": LONG_AGO, "changed_at": LONG_AGO,
    }  # fmt: skip
    return Booked(**facts | changes)


def paid(captured: int = 9_000, refunded: int = 0, provider: tuple[int, int] | str | None = "the same") -> Paid:
    told = (captured, refunded) if isinstance(provider, str) else provider or (None, None)
    return Paid(
        booking_id=ID, captured_minor=captured, refunded_minor=refunded, provider_captured_minor=told[0],
        provider_refunded_minor=told[1],
    )  # fmt: skip


GONE = {"valid_minor": 0, "lines": 0, "sold": 0}
CANCELLED = {"status": "CANCELLED", **GONE}
PENDING = {
    "status": "PENDING_PAYMENT", "awaiting": True, "captured_minor": 0, "held": 2, "sold": 0,
    "hold_until": NOW + timedelta(minutes=5),
}  # fmt: skip


@pytest.mark.parametrize(
    ("booking", "payment"),
    [
        (booked(), paid()),
        (booked(captured_minor=0, valid_minor=0), None),
        (booked(**CANCELLED, refunded_minor=9_000), paid(refunded=9_000)),
        (booked(**CANCELLED, refunded_minor=8_000, kept_minor=1_000), paid(refunded=8_000)),
        (booked(**CANCELLED, by_hand_minor=9_000), paid()),
        (booked(**CANCELLED, captured_minor=0), None),
        (booked(status="REFUNDING", valid_minor=0, refunding_minor=9_000), paid()),
        (booked(status="REFUNDING", refunding_minor=9_000, held=2, sold=0), paid(refunded=9_000)),
        (booked(valid_minor=4_500, lines=1, sold=1, refunded_minor=4_500), paid(refunded=4_500)),
        (booked(captured_minor=18_000, refunded_minor=9_000), paid(18_000, 9_000)),
        (booked(), paid(provider=None)),
        (booked(**PENDING), None),
    ],
)
def test_what_belongs_together_is_no_disagreement(booking: Booked, payment: Paid | None) -> None:
    assert differences(booking, payment, NOW) == []


@pytest.mark.parametrize(
    ("booking", "payment", "kinds"),
    [
        (None, paid(), [Kind.CAPTURED_WITHOUT_BOOKING]),
        (booked(**CANCELLED, captured_minor=0), paid(), [Kind.CAPTURED_WITHOUT_BOOKING]),
        (booked(), paid(18_000), [Kind.CAPTURED_WITHOUT_BOOKING]),
        (booked(), None, [Kind.BOOKING_WITHOUT_CAPTURE]),
        (booked(captured_minor=0), None, [Kind.BOOKING_WITHOUT_CAPTURE]),
        (booked(**CANCELLED, refunded_minor=9_000), paid(), [Kind.REFUND_MISSING]),
        (booked(**CANCELLED), paid(), [Kind.REFUND_MISSING]),
        (booked(**CANCELLED, refunded_minor=4_500), paid(refunded=4_500), [Kind.REFUND_MISSING]),
        (booked(), paid(refunded=9_000), [Kind.REFUND_UNKNOWN]),
        (booked(**CANCELLED, by_hand_minor=9_000), paid(refunded=9_000), [Kind.REFUND_UNKNOWN]),
        (booked(), paid(provider=(0, 0)), [Kind.PROVIDER_DIFFERS]),
        (booked(), paid(provider=(9_000, 9_000)), [Kind.PROVIDER_DIFFERS]),
        (None, paid(0, 0, provider=(9_000, 0)), [Kind.PROVIDER_DIFFERS]),
        (booked(sold=1), paid(), [Kind.SEAT_DIFFERS]),
        (booked(sold=0, held=2), paid(), [Kind.SEAT_DIFFERS]),
        (booked(**CANCELLED | {"sold": 2}, refunded_minor=9_000), paid(refunded=9_000), [Kind.SEAT_DIFFERS]),
        (booked(**PENDING | {"held": 1}), None, [Kind.SEAT_DIFFERS]),
        (booked(sold=1), None, [Kind.BOOKING_WITHOUT_CAPTURE, Kind.SEAT_DIFFERS]),
    ],
)
def test_each_disagreement_has_its_kind_and_the_gravest_comes_first(
    booking: Booked | None, payment: Paid | None, kinds: list[Kind]
) -> None:
    later = max(NOW, made_at(ID) + timedelta(hours=1))

    assert differences(booking, payment, later if booking is None else NOW) == kinds


def test_what_changed_just_now_may_still_be_on_its_way() -> None:
    fresh = booked(captured_minor=0, changed_at=NOW - timedelta(seconds=59))

    assert differences(fresh, paid(), NOW) == []
    assert differences(fresh, paid(), NOW + timedelta(seconds=1)) != []


def test_a_payment_of_a_booking_that_is_just_being_made_is_no_disagreement() -> None:
    made = made_at(ID)

    assert differences(None, paid(), made + timedelta(seconds=59)) == []
    assert differences(None, paid(), made + timedelta(seconds=61)) == [Kind.CAPTURED_WITHOUT_BOOKING]


def test_money_is_not_compared_while_a_payment_is_awaited() -> None:
    pending = booked(**PENDING)
    overdue = booked(**PENDING | {"hold_until": NOW - timedelta(seconds=60)})

    assert differences(pending, paid(), NOW) == []
    assert differences(overdue, paid(), NOW) == [Kind.CAPTURED_WITHOUT_BOOKING]


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)

    made = made_at(uuid7())

    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)
