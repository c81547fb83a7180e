"""Paging: lists in pages behind an opaque cursor that holds the last row's sort key and id."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec

from boxoffice.kernel.errors import Invalid

T = TypeVar("T")
Row = TypeVar("Row")
Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
CursorText = Annotated[str, msgspec.Meta(max_length=1000)]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What every list takes; a list with filters adds them in a subclass."""

    limit: Limit = 50
    cursor: CursorText | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What every list answers."""

    items: list[T]
    next_cursor: str | None


def cursor(sort_key: Any, id: UUID) -> str:
    """The cursor that continues behind the row with this sort key and id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((sort_key, id))).rstrip(b"=").decode()


def after(text: str | None, kind: type[T]) -> tuple[T, UUID] | None:
    """The sort key, of type `kind`, and the id in a cursor. Raises Invalid `bad_cursor`."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place: tuple[T, UUID] = msgspec.json.decode(raw, type=tuple.__class_getitem__((kind, UUID)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise bad_cursor() from None
    match place[0]:
        case str() as text_key if "\x00" in text_key:
            raise bad_cursor()
        case datetime(tzinfo=None):
            raise bad_cursor()
    return place


def bad_cursor() -> Invalid:
    return Invalid(
        "bad_cursor", "This cursor did not come from us.",
        [{"path": "cursor", "code": "bad_cursor", "detail": "Pass next_cursor as it came."}],
    )  # fmt: skip


def page(rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[Any, UUID]], show: Callable[[Row], T]) -> Page[T]:
    """A page of up to `limit` rows; reading `limit + 1` of them tells whether there are more."""
    shown = rows[:limit]
    more = cursor(*key(shown[-1])) if len(rows) > limit else None
    return Page(items=[show(row) for row in shown], next_cursor=more)
