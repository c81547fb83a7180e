"""Times, spans and amounts as operators read them."""

from datetime import datetime

import pytest

from boxoffice.operations import words
from boxoffice.operations.domain import Kind


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "just now"), (-5, "just now"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"),
        (3_725, "1 hour 2 minutes"), (90_000, "1 day 1 hour"), (172_800, "2 days"),
    ],
)  # fmt: skip
def test_a_span_is_told_in_its_two_largest_units(seconds: int, says: str) -> None:
    assert words.span(seconds) == says


def test_a_moment_is_told_in_utc_for_people_and_programs() -> None:
    moment = words.moment(datetime.fromisoformat("2026-11-22T21:31:05+01:00"))

    assert moment == '<time datetime="2026-11-22T20:31:05+00:00">22 Nov 2026, 20:31:05 UTC</time>'


def test_an_amount_without_a_currency_is_its_minor_units() -> None:
    assert words.money(8_900, "EUR") == "€89.00"
    assert words.money(8_900, None) == "8,900"


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_disagreement_has_words(kind: Kind) -> None:
    assert words.kind(kind)


def test_an_unknown_refusal_is_named_only_if_it_is_a_code() -> None:
    assert words.problem("") is None
    assert words.problem("nothing_to_retry") == "There is no open refund to ask for."
    assert words.problem("some_new_code") == "That did not work (some_new_code). Nothing was changed."
    assert words.problem("<b>") == "That did not work. Nothing was changed."
