"""Paging: cursors that come back as they were given, and no others."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxoffice.doors.paging import after, cursor, page
from boxoffice.kernel.errors import Invalid
from boxoffice.kernel.ids import uuid7


def test_a_cursor_comes_back_as_its_sort_key_and_id() -> None:
    at, id = datetime.now(UTC), uuid7()

    assert after(cursor(at, id), datetime) == (at, id)
    assert after(None, datetime) is None


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_cursor_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        after(text, datetime)

    assert refusal.value.code == "bad_cursor"


def test_a_cursor_of_another_list_or_with_nul_is_refused() -> None:
    for text, kind in ((cursor("name", uuid7()), datetime), (cursor("a\x00", uuid7()), str)):
        with pytest.raises(Invalid):
            after(text, kind)


def test_a_page_has_a_cursor_only_if_more_rows_follow() -> None:
    rows = [(number, uuid7()) for number in range(4)]

    first = page(rows[:3], 2, key=lambda row: row, show=lambda row: row[0])
    last = page(rows[2:], 2, key=lambda row: row, show=lambda row: row[0])

    assert first.items == [0, 1]
    assert after(first.next_cursor, int) == rows[1]
    assert (last.items, last.next_cursor) == ([2, 3], None)
