"""Corner case 1: a buyer clicks "Book" several times, or a browser sends the same request again."""

import asyncio
from uuid import uuid4

import asyncpg

from tests.support.platform import Platform

CLICKS = 20


async def test_a_double_click_books_once(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    key = uuid4().hex

    first, second = await asyncio.gather(
        *(platform.book(slug, held.json["token"], guest=guest, key=key) for _ in range(2))
    )

    answers = sorted((first, second), key=lambda reply: reply.status)
    assert answers[0].status == 202
    assert answers[1].status == 202 or (answers[1].status, answers[1].code) == (409, "in_flight")
    if answers[1].status == 202:
        assert answers[0].json["id"] == answers[1].json["id"]
    listed = await platform.ask("GET", "/api/bookings", slug=slug, guest=guest)
    assert len(listed.json["items"]) == 1


async def test_a_key_sent_again_later_finds_the_same_booking_as_it_is_by_then(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    key = uuid4().hex
    first = await platform.book(slug, held.json["token"], guest=guest, key=key)
    await platform.until(slug, first.json["id"], "CONFIRMED", guest=guest)

    again = await platform.book(slug, held.json["token"], guest=guest, key=key)

    assert (again.status, again.json["id"], again.json["status"]) == (202, first.json["id"], "CONFIRMED")
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_key_with_another_body_or_without_one_is_refused(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    key = uuid4().hex
    await platform.book(slug, held.json["token"], guest=guest, key=key)

    other = await platform.book(slug, held.json["token"], guest=guest, key=key, method="pm_card_chargeDeclined")
    none = await platform.ask("POST", "/api/bookings", slug=slug, json={}, guest=guest)

    assert (other.status, other.code) == (422, "key_reused")
    assert (none.status, none.code) == (400, "idempotency_key_required")


async def test_a_client_that_makes_a_new_key_for_each_click_books_and_pays_once_all_the_same(
    platform: Platform, slug: str, db: asyncpg.Connection
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)

    replies = await asyncio.gather(*(platform.book(slug, held.json["token"], guest=guest) for _ in range(CLICKS)))

    (booked,) = [reply for reply in replies if reply.status == 202]
    refused = [(reply.status, reply.code) for reply in replies if reply is not booked]
    assert len(refused) == CLICKS - 1
    assert set(refused) <= {(409, "hold_consumed"), (409, "seat_unavailable")}
    await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)
    assert await db.fetchval(f'SELECT count(*) FROM "tenant_{slug}".payments') == 1
