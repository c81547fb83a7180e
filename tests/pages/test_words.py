"""Money, dates and problems in words."""

from datetime import UTC, datetime

from boxoffice.pages import words


def test_an_amount_has_its_currency_s_own_digits() -> None:
    assert words.amount(4500, "EUR") == "€45.00"
    assert words.amount(4500, "JPY") == "¥4,500"
    assert words.amount(123456789, "USD") == "$1,234,567.89"
    assert words.amount(4500, "KWD") == "KWD\u00a04.500"


def test_a_price_of_nothing_is_called_free() -> None:
    assert words.price(0, "EUR") == "Free"


def test_dates_are_told_on_the_venue_s_clock() -> None:
    instant = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)

    assert words.date_and_time(instant, "Europe/Berlin") == "Friday 1 January 2027, 00:30"
    assert words.short_date_and_time(instant, "America/New_York") == "Thu 31 Dec, 18:30"


def test_a_zone_that_nobody_knows_is_read_as_utc() -> None:
    instant = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)

    assert words.date_and_time(instant, "Mars/Olympus") == "Thursday 31 December 2026, 23:30"
    assert words.date_and_time(instant, "../etc/passwd") == "Thursday 31 December 2026, 23:30"


def test_zones_are_called_by_their_city() -> None:
    assert words.zone_words("America/New_York") == "New York time"


def test_a_problem_without_words_of_ours_is_told_in_its_own() -> None:
    assert words.problem_words("bad_credentials", "x").startswith("That e-mail address")
    assert words.problem_words("unheard_of", "Its own words.") == "Its own words."
    assert words.problem_words("unheard_of", None)
