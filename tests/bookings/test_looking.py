"""Offers and availability: what a buyer sees before choosing."""

from datetime import UTC, datetime, timedelta

import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.seating.availability import HEADER, unpack
from tests.bookings.conftest import open_till
from tests.bookings.till import Till
from tests.support.shop import Shop

BINARY = "application/octet-stream"


async def test_offers_tell_prices_and_what_is_left(till: Till) -> None:
    await till.hold(0, 10)

    answer = await till.shop.ask("GET", till.path("offers"))

    assert answer.status == 200
    offers = answer.json
    assert offers["categories"] == [
        {"key": "gold", "name": "Gold", "color": "#0072B2", "price_minor": 4_500, "fee_minor": 0, "available": 9},
        {"key": "silver", "name": "Silver", "color": "#0072B2", "price_minor": 2_500, "fee_minor": 0, "available": 29},
    ]
    assert (offers["currency"], offers["max_seats_per_booking"], offers["sale"]) == ("EUR", 10, "open")
    assert datetime.fromisoformat(offers["opens_at"]) < datetime.fromisoformat(offers["closes_at"])
    assert set(offers) == {"categories", "currency", "max_seats_per_booking", "sale", "opens_at", "closes_at"}


@pytest.mark.parametrize(("opens", "closes", "sale"), [(1, 2, "not_yet"), (-2, -1, "closed")])
async def test_outside_its_window_an_event_is_not_on_sale(shop: Shop, opens: int, closes: int, sale: str) -> None:
    now = datetime.now(UTC)
    window = {
        "opens_at": (now + timedelta(days=opens)).isoformat(),
        "closes_at": (now + timedelta(days=closes)).isoformat(),
    }
    till = await open_till(shop, sales=window)

    answer = await till.ask_hold([1])

    assert (await till.offers())["sale"] == sale
    assert (answer.status, answer.code, answer.json["sale"]) == (409, "not_on_sale", sale)


async def test_availability_lists_the_seats_that_are_not_free(till: Till) -> None:
    await till.hold(7)
    await till.book(3, 4)
    await till.shop.settle()
    await till.book(5)

    answer = await till.availability()

    seen = answer.json
    assert set(seen) == {"epoch", "seq", "seats", "counts", "held", "sold", "blocked"}
    assert (seen["seats"], seen["held"], seen["sold"], seen["blocked"]) == (40, [5, 7], [3, 4], [])
    assert seen["counts"] == {"available": 36, "held": 2, "sold": 2, "blocked": 0}
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["etag"] == f'"{seen["epoch"]}-{seen["seq"]}"'


async def test_availability_in_binary_says_the_same_in_two_bits_a_seat(till: Till) -> None:
    await till.hold(7)

    plain = (await till.availability()).json
    packed = await till.availability(accept=BINARY)

    assert packed.headers["content-type"] == BINARY
    assert HEADER.unpack(packed.content[:8]) == (plain["epoch"], plain["seq"])
    assert len(packed.content) == 8 + 10
    states = unpack(packed.content[8:], 40)
    assert [seat_no for seat_no, state in enumerate(states) if state] == plain["held"] == [7]


@pytest.mark.parametrize("accept", ["application/json", BINARY])
async def test_who_knows_the_state_already_is_told_so(till: Till, accept: str) -> None:
    first = await till.availability(accept=accept)

    known = await till.availability(**{"accept": accept, "if-none-match": first.headers["etag"]})
    await till.hold(1)
    changed = await till.availability(**{"accept": accept, "if-none-match": first.headers["etag"]})

    assert (known.status, known.content, known.headers["etag"]) == (304, b"", first.headers["etag"])
    assert known.headers["vary"] == "Accept"
    assert changed.status == 200


async def test_a_caller_sees_its_own_change_at_once(till: Till) -> None:
    for seat_no in range(5):
        held = await till.hold(seat_no)
        assert seat_no in (await till.availability()).json["held"]

        await till.shop.ask("DELETE", f"/api/holds/{held['id']}", who=till.buyer)
        assert (await till.availability()).json["held"] == []


async def test_the_sequence_grows_within_an_epoch(till: Till) -> None:
    before = (await till.availability()).json
    await till.hold(1)

    after = (await till.availability()).json

    assert after["epoch"] == before["epoch"]
    assert after["seq"] > before["seq"]


@pytest.mark.parametrize("what", ["offers", "availability"])
async def test_an_event_that_is_not_published_is_not_found(till: Till, what: str) -> None:
    draft = await till.shop.draft(till.shop.user("ORGANIZER"))

    answers = [await till.shop.ask("GET", f"/api/events/{event_id}/{what}") for event_id in (draft, uuid7(), "x")]

    assert [answer.status for answer in answers] == [404, 404, 404]
    assert answers[0].code == "event_not_found"
