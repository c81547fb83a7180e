"""Corner case 2: two requests want one seat in the same moment."""

import asyncio

from tests.support.platform import Platform
from tests.support.processes import frozen


async def test_of_fifty_buyers_who_want_one_seat_one_gets_it(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)

    replies = await asyncio.gather(*(platform.hold(slug, event, [7]) for _ in range(50)))

    assert sorted(reply.status for reply in replies) == [201] + [409] * 49
    refused = next(reply for reply in replies if reply.status == 409)
    assert refused.code == "seat_unavailable"
    assert refused.json["seats"] == [7]
    assert refused.json["alternatives"]


async def test_who_can_have_only_some_of_the_seats_gets_none_and_takes_none(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    await platform.hold(slug, event, [3])

    refused = await platform.hold(slug, event, [2, 3, 4])
    beside = await platform.hold(slug, event, [2, 4])

    assert (refused.status, refused.json["seats"]) == (409, [3])
    assert beside.status == 201


async def test_while_valkey_does_not_answer_the_sale_goes_on_and_the_claim_decides(
    platform: Platform, slug: str
) -> None:
    event = await platform.event(slug)
    guests = [await platform.guest(slug) for _ in range(2)]

    with frozen(platform.server_pid("valkey")):
        holds = await asyncio.gather(*(platform.hold(slug, event, [5], guest=guest) for guest in guests))
        booked = await asyncio.gather(
            *(platform.book(slug, held.json["token"], guest=guest) for held, guest in zip(holds, guests, strict=True))
        )
        winner = 0 if booked[0].status == 202 else 1
        await platform.until(slug, booked[winner].json["id"], "CONFIRMED", guest=guests[winner])
        again = await platform.hold(slug, event, [5])

    assert [(held.status, held.json["exclusive"]) for held in holds] == [(201, False)] * 2
    assert booked[winner].status == 202
    assert (booked[1 - winner].status, booked[1 - winner].code) == (409, "seat_unavailable")
    assert (again.status, again.code) == (409, "seat_unavailable")
