"""Bookings over HTTP: booking a hold, paying again, giving up, tickets, lists; every refusal of the contract."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from boxoffice.bookings.executor import TIMER
from boxoffice.kernel.ids import uuid7
from boxoffice.messages import BookingRequested, PaymentActionRequired, PaymentMethodsChanged, Purchase
from boxoffice.tickets import code as tickets
from boxoffice.tickets.keys import read_jwks
from tests.bookings.conftest import open_till
from tests.bookings.till import CONTACT, VISA, Till
from tests.support.shop import Shop
from tests.support.traffic import published

BOOKING = {
    "id", "reference", "status", "event", "seats", "total_minor", "currency", "hold_until", "next_action", "history",
    "payment", "refund", "server_now",
}  # fmt: skip
FREE = [{"key": "gold", "name": "Gold", "price_minor": 0}, {"key": "silver", "name": "Silver", "price_minor": 2_500}]


async def bookings_asked_for(till: Till) -> int:
    return len(await published(till.shop.database, till.shop.tenant, BookingRequested))


async def seats_of(till: Till, status: str) -> list[int]:
    seen: list[int] = (await till.availability()).json[status]
    return seen


# ── booking ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_booking_has_every_field_of_the_contract(till: Till) -> None:
    hold = await till.hold(3, 11)

    answer = await till.ask_book(hold["token"])

    assert answer.status == 202
    booking = answer.json
    assert set(booking) == BOOKING
    assert (booking["status"], booking["total_minor"], booking["currency"]) == ("PENDING_PAYMENT", 7_000, "EUR")
    assert set(booking["event"]) == {"id", "name", "starts_at"}
    assert booking["seats"] == [
        {"seat_no": 3, "label": "Hall, row A, seat 4", "category": "gold", "price_minor": 4_500, "state": "VALID"},
        {"seat_no": 11, "label": "Hall, row B, seat 2", "category": "silver", "price_minor": 2_500, "state": "VALID"},
    ]
    assert datetime.fromisoformat(booking["hold_until"]) == datetime.fromisoformat(hold["expires_at"])
    assert booking["payment"] == {"status": "pending", "amount_minor": 7_000, "currency": "EUR"}
    assert (booking["next_action"], booking["refund"]) == (None, None)
    assert [(step["from"], step["trigger"], step["to"]) for step in booking["history"]] == [
        (None, "REQUESTED", "PENDING_PAYMENT")
    ]
    shown = (await till.of(booking)).json
    assert {**shown, "server_now": ""} == {**booking, "server_now": ""}


async def test_a_paid_booking_is_confirmed_and_its_tickets_are_verified_by_the_public_keys(till: Till) -> None:
    booking = await till.book(3, 4)
    early = await till.of(booking, "/tickets")
    await till.shop.settle()

    shown = (await till.of(booking)).json
    answer = await till.of(booking, "/tickets")
    keys = read_jwks((await till.shop.ask("GET", "/.well-known/ticket-keys.json")).json)

    assert (early.status, early.code) == (409, "not_confirmed")
    assert (shown["status"], shown["payment"]["status"]) == ("CONFIRMED", "captured")
    assert [step["to"] for step in shown["history"]] == ["PENDING_PAYMENT", "CONFIRMED"]
    assert await seats_of(till, "sold") == [3, 4]
    items = answer.json["items"]
    assert [(item["seat"], item["state"]) for item in items] == [
        ({"seat_no": n, "label": f"Hall, row A, seat {n + 1}", "category": "gold"}, "valid") for n in (3, 4)
    ]
    assert all(set(item) == {"code", "seat", "qr_svg", "state"} and item["qr_svg"].startswith("<svg") for item in items)
    for item in items:
        ticket = tickets.verify(item["code"], keys)
        assert isinstance(ticket, tickets.Ticket)
        assert (ticket.event_id, str(ticket.booking_id)) == (till.event_id, booking["id"])
        assert ticket.seat_no == item["seat"]["seat_no"]
    assert (await till.of(booking, "/tickets")).json == answer.json


async def test_a_booking_without_a_price_needs_no_payment_method(shop: Shop) -> None:
    till = await open_till(shop, categories=FREE)

    answer = await till.ask_book((await till.hold(1))["token"], method=None)

    assert (answer.status, answer.json["status"], answer.json["payment"]) == (202, "CONFIRMED", None)
    assert len((await till.of(answer.json, "/tickets")).json["items"]) == 1


async def test_of_many_who_book_one_seat_at_once_one_gets_it(till: Till, valkey: Redis) -> None:
    """Their holds overlap because Valkey forgot each one: the claim alone decides."""
    buyers = [till.shop.guest() for _ in range(12)]
    tokens = []
    for place, buyer in enumerate(buyers):
        tokens.append((await till.hold(5, 10 + place % 3, who=buyer))["token"])
        await valkey.delete(*[key async for key in valkey.scan_iter(f"*{till.shop.tenant.id}*")])

    answers = await asyncio.gather(
        *(till.ask_book(token, who=buyer) for token, buyer in zip(tokens, buyers, strict=True))
    )

    won = [answer.json for answer in answers if answer.status == 202]
    lost = [answer for answer in answers if answer.status != 202]
    assert len(won) == 1
    assert {(answer.status, answer.code) for answer in lost} == {(409, "seat_unavailable")}
    assert all(5 in answer.json["seats"] and 5 not in answer.json["alternatives"] for answer in lost)
    assert await seats_of(till, "held") == [seat["seat_no"] for seat in won[0]["seats"]]


@pytest.mark.parametrize("change", [("", "x"), (".", "x."), ("a", "b")])
async def test_a_token_that_we_did_not_sign_books_nothing(till: Till, change: tuple[str, str]) -> None:
    token = (await till.hold(3))["token"]
    forged = token.replace(*change, 1) if change[0] else change[1]

    answer = await till.ask_book(forged)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert [error["path"] for error in answer.json["errors"]] == ["hold_token"]


async def test_anothers_token_books_nothing(till: Till) -> None:
    token = (await till.hold(3))["token"]

    answer = await till.ask_book(token, who=till.shop.guest())

    assert (answer.status, answer.code) == (404, "hold_gone")


async def test_a_released_hold_cannot_be_booked(till: Till) -> None:
    hold = await till.hold(3)
    await till.shop.ask("DELETE", f"/api/holds/{hold['id']}", who=till.buyer)

    answer = await till.ask_book(hold["token"])

    assert (answer.status, answer.code) == (409, "hold_expired")


async def test_a_token_older_than_the_holds_last_change_is_refused(till: Till) -> None:
    hold = await till.hold(3)
    body = {"seats": [4]}
    changed = (await till.shop.ask("PUT", f"/api/holds/{hold['id']}/seats", body, who=till.buyer)).json

    old = await till.ask_book(hold["token"])
    new = await till.ask_book(changed["token"])

    assert (old.status, old.code) == (409, "hold_changed")
    assert (new.status, [seat["seat_no"] for seat in new.json["seats"]]) == (202, [4])


async def test_a_hold_is_booked_once(till: Till) -> None:
    hold = await till.hold(3)
    booking = (await till.ask_book(hold["token"])).json

    answer = await till.ask_book(hold["token"])

    assert (answer.status, answer.code, answer.json["booking_id"]) == (409, "hold_consumed", booking["id"])


async def test_one_hold_booked_twice_in_the_same_moment_makes_one_booking(till: Till) -> None:
    hold = await till.hold(3)

    answers = await asyncio.gather(*(till.ask_book(hold["token"]) for _ in range(5)))

    made = [answer.json["id"] for answer in answers if answer.status == 202]
    refused = [answer for answer in answers if answer.status != 202]
    assert len(made) == 1
    assert {(answer.code, answer.json["booking_id"]) for answer in refused} == {("hold_consumed", made[0])}


async def test_a_seat_that_was_claimed_meanwhile_is_refused_with_alternatives(till: Till) -> None:
    hold = await till.hold(3, 4)
    async with till.shop.database.transaction(till.shop.tenant) as tx:
        await tx.db.execute("UPDATE seat_inventory SET status = 'BLOCKED' WHERE event_id = $1 AND seat_no = 4",
                            till.event_id)  # fmt: skip

    answer = await till.ask_book(hold["token"])

    assert (answer.status, answer.code) == (409, "seat_unavailable")
    assert 4 in answer.json["seats"]
    assert answer.json["alternatives"] != []
    assert set(answer.json["alternatives"]) & {3, 4} == set()
    assert await bookings_asked_for(till) == 0


async def test_an_event_that_was_cancelled_sells_nothing_more(till: Till) -> None:
    hold = await till.hold(3)
    async with till.shop.database.transaction(till.shop.tenant) as tx:
        await tx.db.execute("UPDATE sales SET status = 'CANCELLED' WHERE event_id = $1", till.event_id)

    answer = await till.ask_book(hold["token"])

    assert (answer.status, answer.code) == (409, "not_on_sale")


@pytest.mark.parametrize("method", ["pm_gold_bars", None])
async def test_an_unknown_payment_method_is_refused_before_anything_is_booked(till: Till, method: str | None) -> None:
    hold = await till.hold(3)

    answer = await till.ask_book(hold["token"], method=method)

    assert (answer.status, answer.code) == (422, "unknown_payment_method")
    assert answer.json["errors"][0]["path"] == "payment_method"
    assert await bookings_asked_for(till) == 0
    assert (await till.ask_book(hold["token"])).status == 202


async def test_payment_methods_told_by_message_are_the_ones_accepted(till: Till) -> None:
    told = PaymentMethodsChanged(tenant_id=till.shop.tenant.id, methods=["pm_voucher"])
    await till.shop.hear("bookings", told)

    refused = await till.ask_book((await till.hold(3))["token"])
    accepted = await till.ask_book((await till.hold(4))["token"], method="pm_voucher")

    assert (refused.code, accepted.status) == ("unknown_payment_method", 202)


@pytest.mark.parametrize(
    ("contact", "path"),
    [
        ({"email": "ada", "name": "Ada"}, "contact.email"),
        ({"email": "ada@example.org\nBcc: x@y.org", "name": "Ada"}, "contact.email"),
        ({"email": "ada@example.org", "name": ""}, "contact.name"),
        ({"email": "ada@example.org"}, "contact.name"),
        ({**CONTACT, "age": 3}, "contact.age"),
    ],
)
async def test_a_contact_that_cannot_be_is_refused_with_its_path(till: Till, contact: Any, path: str) -> None:
    answer = await till.ask_book((await till.hold(3))["token"], contact=contact)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert [error["path"] for error in answer.json["errors"]] == [path]


# ── idempotency ────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_booking_needs_an_idempotency_key(till: Till) -> None:
    body = {"hold_token": (await till.hold(3))["token"], "contact": CONTACT, "payment_method": VISA}

    answer = await till.shop.ask("POST", "/api/bookings", body, who=till.buyer)

    assert (answer.status, answer.code) == (400, "idempotency_key_required")


async def test_a_repeated_booking_is_answered_as_it_is_now(till: Till) -> None:
    hold = await till.hold(3)
    first = await till.ask_book(hold["token"], key="b1")
    await till.shop.settle()

    again = await till.ask_book(hold["token"], key="b1")

    assert "idempotency-replayed" not in first.headers
    assert (again.status, again.json["id"], again.json["status"]) == (202, first.json["id"], "CONFIRMED")
    assert again.headers["idempotency-replayed"] == "true"
    assert await bookings_asked_for(till) == 1


async def test_a_key_used_for_another_booking_is_refused(till: Till) -> None:
    await till.ask_book((await till.hold(3))["token"], key="b1")

    answer = await till.ask_book((await till.hold(4))["token"], key="b1")

    assert (answer.status, answer.code) == (422, "key_reused")


async def test_a_refused_booking_frees_its_key(till: Till) -> None:
    hold = await till.hold(3)
    refused = await till.ask_book(hold["token"], key="b1", method="pm_gold_bars")

    answer = await till.ask_book(hold["token"], key="b1")

    assert (refused.status, answer.status) == (422, 202)


# ── paying again ───────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_final_decline_ends_the_booking_and_frees_its_seats(till: Till) -> None:
    booking = await till.book(3, method="pm_card_chargeDeclined")
    await till.shop.settle()

    shown = (await till.of(booking)).json
    again = await till.act(booking, "payments", {"payment_method": VISA})

    assert (shown["status"], shown["payment"]["status"]) == ("FAILED", "declined")
    assert await seats_of(till, "held") == []
    assert (again.status, again.code) == (409, "no_retry")


async def test_after_a_retryable_decline_the_buyer_pays_again(till: Till) -> None:
    booking = await till.book(3, method="pm_card_insufficientFunds")
    open_still = await till.act(booking, "payments", {"payment_method": VISA})
    await till.shop.settle()
    declined = (await till.of(booking)).json
    unknown = await till.act(booking, "payments", {"payment_method": "pm_gold_bars"})

    again = await till.act(booking, "payments", {"payment_method": VISA}, key="p1")
    await till.shop.settle()
    replayed = await till.act(booking, "payments", {"payment_method": VISA}, key="p1")

    assert (open_still.status, open_still.code) == (409, "no_retry")
    assert declined["status"] == "PENDING_PAYMENT"
    assert declined["next_action"] == {"type": "retry_payment", "expires_at": booking["hold_until"]}
    assert declined["payment"]["status"] == "declined"
    assert (unknown.status, unknown.code) == (422, "unknown_payment_method")
    assert (again.status, again.json["status"], again.json["next_action"]) == (202, "PENDING_PAYMENT", None)
    assert again.json["hold_until"] == booking["hold_until"]
    assert (replayed.status, replayed.json["status"]) == (202, "CONFIRMED")
    assert replayed.headers["idempotency-replayed"] == "true"


async def test_a_payment_that_needs_the_buyer_says_where_to_go(till: Till) -> None:
    booking = await till.book(3)
    news = PaymentActionRequired(booking_id=UUID(booking["id"]), attempt=1, url="https://bank.example/3ds")
    await till.shop.hear("bookings", news)

    shown = (await till.of(booking)).json

    assert shown["next_action"] == {
        "type": "redirect", "url": "https://bank.example/3ds", "expires_at": booking["hold_until"]
    }  # fmt: skip
    assert shown["payment"]["status"] == "requires_action"


# ── giving up ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_giving_up_while_a_payment_is_open_calls_it_off_first(till: Till) -> None:
    booking = await till.book(3)

    answer = await till.act(booking, "cancellation", key="c1")
    replayed = await till.act(booking, "cancellation", key="c1")
    twice = await till.act(booking, "cancellation")
    held = await seats_of(till, "held")
    await till.shop.settle()

    assert (answer.status, answer.json["status"]) == (202, "CANCELLING")
    assert (replayed.status, replayed.headers["idempotency-replayed"]) == (202, "true")
    assert (twice.status, twice.code) == (409, "cancellation_closed")
    assert held == [3]
    after = (await till.of(booking)).json
    assert after["status"] in ("CANCELLED", "REFUNDING")


async def test_giving_up_after_a_decline_frees_the_seats_at_once(till: Till) -> None:
    booking = await till.book(3, method="pm_card_insufficientFunds")
    await till.shop.settle()

    answer = await till.act(booking, "cancellation")

    assert (answer.status, answer.json["status"]) == (202, "CANCELLED")
    assert await seats_of(till, "held") == []


async def test_money_that_came_although_the_buyer_gave_up_goes_back(till: Till) -> None:
    booking = await till.book(3)
    await till.act(booking, "cancellation")
    while (await till.of(booking)).json["status"] == "CANCELLING":
        await till.shop.fire(TIMER)
        await till.shop.settle()

    after = (await till.of(booking)).json

    assert after["status"] == "CANCELLED"
    assert await seats_of(till, "held") == []


async def test_a_hold_that_ends_without_a_payment_ends_the_booking(till: Till) -> None:
    booking = await till.book(3, method="pm_card_insufficientFunds")
    await till.shop.settle()

    await till.shop.fire(TIMER)

    shown = (await till.of(booking)).json
    assert (shown["status"], shown["next_action"]) == ("EXPIRED", None)
    assert await seats_of(till, "held") == []


# ── whose it is ────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_anothers_booking_is_as_unknown_as_none(till: Till) -> None:
    booking, other = await till.book(3), till.shop.user("ORGANIZER")
    nothing = {"id": uuid7()}

    answers = [
        await till.of(booking, who=other), await till.of(booking, "/tickets", who=other),
        await till.act(booking, "payments", {"payment_method": VISA}, who=other),
        await till.act(booking, "cancellation", who=other),
        await till.of(nothing), await till.of(nothing, "/tickets"),
        await till.act(nothing, "payments", {"payment_method": VISA}), await till.act(nothing, "cancellation"),
    ]  # fmt: skip

    assert [(answer.status, answer.code) for answer in answers] == [(404, "booking_not_found")] * 8
    assert (await till.shop.ask("GET", f"/api/bookings/{booking['id']}")).status == 401
    assert (await till.of(booking)).json["status"] == "PENDING_PAYMENT"


async def test_a_buyer_pages_through_their_own_bookings_newest_first(till: Till) -> None:
    mine = [(await till.book(n))["id"] for n in range(5)]
    await till.book(7, who=till.shop.user())

    seen, query = [], "limit=2"
    while query:
        page = (await till.shop.ask("GET", "/api/bookings", who=till.buyer, query=query)).json
        assert all(set(item) == BOOKING for item in page["items"])
        seen.append([item["id"] for item in page["items"]])
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    assert seen == [mine[:2:-1], mine[2:0:-1], mine[:1]]
    assert (await till.shop.ask("GET", "/api/bookings", who=till.shop.guest())).json == {
        "items": [], "next_cursor": None
    }  # fmt: skip
    bad = await till.shop.ask("GET", "/api/bookings", who=till.buyer, query="cursor=x")
    assert (bad.status, bad.code) == (422, "bad_cursor")


async def test_peers_learn_what_was_bought(till: Till) -> None:
    booking = await till.book(3)
    path = f"/internal/bookings/{booking['id']}/purchase"

    told = await till.shop.peers.call("bookings", "GET", path, tenant=till.shop.tenant)

    purchase = told.decode(Purchase)
    assert (purchase.reference, purchase.contact_email) == (booking["reference"], CONTACT["email"])
    assert [seat.seat_no for seat in purchase.seats] == [3]


async def test_a_claim_waits_for_its_payment_as_long_as_the_hold_or_three_minutes(till: Till) -> None:
    booking = await till.book(3)

    waits = datetime.fromisoformat(booking["hold_until"]) - datetime.now(UTC)

    assert timedelta(minutes=3) < waits <= timedelta(minutes=10)
