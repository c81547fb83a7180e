"""What is accepted as a seat plan, what is refused, and where the refusal points."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from boxoffice.seating.parse import PlanInvalid, expand_numbers, parse
from tests.seating.plans import HALL, Document, document, documents, row, standing, table, zone


def problems(invalid: Any) -> list[tuple[str, str]]:
    with pytest.raises(PlanInvalid) as caught:
        parse(invalid)
    return [(problem.path, problem.code) for problem in caught.value.problems]


def test_bytes_and_a_decoded_document_make_the_same_plan() -> None:
    plan = parse(HALL)

    again = parse(msgspec.json.encode(HALL))

    assert (again.document, again.hash) == (plan.document, plan.hash)


def test_the_hash_does_not_depend_on_the_order_of_members_or_on_spaces() -> None:
    spaced = msgspec.json.format(msgspec.json.encode(dict(reversed(HALL.items()))), indent=4)

    plan = parse(spaced)

    assert plan.hash == parse(HALL).hash
    assert len(plan.hash) == 64


def test_the_hash_depends_on_every_seat() -> None:
    one, other = document(zone(row("1..5"))), document(zone(row("1..6")))

    hashes = {parse(one).hash, parse(other).hash}

    assert len(hashes) == 2


def test_the_canonical_form_says_what_was_said_and_nothing_else() -> None:
    plan = parse(HALL)

    served = msgspec.json.decode(plan.document)

    assert served["zones"][0]["rows"] == HALL["zones"][0]["rows"]
    assert served["focal"] == HALL["focal"]
    assert "level" not in served["zones"][1]


@given(documents())
def test_the_canonical_form_of_any_plan_is_its_own_canonical_form(drawn: Document) -> None:
    plan = parse(drawn)

    again = parse(plan.document)

    assert (again.document, again.hash) == (plan.document, plan.hash)
    assert list(again.labels()) == list(plan.labels())


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("1..4", ["1", "2", "3", "4"]),
        ("1..7:2", ["1", "3", "5", "7"]),
        ("1..8:3", ["1", "4", "7"]),
        ("5..2", ["5", "4", "3", "2"]),
        ("7", ["7"]),
        (["1", "2", "2a"], ["1", "2", "2a"]),
    ],
)
def test_numbers_are_a_range_or_a_list(numbers: str | list[str], expected: list[str]) -> None:
    expanded = expand_numbers(numbers)

    assert expanded is not None
    assert [str(number) for number in expanded] == expected


@pytest.mark.parametrize("numbers", ["", "A..D", "1..", "1..4:0", "-1..4", "1...4", "1..4\n", "1,2", "²..³", "9" * 20])
def test_other_spellings_of_numbers_are_refused(numbers: str) -> None:
    plan = document(zone(row("1..2"), row(numbers, "B")))

    found = problems(plan)

    assert found == [("zones[0].rows[1].numbers", "invalid_value")]


@pytest.mark.parametrize(
    ("plan", "path", "code"),
    [
        ({**HALL, "colour": "red"}, "colour", "unknown_field"),
        (document(zone({**row("1..2"), "price": 5})), "zones[0].rows[0].price", "unknown_field"),
        ({"format": "seatplan/1", "categories": []}, "zones", "missing_field"),
        (document(zone({"label": "A", "numbers": "1..2"})), "zones[0].rows[0].category", "missing_field"),
        (document({"key": "Hall", "rows": []}), "zones[0].kind", "missing_field"),
        ({**HALL, "format": "seatplan/2"}, "format", "invalid_value"),
        (document({"kind": "box", "key": "B"}), "zones[0].kind", "invalid_value"),
        (document(zone(row("1..2", xy=[0, 0, 1.5, 0]))), "zones[0].rows[0].xy[2]", "invalid_value"),
        (document(zone(row("1..2", xy=[0, 0, 10**7, 0]))), "zones[0].rows[0].xy[2]", "invalid_value"),
        (document(zone(row("1..2", xy=[10**6, 0, 1, 0]))), "zones[0].rows[0].xy", "invalid_value"),
        (document(zone(row("1..3", xy=[0, 0, 1, 0]))), "zones[0].rows[0].xy", "wrong_length"),
        (document({**standing(5), "outline": [1, 2, 3]}), "zones[0].outline", "wrong_length"),
        (document(zone(row("1..2", category="nope"))), "zones[0].rows[0].category", "unknown_category"),
        (
            document(zone(row("1..5", category=["gold", 2, "nope", 3]))),
            "zones[0].rows[0].seats[2].category",
            "unknown_category",
        ),
        (document(standing(5, category="nope")), "zones[0].category", "unknown_category"),
        (document(table(5, category="nope")), "zones[0].category", "unknown_category"),
        (document(zone(row("1..5", category=["gold", 2]))), "zones[0].rows[0].category", "wrong_length"),
        (document(zone(row("1..5", category=["gold", 6]))), "zones[0].rows[0].category", "wrong_length"),
        (document(zone(row("1..5", category=["gold", 5, "gold"]))), "zones[0].rows[0].category", "wrong_length"),
        (document(zone(row("1..5", flags={"9": "aisle"}))), "zones[0].rows[0].flags", "unknown_seat"),
        (document(zone(row("1..5", flags={"1": "throne"}))), "zones[0].rows[0].flags", "invalid_value"),
        (document(), "zones", "empty_plan"),
        (document(zone()), "zones[0].rows", "empty_zone"),
        (document(zone(row([]))), "zones[0].rows[0].numbers", "empty_row"),
        (document(standing(0)), "zones[0].capacity", "invalid_value"),
        (document(zone(row("1..2")), zone(row("1..2", "B"))), "zones[1].key", "duplicate_zone"),
        ({**HALL, "categories": HALL["categories"] * 2}, "categories[2].key", "duplicate_category"),
        (document(zone(row(["1", "1"]))), "zones[0].rows[0].numbers", "duplicate_label"),
        (document(zone(row("1..9"), row("9..12"))), "zones[0].rows[1].numbers", "duplicate_label"),
        (document(zone(row("2", "A, seat 1"), row(["1, seat 2"], "A"))), "zones[0].rows[1].numbers", "duplicate_label"),
        (document(zone(row("1..2", "A\n"))), "zones[0].rows[0].label", "invalid_value"),
        ([], "", "invalid_value"),
        (b"{", "", "malformed"),
        (b"\xff", "", "malformed"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_path_of_what_is_wrong(plan: Any, path: str, code: str) -> None:
    found = problems(plan)

    assert (path, code) in found


def test_two_rows_of_one_name_are_one_row_in_two_parts() -> None:
    plan = parse(document(zone(row("1..4"), row("5..8"))))

    labels = list(plan.labels())

    assert labels == [f"Row A, seat {number}" for number in range(1, 9)]


def test_a_hundred_thousand_seats_are_accepted_and_one_more_is_refused() -> None:
    full = document(standing(99_999), zone(row("1..1")))
    over = document(standing(99_999), zone(row("1..2")))

    plan, found = parse(full), problems(over)

    assert plan.seats == 100_000
    assert found == [("zones[1].rows[0].numbers", "too_many_seats")]


def test_a_range_of_a_million_numbers_is_refused() -> None:
    plan = document(zone(row("1..999999")))

    found = problems(plan)

    assert found == [("zones[0].rows[0].numbers", "too_many_seats")]


def test_twenty_thousand_rows_are_accepted_and_one_more_is_refused() -> None:
    rows = [row("1", str(index)) for index in range(20_000)]

    plan, found = parse(document(zone(*rows))), problems(document(zone(*rows), zone(row("1"), key="More")))

    assert len(plan.rows) == 20_000
    assert found == [("zones[1].rows[0]", "too_many_rows")]


def test_all_problems_are_told_at_once_but_at_most_a_hundred() -> None:
    wrong_rows = [row("1..2", str(index), category="nope") for index in range(500)]

    found = problems(document(zone(*wrong_rows)))

    assert len(found) == 100


def test_a_refusal_is_a_problem_document_in_waiting() -> None:
    with pytest.raises(PlanInvalid) as caught:
        parse(document())

    assert (caught.value.status, caught.value.code) == (422, "invalid_body")
    assert caught.value.members["errors"] == [
        {"path": "zones", "code": "empty_plan", "detail": "The plan has no seat to sell."}
    ]
