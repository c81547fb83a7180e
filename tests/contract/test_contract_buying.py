"""The buyer's doors: holds, bookings, payments and tickets, field by field."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import World, key
from tests.support.platform import Reply
from tests.support.waiting import eventually

HOLD = {"id", "token", "exclusive", "seats", "total_minor", "currency", "expires_at", "server_now"}
SEAT = {"seat_no", "label", "category", "price_minor"}
BOOKING = {
    "id", "reference", "status", "event", "seats", "total_minor", "currency", "hold_until", "next_action", "history",
    "payment", "refund",
}  # fmt: skip


@pytest.fixture(scope="module")
async def event(world: World) -> str:
    return await world.platform.event(world.acme.slug, rows=20, seats=20)


@pytest.fixture
async def buyer(world: World) -> dict[str, str]:
    return {"Guest-Token": await world.platform.guest(world.acme.slug)}


async def ask(world: World, method: str, path: str, who: dict[str, str], json: Any = None) -> Reply:
    return await world.platform.ask(method, path, slug=world.acme.slug, headers={**key(), **who}, json=json)


async def hold(world: World, event: str, who: dict[str, str], quantity: int = 1) -> Reply:
    wish = {"best_available": {"quantity": quantity}}
    reply = await ask(world, "POST", f"/api/events/{event}/holds", who, wish)
    assert reply.status == 201, reply
    return reply


async def book(world: World, token: str, who: dict[str, str], method: str | None = "pm_card_visa") -> Reply:
    body = {"hold_token": token, "contact": {"email": "bea@buyers.example", "name": "Bea"}}
    return await ask(
        world, "POST", "/api/bookings", who, body if method is None else {**body, "payment_method": method}
    )


async def until(world: World, booking: str, who: dict[str, str], *statuses: str) -> Any:
    return await world.platform.until(
        world.acme.slug, booking, *statuses, guest=who["Guest-Token"]
    )  # fmt: skip


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


async def test_a_hold_has_every_field_of_the_contract(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer, 2)).json
    shown = (await ask(world, "GET", f"/api/holds/{made['id']}", buyer)).json

    assert set(made) >= HOLD
    assert "guest_token" not in made
    assert set(made["seats"][0]) >= SEAT
    assert (made["total_minor"], made["currency"], made["exclusive"]) == (5_000, "EUR", True)
    assert timedelta(seconds=595) < at(made["expires_at"]) - at(made["server_now"]) <= timedelta(seconds=600)
    assert {**shown, "server_now": ""} == {**made, "server_now": ""}


async def test_who_is_nobody_becomes_a_guest_by_holding(world: World, event: str) -> None:
    made = (await hold(world, event, {})).json

    shown = await ask(world, "GET", f"/api/holds/{made['id']}", {"Guest-Token": made["guest_token"]})

    assert (shown.status, shown.json["id"]) == (200, made["id"])


@pytest.mark.parametrize(("wish", "code"), [
    ({"seats": [0] * 11}, "too_many_seats"), ({"seats": list(range(11))}, "too_many_seats"),
    ({"seats": [0, 0]}, "duplicate_seat"), ({"seats": [400]}, "unknown_seat"), ({"seats": [-1]}, None),
    ({"seats": []}, "invalid_body"), ({"seats": ["0"]}, "invalid_body"), ({"seats": [1.5]}, "invalid_body"),
    ({"seats": [True]}, "invalid_body"), ({}, "invalid_body"), ({"seats": [0], "areas": []}, "invalid_body"),
    ({"seats": [10**18]}, "invalid_body"), ({"best_available": {"quantity": 0}}, "invalid_body"),
    ({"best_available": {"quantity": -1}}, "invalid_body"), ({"best_available": {"quantity": 11}}, "too_many_seats"),
    ({"best_available": {"quantity": 10**9}}, None), ({"areas": [{"zone": "nowhere", "quantity": 1}]}, "unknown_seat"),
    ({"areas": [{"zone": "stalls", "quantity": 2}, {"zone": "stalls", "quantity": -1}]}, None),
    ({"best_available": {"quantity": 1, "category": "gold"}}, "invalid_body"),
    ({"seats": [0], "price_minor": 1}, "invalid_body"), ({"seats": [0], "owner": "me"}, "invalid_body"),
])  # fmt: skip
async def test_a_wish_that_no_sale_could_grant_is_refused(
    world: World, event: str, buyer: dict[str, str], wish: dict[str, Any], code: str | None
) -> None:
    reply = await ask(world, "POST", f"/api/events/{event}/holds", buyer, wish)

    assert wrong_paths(reply)
    assert code in (None, reply.code)


async def test_a_taken_seat_is_named_and_others_are_offered(world: World, event: str, buyer: dict[str, str]) -> None:
    taken = [seat["seat_no"] for seat in (await hold(world, event, {}, 2)).json["seats"]]
    before = await ask(world, "GET", f"/api/events/{event}/availability", buyer)

    reply = await ask(world, "POST", f"/api/events/{event}/holds", buyer, {"seats": [taken[0], 399]})

    after = await ask(world, "GET", f"/api/events/{event}/availability", buyer)
    assert problem(reply) == (409, "seat_unavailable")
    assert reply.json["seats"] == [taken[0]]
    assert reply.json["alternatives"]
    assert not set(reply.json["alternatives"]) & set(after.json["held"])
    assert after.json["held"] == before.json["held"]


async def test_a_sale_that_is_not_open_holds_nothing(world: World, buyer: dict[str, str]) -> None:
    event = await world.platform.event(world.acme.slug, rows=1, seats=2)
    window = {"sales": {"opens_at": "2030-01-01T00:00:00Z", "closes_at": "2031-01-01T00:00:00Z"}}
    await ask(world, "PATCH", f"/api/events/{event}", world.acme.who["organizer"], window)
    path = f"/api/events/{event}"

    async def closed() -> Reply | None:
        replies = [await ask(world, "POST", f"{path}/holds", buyer, {"seats": [0]}) for _ in range(12)]
        return replies[0] if {reply.code for reply in replies} == {"not_on_sale"} else None

    reply = await eventually(closed)
    offers = await ask(world, "GET", f"{path}/offers", buyer)

    assert reply is not None
    assert problem(reply) == (409, "not_on_sale")
    assert offers.json["sale"] == "not_yet"


async def test_what_is_sold_out_or_scattered_says_so(world: World, buyer: dict[str, str]) -> None:
    event = await world.platform.event(world.acme.slug, rows=1, seats=3)
    path = f"/api/events/{event}/holds"
    await ask(world, "POST", path, {}, {"seats": [1]})

    scattered = await ask(world, "POST", path, buyer, {"best_available": {"quantity": 2}})
    await ask(world, "POST", path, {}, {"seats": [0, 2]})
    none_left = await ask(world, "POST", path, buyer, {"best_available": {"quantity": 1}})

    assert problem(scattered) == (409, "no_adjacent_seats")
    assert problem(none_left) == (409, "sold_out")


async def test_a_hold_is_changed_extended_and_given_back(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer)).json
    path = f"/api/holds/{made['id']}"
    free = (await hold(world, event, {})).json
    await ask(world, "DELETE", f"/api/holds/{free['id']}", {"Guest-Token": free["guest_token"]})
    other = free["seats"][0]["seat_no"]

    changed = await ask(world, "PUT", f"{path}/seats", buyer, {"seats": [other]})
    extended = await ask(world, "POST", f"{path}/extension", buyer)
    stale = await book(world, made["token"], buyer)
    gone = await ask(world, "DELETE", path, buyer)
    after = [await ask(world, "GET", path, buyer), await ask(world, "PUT", f"{path}/seats", buyer, {"seats": [other]}),
             await ask(world, "POST", f"{path}/extension", buyer), await ask(world, "DELETE", path, buyer)]  # fmt: skip
    late = await book(world, extended.json["token"], buyer)

    assert (changed.status, [seat["seat_no"] for seat in changed.json["seats"]]) == (200, [other])
    assert (changed.json["id"], changed.json["expires_at"]) == (made["id"], made["expires_at"])
    assert extended.status == 200
    assert at(extended.json["expires_at"]) >= at(made["expires_at"])
    assert problem(stale) == (409, "hold_changed")
    assert (gone.status, gone.body) == (204, b"")
    assert [problem(reply) for reply in after] == [(404, "hold_gone")] * 4
    assert problem(late) == (409, "hold_expired")


async def test_a_booked_hold_tells_of_its_booking(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer)).json
    booked = await book(world, made["token"], buyer)

    shown = await ask(world, "GET", f"/api/holds/{made['id']}", buyer)
    again = await book(world, made["token"], buyer)

    assert problem(shown) == (404, "hold_consumed")
    assert problem(again) == (409, "hold_consumed")
    assert shown.json["booking_id"] == again.json["booking_id"] == booked.json["id"]


async def test_a_booking_has_every_field_of_the_contract(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer, 2)).json
    booked = (await book(world, made["token"], buyer)).json

    done = await until(world, booked["id"], buyer, "CONFIRMED")
    listed = await ask(world, "GET", "/api/bookings", buyer)
    tickets = await ask(world, "GET", f"/api/bookings/{booked['id']}/tickets", buyer)
    again = await ask(
        world, "POST", f"/api/bookings/{booked['id']}/payments", buyer, {"payment_method": "pm_card_visa"}
    )

    assert set(booked) >= BOOKING
    assert set(done) == set(booked) == set(listed.json["items"][0])
    assert set(done["event"]) == {"id", "name", "starts_at"}
    assert set(done["seats"][0]) == SEAT | {"state"}
    assert {seat["state"] for seat in done["seats"]} == {"VALID"}
    assert (booked["status"], booked["payment"]["status"]) == ("PENDING_PAYMENT", "pending")
    assert done["payment"] == {"status": "captured", "amount_minor": 5_000, "currency": "EUR"}
    assert (done["refund"], done["next_action"]) == (None, None)
    assert [set(step) for step in done["history"]] == [{"at", "from", "trigger", "to"}] * len(done["history"])
    assert (done["history"][0]["from"], done["history"][-1]["to"]) == (None, "CONFIRMED")
    assert set(tickets.json) == {"items"}
    assert {name for item in tickets.json["items"] for name in item} == {"code", "seat", "qr_svg", "state"}
    assert all(item["code"].startswith("T1.") and item["state"] == "valid" for item in tickets.json["items"])
    assert problem(again) == (409, "no_retry")


async def test_a_declined_card_can_be_tried_again_or_given_up(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer)).json
    path = f"/api/bookings/{(await book(world, made['token'], buyer, 'pm_card_insufficientFunds')).json['id']}"

    async def declined() -> Any:
        shown = (await ask(world, "GET", path, buyer)).json
        return shown if shown["next_action"] else None

    shown = await eventually(declined)
    early = await ask(world, "GET", f"{path}/tickets", buyer)
    unknown = await ask(world, "POST", f"{path}/payments", buyer, {"payment_method": "pm_nothing"})
    retried = await ask(world, "POST", f"{path}/payments", buyer, {"payment_method": "pm_card_insufficientFunds"})
    given_up = await eventually(declined) and await ask(world, "POST", f"{path}/cancellation", buyer)
    again = await ask(world, "POST", f"{path}/cancellation", buyer)

    assert (shown["status"], shown["payment"]["status"]) == ("PENDING_PAYMENT", "declined")
    assert set(shown["next_action"]) == {"type", "expires_at"}
    assert shown["next_action"]["type"] == "retry_payment"
    assert at(shown["next_action"]["expires_at"]) == at(shown["hold_until"])
    assert problem(early) == (409, "not_confirmed")
    assert problem(unknown) == (422, "unknown_payment_method")
    assert (retried.status, retried.json["status"]) == (202, "PENDING_PAYMENT")
    assert (given_up.status, given_up.json["id"]) == (202, shown["id"])
    assert problem(again) == (409, "cancellation_closed")


async def test_what_cannot_be_booked_is_refused(world: World, event: str, buyer: dict[str, str]) -> None:
    made = (await hold(world, event, buyer)).json
    contact = {"email": "bea@buyers.example", "name": "Bea"}

    refusals = {
        "unknown_payment_method": await book(world, made["token"], buyer, "pm_nothing"),
        "no method": await book(world, made["token"], buyer, None),
        "payment_method": await book(world, made["token"], buyer, ""),
        "hold_token": await book(world, made["token"][:-2] + "AA", buyer),
        "contact.email": await ask(world, "POST", "/api/bookings", buyer, {
            "hold_token": made["token"], "payment_method": "pm_card_visa", "contact": {**contact, "email": "bea"}}),
        "amount_minor": await ask(world, "POST", "/api/bookings", buyer, {
            "hold_token": made["token"], "payment_method": "pm_card_visa", "contact": contact, "amount_minor": 1}),
        "contact": await ask(world, "POST", "/api/bookings", buyer, {
            "hold_token": made["token"], "payment_method": "pm_card_visa"}),
    }  # fmt: skip
    listed = await ask(world, "GET", "/api/bookings", buyer)

    assert problem(refusals.pop("unknown_payment_method")) == (422, "unknown_payment_method")
    assert problem(refusals.pop("no method")) == (422, "unknown_payment_method")
    assert {path: wrong_paths(reply) for path, reply in refusals.items()} == {path: [path] for path in refusals}
    assert listed.json["items"] == []


async def test_webhooks_are_signed(world: World) -> None:
    unsigned = await ask(world, "POST", "/api/payments/webhooks/simulated", {}, {"id": "evt_1"})
    forged = await ask(world, "POST", "/api/payments/webhooks/simulated", {"Webhook-Signature": "t=1,v1=00"}, {})
    unknown = await ask(world, "POST", "/api/payments/webhooks/nobody", {}, {})

    assert problem(unsigned) == problem(forged) == (400, "bad_signature")
    assert problem(unknown) == (404, "not_found")


async def test_ids_that_nobody_has_are_not_found(world: World, buyer: dict[str, str]) -> None:
    booking, held = f"/api/bookings/{uuid4()}", f"/api/holds/{uuid4()}"

    replies = [
        await ask(world, "GET", booking, buyer), await ask(world, "GET", f"{booking}/tickets", buyer),
        await ask(world, "POST", f"{booking}/cancellation", buyer),
        await ask(world, "POST", f"{booking}/payments", buyer, {"payment_method": "pm_card_visa"}),
    ]  # fmt: skip
    holds = [await ask(world, "GET", held, buyer), await ask(world, "DELETE", held, buyer)]
    event = await ask(world, "POST", f"/api/events/{uuid4()}/holds", buyer, {"seats": [0]})

    assert [problem(reply) for reply in replies] == [(404, "booking_not_found")] * 4
    assert [problem(reply) for reply in holds] == [(404, "hold_gone")] * 2
    assert problem(event) == (404, "event_not_found")
