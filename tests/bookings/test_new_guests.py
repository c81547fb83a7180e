"""Who comes without a name gets one from auth, which makes so many at once and no more."""

import msgspec
import pytest

from boxoffice.auth.api import GuestsWanted
from boxoffice.bookings.api import GUESTS_AT_ONCE


def test_as_many_guests_are_asked_for_at_once_as_auth_makes() -> None:
    asked = msgspec.convert({"count": GUESTS_AT_ONCE}, GuestsWanted)

    assert asked.count == GUESTS_AT_ONCE
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"count": GUESTS_AT_ONCE + 1}, GuestsWanted)
