"""Holds over HTTP: taking, replacing, extending, releasing; all or nothing, and whose they are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from boxoffice.bookings.inventory.domain import extended_until
from boxoffice.doors.keys import Keyring
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import valkey as kernel_valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Tenant, TenantSettings
from tests.bookings.conftest import open_till
from tests.bookings.till import Till
from tests.support.asgi import Response
from tests.support.servers import temporary_folder
from tests.support.shop import open_shop
from tests.support.tenancy import NewTenant
from tests.support.waiting import eventually

HOLD = {"id", "token", "event_id", "exclusive", "seats", "total_minor", "currency", "expires_at", "server_now"}


def numbers(hold: Any) -> list[int]:
    return [seat["seat_no"] for seat in hold["seats"]]


async def of(till: Till, hold: Any, method: str = "GET", rest: str = "", body: Any = None, **more: Any) -> Response:
    who = more.pop("who", till.buyer)
    return await till.shop.ask(method, f"/api/holds/{hold['id']}{rest}", body, who=who, **more)


async def held_seats(till: Till) -> list[int]:
    held: list[int] = (await till.availability()).json["held"]
    return held


# ── taking ─────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_hold_has_every_field_of_the_contract(till: Till) -> None:
    hold = await till.hold(11, 3)

    assert set(hold) == HOLD
    assert hold["seats"] == [
        {"seat_no": 3, "label": "Hall, row A, seat 4", "category": "gold", "price_minor": 4_500},
        {"seat_no": 11, "label": "Hall, row B, seat 2", "category": "silver", "price_minor": 2_500},
    ]
    assert (hold["total_minor"], hold["currency"], hold["exclusive"]) == (7_000, "EUR", True)
    lasts = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(hold["server_now"])
    assert timedelta(seconds=595) < lasts <= timedelta(seconds=600)


async def test_a_stranger_who_holds_becomes_a_guest(till: Till) -> None:
    answer = await till.shop.ask("POST", till.path("holds"), {"seats": [1]})

    assert answer.status == 201
    assert set(answer.json) == HOLD | {"guest_token"}
    assert (await of(till, answer.json, who={"guest-token": answer.json["guest_token"]})).status == 200


async def test_strangers_who_hold_at_once_become_a_guest_each(till: Till) -> None:
    answers = await asyncio.gather(
        *(till.shop.ask("POST", till.path("holds"), {"seats": [seat_no]}) for seat_no in range(8))
    )

    assert [answer.status for answer in answers] == [201] * 8
    assert len({answer.json["guest_token"] for answer in answers}) == 8
    mine = {"guest-token": answers[0].json["guest_token"]}
    assert (await of(till, answers[0].json, who=mine)).status == 200
    assert (await of(till, answers[1].json, who=mine)).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"seats": list(range(11))}, "too_many_seats"),
        ({"best_available": {"quantity": 11}}, "too_many_seats"),
        ({"areas": [{"zone": "Pit", "quantity": 11}]}, "too_many_seats"),
        ({"areas": [{"zone": "Pit", "quantity": 6}, {"zone": "Pit", "quantity": 5}]}, "too_many_seats"),
        ({"areas": [{"zone": "Pit", "quantity": 15}, {"zone": "Pit", "quantity": -8}]}, "invalid_body"),
        ({"areas": [{"zone": "Pit", "quantity": 0}]}, "invalid_body"),
        ({"areas": [{"zone": "Nowhere", "quantity": 1}]}, "unknown_seat"),
        ({"areas": [{"zone": "Hall", "quantity": 1}]}, "unknown_seat"),
        ({"areas": []}, "invalid_body"),
        ({"seats": [40]}, "unknown_seat"),
        ({"seats": [-1]}, "unknown_seat"),
        ({"seats": [2**40]}, "unknown_seat"),
        ({"seats": [1, 1]}, "duplicate_seat"),
        ({"seats": []}, "invalid_body"),
        ({"seats": [1], "best_available": {"quantity": 1}}, "invalid_body"),
        ({}, "invalid_body"),
        ({"seats": ["1"]}, "invalid_body"),
        ({"seats": [1], "surprise": 1}, "invalid_body"),
        ({"best_available": {"quantity": 0}}, "invalid_body"),
        ({"best_available": {"quantity": 1, "category": "bronze"}}, "invalid_body"),
    ],
)
async def test_a_wish_that_no_sale_could_grant_is_refused(till: Till, body: Any, code: str) -> None:
    answer = await till.ask_hold(body)

    assert (answer.status, answer.code) == (422, code)
    assert all(set(error) == {"path", "code", "detail"} for error in answer.json["errors"])
    assert await held_seats(till) == []


async def test_the_tenants_limit_bounds_the_events(
    new_tenant: NewTenant, database: Database, web_database: Database, valkey: Any, keyring: Keyring
) -> None:
    tenant = await new_tenant(settings=TenantSettings(max_seats_per_booking=2))
    till = await open_till(open_shop(web_database, Directory(web_database), tenant, valkey, keyring, database))

    answer = await till.ask_hold([1, 2, 3])

    assert (answer.code, answer.json["limit"]) == ("too_many_seats", 2)
    assert (await till.offers())["max_seats_per_booking"] == 2


async def test_a_seat_that_is_held_is_refused_with_what_is_free_near_it(till: Till) -> None:
    await till.hold(3, 4)

    answer = await till.ask_hold([4, 5], till.shop.guest())

    assert (answer.status, answer.code, answer.json["seats"]) == (409, "seat_unavailable", [4])
    assert set(answer.json["alternatives"]) & {3, 4, 5} == set()
    assert set(answer.json["alternatives"]) <= set(range(40))
    assert answer.json["alternatives"] != []
    assert await held_seats(till) == [3, 4]


async def test_of_many_who_want_one_seat_at_once_one_gets_it(till: Till) -> None:
    answers = await asyncio.gather(*(till.ask_hold([n % 3, 5], till.shop.guest()) for n in range(12)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 11
    assert await held_seats(till) == numbers(next(answer.json for answer in answers if answer.status == 201))


async def test_the_best_seats_are_side_by_side(till: Till) -> None:
    answer = await till.ask_hold({"best_available": {"quantity": 3, "category": "silver"}})

    seats = numbers(answer.json)
    assert answer.status == 201
    assert seats == list(range(seats[0], seats[0] + 3))
    assert set(seats) <= set(range(10, 20))


async def test_a_buyer_alone_gets_the_very_best_seats_whenever_asking(till: Till) -> None:
    offered = []

    for _ in range(4):
        hold = (await till.ask_hold({"best_available": {"quantity": 2}})).json
        offered.append(numbers(hold))
        await till.shop.ask("DELETE", f"/api/holds/{hold['id']}", who=till.buyer)

    assert offered == [offered[0]] * 4


async def test_without_enough_seats_side_by_side_nothing_is_held(till: Till) -> None:
    await till.hold(*range(1, 10, 2))

    apart = await till.ask_hold({"best_available": {"quantity": 2, "category": "gold"}}, till.shop.guest())
    gone = await till.ask_hold({"best_available": {"quantity": 6, "category": "gold"}}, till.shop.guest())

    assert (apart.status, apart.code) == (409, "no_adjacent_seats")
    assert (gone.status, gone.code) == (409, "sold_out")
    assert await held_seats(till) == [1, 3, 5, 7, 9]


async def test_buyers_who_leave_the_choice_to_us_all_get_seats(till: Till) -> None:
    answers = await asyncio.gather(
        *(till.ask_hold({"best_available": {"quantity": 2}}, till.shop.guest()) for _ in range(5))
    )

    assert [answer.status for answer in answers] == [201] * 5
    assert len({seat for answer in answers for seat in numbers(answer.json)}) == 10


async def test_places_in_an_area_are_any_that_are_free(till: Till) -> None:
    answers = [await till.ask_hold({"areas": [{"zone": "Pit", "quantity": 8}]}, till.shop.guest()) for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 201, 409]
    assert answers[2].code == "sold_out"
    assert len(await held_seats(till)) == 16


async def test_a_repeated_wish_with_its_key_holds_once(till: Till) -> None:
    wish = {"best_available": {"quantity": 2}}

    first = await till.ask_hold(wish, key="h1")
    again = await till.ask_hold(wish, key="h1")
    other = await till.ask_hold({"seats": [30]}, key="h1")

    assert (again.status, again.json["id"], numbers(again.json)) == (201, first.json["id"], numbers(first.json))
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")
    assert await held_seats(till) == numbers(first.json)


# ── changing ───────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_replacing_keeps_the_clock_and_the_prices_and_frees_what_is_left_out(till: Till) -> None:
    hold = await till.hold(3, 4)

    answer = await of(till, hold, "PUT", "/seats", {"seats": [4, 12]})

    assert (answer.status, answer.json["id"], numbers(answer.json)) == (200, hold["id"], [4, 12])
    assert answer.json["expires_at"] == hold["expires_at"]
    assert answer.json["token"] != hold["token"]
    assert answer.json["total_minor"] == 7_000
    assert await held_seats(till) == [4, 12]


async def test_a_replacement_that_fails_changes_nothing(till: Till) -> None:
    hold, before = await till.hold(3, 4), None
    await till.hold(5, who=till.shop.guest())
    before = (await of(till, hold)).json

    taken = await of(till, hold, "PUT", "/seats", {"seats": [4, 5, 6]})
    unknown = await of(till, hold, "PUT", "/seats", {"seats": [99]})

    assert (taken.status, taken.code, taken.json["seats"]) == (409, "seat_unavailable", [5])
    assert (unknown.status, unknown.code) == (422, "unknown_seat")
    after = (await of(till, hold)).json
    assert {**after, "server_now": ""} == {**before, "server_now": ""}
    assert await held_seats(till) == [3, 4, 5]


async def test_replacements_at_once_are_served_one_after_the_other(till: Till) -> None:
    hold = await till.hold(0)

    answers = await asyncio.gather(*(of(till, hold, "PUT", "/seats", {"seats": [0, n]}) for n in range(1, 6)))

    assert [answer.status for answer in answers] == [200] * 5
    last = (await of(till, hold)).json
    assert numbers(last) in [numbers(answer.json) for answer in answers]
    assert await held_seats(till) == numbers(last)


def test_an_extension_lasts_the_holds_length_but_never_past_half_an_hour_from_the_first_seat() -> None:
    first = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    minutes = [
        extended_until(first, 600, first + timedelta(minutes=passed), first + timedelta(minutes=ends))
        for passed, ends in ((5, 10), (15, 20), (25, 30), (29, 30), (5, 20))
    ]

    assert [(until - first) // timedelta(minutes=1) for until in minutes] == [15, 25, 30, 30, 20]


async def test_an_extension_answers_the_hold_with_more_time_and_a_token_for_it(till: Till) -> None:
    hold = await till.hold(3)

    answer = await of(till, hold, "POST", "/extension")

    assert (answer.status, numbers(answer.json)) == (200, [3])
    assert answer.json["expires_at"] >= hold["expires_at"]
    assert (await till.ask_book(answer.json["token"])).status == 202


async def test_an_extension_at_the_cap_answers_the_hold_unchanged(
    new_tenant: NewTenant, database: Database, web_database: Database, valkey: Any, keyring: Keyring
) -> None:
    tenant = await new_tenant(settings=TenantSettings(hold_seconds=1_800))
    till = await open_till(open_shop(web_database, Directory(web_database), tenant, valkey, keyring, database))
    hold = await till.hold(3)

    answer = await of(till, hold, "POST", "/extension")

    assert (answer.status, answer.json["expires_at"], answer.json["token"]) == (200, hold["expires_at"], hold["token"])


async def test_a_repeated_extension_with_its_key_is_replayed(till: Till) -> None:
    hold = await till.hold(3)

    first = await of(till, hold, "POST", "/extension", key="e1")
    again = await of(till, hold, "POST", "/extension", key="e1")

    assert (again.status, again.json["expires_at"]) == (200, first.json["expires_at"])
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_hold_whose_seat_was_sold_to_another_is_not_extended(till: Till) -> None:
    hold = await till.hold(3)
    async with till.shop.database.transaction(till.shop.tenant) as tx:
        await tx.db.execute("UPDATE seat_inventory SET status = 'BLOCKED' WHERE event_id = $1 AND seat_no = 3",
                            till.event_id)  # fmt: skip

    answer = await of(till, hold, "POST", "/extension")

    assert (answer.status, answer.code, answer.json["seats"]) == (409, "seat_unavailable", [3])


# ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_released_seat_can_be_held_again(till: Till) -> None:
    hold = await till.hold(3)

    released = await of(till, hold, "DELETE")

    assert (released.status, released.content) == (204, b"")
    assert (await till.ask_hold([3], till.shop.guest())).status == 201
    gone = [await of(till, hold), await of(till, hold, "DELETE"), await of(till, hold, "POST", "/extension"),
            await of(till, hold, "PUT", "/seats", {"seats": [9]})]  # fmt: skip
    assert [(answer.status, answer.code) for answer in gone] == [(404, "hold_gone")] * 4


async def test_a_foreign_hold_is_as_unknown_as_none(till: Till) -> None:
    hold, other = await till.hold(3), till.shop.user()

    answers = [await of(till, hold, who=other), await of(till, hold, "DELETE", who=other),
               await of(till, hold, "POST", "/extension", who=other),
               await of(till, hold, "PUT", "/seats", {"seats": [9]}, who=other),
               await of(till, {"id": uuid7()}), await of(till, {"id": uuid7()}, who=other)]  # fmt: skip

    assert [(answer.status, answer.code) for answer in answers] == [(404, "hold_gone")] * 6
    assert (await of(till, hold)).status == 200
    assert (await till.shop.ask("GET", f"/api/holds/{hold['id']}")).status == 401


async def test_a_hold_that_was_booked_names_its_booking_to_its_owner(till: Till) -> None:
    hold = await till.hold(3)
    booking = (await till.ask_book(hold["token"])).json

    answers = [await of(till, hold), await of(till, hold, "DELETE"), await of(till, hold, "POST", "/extension"),
               await of(till, hold, "PUT", "/seats", {"seats": [9]})]  # fmt: skip
    foreign = await of(till, hold, who=till.shop.guest())

    assert [(answer.status, answer.code, answer.json["booking_id"]) for answer in answers] == [
        (404, "hold_consumed", booking["id"])
    ] * 4
    assert (foreign.status, foreign.code) == (404, "hold_gone")


async def test_a_hold_ends_by_itself(
    new_tenant: NewTenant, database: Database, web_database: Database, valkey: Any, keyring: Keyring
) -> None:
    tenant = await new_tenant(settings=TenantSettings(hold_seconds=1))
    till = await open_till(open_shop(web_database, Directory(web_database), tenant, valkey, keyring, database))
    hold = await till.hold(3)

    async def free() -> bool:
        return await held_seats(till) == []

    await eventually(free, within=3)
    answer = await of(till, hold)
    late = await till.ask_book(hold["token"])

    assert (answer.status, answer.code) == (404, "hold_gone")
    assert (late.status, late.code) == (409, "hold_expired")
    assert (await till.ask_hold([3], till.shop.guest())).status == 201


# ── without Valkey ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def mortal(
    database: Database, web_database: Database, tenant: Tenant, keyring: Keyring
) -> AsyncIterator[tuple[Till, EmbeddedServers]]:
    """A till with a Valkey of its own, to be killed."""
    with temporary_folder() as folder:
        async with EmbeddedServers(folder / "data", with_postgres=False) as servers:
            client = kernel_valkey.connect(servers.valkey_url)
            shop = open_shop(web_database, Directory(web_database), tenant, client, keyring, database)
            yield await open_till(shop), servers
            await client.aclose()


async def test_without_valkey_sales_go_on_and_the_claim_decides(mortal: tuple[Till, EmbeddedServers]) -> None:
    till, servers = mortal
    before = await till.hold(1)
    servers.valkey.kill()

    mine, theirs = await till.hold(3), await till.hold(3, who=(other := till.shop.guest()))
    won = await till.ask_book(mine["token"])
    lost = await till.ask_book(theirs["token"], who=other)
    old = await till.ask_book(before["token"])

    assert (mine["exclusive"], theirs["exclusive"]) == (False, False)
    assert (won.status, lost.status, lost.code) == (202, 409, "seat_unavailable")
    assert lost.json["seats"] == [3]
    assert 3 not in lost.json["alternatives"]
    assert old.status == 202
    refused = await till.ask_hold([3], other)
    assert (refused.status, refused.code) == (409, "seat_unavailable")
    assert (await till.availability()).json["held"] == [1, 3]
    assert [(await of(till, before)).status, (await of(till, mine, "DELETE")).status] == [503, 503]


async def test_holds_are_exclusive_again_when_valkey_is_back(mortal: tuple[Till, EmbeddedServers]) -> None:
    till, servers = mortal
    servers.valkey.kill()
    without = await till.hold(3)
    await servers.revive()

    async def exclusive() -> bool:
        return bool((await till.hold(5, who=till.shop.guest()))["exclusive"]) if without else False

    await eventually(exclusive, within=5)

    assert (await till.ask_hold([5], till.shop.guest())).status == 409
