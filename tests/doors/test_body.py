"""Bodies: strict JSON, and errors that tell where without repeating what."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxoffice.doors.body import Count, Instant, parse
from boxoffice.kernel.errors import Invalid, Malformed


class Row(msgspec.Struct, forbid_unknown_fields=True):
    label: str


class Zone(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Row]


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    zones: list[Zone] = []
    name: str = ""
    seats: Count = 0
    ratio: float = 0.0
    at: Instant | None = None
    extra: Any = None


class Named(msgspec.Struct, forbid_unknown_fields=True):
    name: str


def nested(depth: int) -> bytes:
    return b'{"extra":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_a_good_body_is_read() -> None:
    plan = parse(b'{"zones": [{"rows": [{"label": "A"}]}], "name": "Gr\xc3\xbcne \\u00e9 \\ud83c\\udfad"}', Plan)

    assert plan.zones[0].rows[0].label == "A"
    assert plan.name == "Grüne é 🎭"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nonsense", b'{"name": "a"} trailing', b"{'name': 'a'}", b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "\xff"}', b'{"name": "a", "name": "b"}', b'{"extra": {"a": 1, "a": 1}}',
        b'{"name": "a", "n\\u0061me": "b"}', b'{"ratio": NaN}', b'{"ratio": Infinity}', b'{"ratio": -Infinity}',
        b'{"name": "\\u0000"}', b'{"extra": {"\\u0000": 1}}', b'{"name": "\x00"}', b'{"name": "\n"}',
        b'{"name": "\\ud800"}', b'{"name": "\\udc00 and more"}', b'{"extra": "\\ud800\\ud800"}',
        nested(33), nested(5_000), nested(100_000), b'{"seats": ' + b"1" * 5_000 + b"}",
        '{"name": "a"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        parse(raw, Named if raw == b"" else Plan)

    assert refusal.value.code == "malformed_body"


def test_thirty_two_levels_are_read() -> None:
    assert parse(nested(32), Plan).extra is not None


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse(b'{"name": "\\\\u0000"}', Plan).name == "\\u0000"


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        (b'{"zones": [{"rows": [{"label": "A"}, {"label": 7}]}]}', "zones[0].rows[1].label", "wrong_type"),
        (b'{"zones": [{"rows": [{}]}]}', "zones[0].rows[0].label", "missing_field"),
        (b'{"zones": [{"rows": [], "gate": 1}]}', "zones[0].gate", "unknown_field"),
        (b'{"tenant_id": 1}', "tenant_id", "unknown_field"),
        (b'{"<script>": 1}', "", "unknown_field"),
        (b'{"seats": -1}', "seats", "out_of_range"),
        (b'{"seats": 4294967296}', "seats", "out_of_range"),
        (b'{"seats": 99999999999999999999}', "", "out_of_range"),
        (b'{"extra": [99999999999999999999]}', "", "out_of_range"),
        (b'{"seats": 1.5}', "seats", "wrong_type"),
        (b'{"seats": "1"}', "seats", "wrong_type"),
        (b'{"seats": true}', "seats", "wrong_type"),
        (b'{"ratio": 1e400}', "ratio", "out_of_range"),
        (b'{"extra": 1e400}', "extra", "out_of_range"),
        (b'{"at": "2026-01-01T00:00:00"}', "at", "bad_value"),
        (b'{"at": "soon"}', "at", "bad_value"),
        (b"[]", "", "wrong_type"),
        (b"null", "", "wrong_type"),
    ],
)
def test_a_bad_value_is_named_by_its_path(raw: bytes, path: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(raw, Plan)

    assert refusal.value.code == "invalid_body"
    (error,) = refusal.value.members["errors"]
    assert (error["path"], error["code"]) == (path, code)


def test_an_empty_body_stands_for_an_empty_object_where_nothing_is_required() -> None:
    assert parse(b"", Plan) == Plan()


def test_no_error_repeats_what_was_sent() -> None:
    class Choice(msgspec.Struct):
        kind: str | int
        role: msgspec.UnsetType | Any = msgspec.UNSET

    with pytest.raises(Invalid) as refusal:
        parse(b'{"kind": ["4111111111111111"]}', Choice)

    assert "4111" not in json.dumps(refusal.value.members)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_can_do_more_than_be_refused(raw: bytes) -> None:
    with contextlib.suppress(Malformed, Invalid):  # anything else fails the test
        parse(raw, Plan)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*Plan.__struct_fields__, "other"), json_values)))
def test_no_json_can_do_more_than_be_refused(value: dict[str, Any]) -> None:
    raw = json.dumps(value).encode()

    try:
        plan = parse(raw, Plan)
    except (Malformed, Invalid):
        return

    kept = msgspec.json.encode(plan)  # whatever was let in can be written again, as UTF-8 and without NUL
    assert b"\\u0000" not in kept.replace(b"\\\\", b"")


CARDS = [
    "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "my card is 4242424242424242.",
    "5555555555554444", "378282246310005", "3782 822463 10005", "30569309025904", "4222222222222",
    "6011000990139424", "6304000000000000000", "Card:4111111111111111/12/27", "row 12 4111 1111 1111 1111",
    "card-4111-1111-1111-1111", "4111\u00a01111\u00a01111\u00a01111", "４１１１１１１１１１１１１１１１",
    "٤١١١١١١١١١١١١١١١", "4111 1111 1111 1111 2027",
]  # fmt: skip
NO_CARDS = [
    "4111111111111112", "411111111111", "41111111111111111111", "1732300000000", "0000000000000000", "room 4711",
    "019a1b2c-4111-7111-8111-111111111111", "41111111-1111-7111-8111-111111111111", "2026-06-01 - 2026-06-03",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "+49 30 901820", "sha256:4111111111111111aa", "T1.4111111111111111abc.x",
]  # fmt: skip


@pytest.mark.parametrize("text", CARDS)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_card_number_is_refused_in_any_text_and_not_repeated(text: str, escaped: bool) -> None:
    raw = json.dumps({"zones": [{"rows": [{"label": "A"}, {"label": text}]}]}, ensure_ascii=False).encode()
    if escaped:
        raw = b'{"zones": [{"rows": [{"label": "A"}, {"label": "%s"}]}]}' % (
            "".join(f"\\u{ord(each):04x}" for each in text).encode()
        )

    with pytest.raises(Invalid) as refusal:
        parse(raw, Plan)

    assert [(error["path"], error["code"]) for error in refusal.value.members["errors"]] == [
        ("zones[0].rows[1].label", "card_number")
    ]
    assert not any(digit in json.dumps(refusal.value.members).replace("[0]", "").replace("[1]", "") for digit in "0123")


@pytest.mark.parametrize("text", NO_CARDS)
def test_what_only_looks_like_a_card_number_is_read(text: str) -> None:
    assert parse(json.dumps({"name": text}).encode(), Named).name == text


def test_a_card_number_as_a_name_is_refused_too() -> None:
    with pytest.raises(Invalid) as refusal:
        parse(b'{"extra": {"4111111111111111": {"x": "4111111111111111"}}}', Plan)

    assert "4111" not in json.dumps(refusal.value.members)
