"""The doors of giving back: a buyer's seats, an organizer's refunds, a whole event, an operator's saga monitor."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import World, key
from tests.support.platform import Reply
from tests.support.waiting import eventually

PREVIEW = {"refund_minor", "kept_minor", "currency", "seats", "free_until"}
PROGRESS = {"event_id", "total", "handled", "by_status", "started_at", "finished_at"}
ITEM = {"booking_id", "tenant", "reference", "status", "since", "due_at", "late_seconds"}
SAGA = {"tenant", "booking", "state", "reason", "attempts", "refunds", "kept_minor"}
REASON = {"reason": "The seat is broken."}


@pytest.fixture(scope="module")
async def event(world: World) -> str:
    return await world.platform.event(world.acme.slug, rows=5, seats=20)


async def ask(world: World, method: str, path: str, role: str, json: Any = None, **more: str) -> Reply:
    host = "platform" if role == "operator" else "tenant"
    slug = "platform" if host == "platform" else world.acme.slug
    headers = {**key(), **world.roles(host)[role], **more}
    return await world.platform.ask(method, path, slug=slug, headers=headers, json=json)


async def booked(world: World, event: str, quantity: int = 1, method: str = "pm_card_visa") -> str:
    """The path of a customer's new booking."""
    wish = {"best_available": {"quantity": quantity}}
    held = await ask(world, "POST", f"/api/events/{event}/holds", "customer", wish)
    made = await ask(world, "POST", "/api/bookings", "customer", {
        "hold_token": held.json["token"], "payment_method": method,
        "contact": {"email": "bea@buyers.example", "name": "Bea"},
    })  # fmt: skip
    assert made.status == 202, made
    return f"/api/bookings/{made.json['id']}"


async def until(world: World, path: str, status: str, refund: str | None = None) -> Any:
    """The booking once it has this status and its refund that one."""

    async def arrived() -> Any:
        shown = (await ask(world, "GET", path, "customer")).json
        return shown if (shown["status"], (shown["refund"] or {}).get("status")) == (status, refund) else None

    return await eventually(arrived)


async def confirmed(world: World, event: str, quantity: int = 1, method: str = "pm_card_visa") -> str:
    path = await booked(world, event, quantity, method)
    await until(world, path, "CONFIRMED")
    return path


async def test_a_preview_has_every_field_and_gives_nothing_back(world: World, event: str) -> None:
    path = await confirmed(world, event, 2)
    seats = [seat["seat_no"] for seat in (await ask(world, "GET", path, "customer")).json["seats"]]

    everything = await ask(world, "GET", f"{path}/cancellation", "customer")
    one = await ask(world, "GET", f"{path}/cancellation?seats={seats[1]}", "customer")
    strange = await ask(world, "GET", f"{path}/cancellation?seats=99", "customer")
    garbled = await ask(world, "GET", f"{path}/cancellation?seats=1,", "customer")

    shown = (await ask(world, "GET", path, "customer")).json
    assert set(everything.json) == PREVIEW
    assert everything.headers["Cache-Control"] == "no-store"
    assert (everything.json["refund_minor"], everything.json["kept_minor"]) == (5_000, 0)
    assert (everything.json["currency"], sorted(everything.json["seats"])) == ("EUR", sorted(seats))
    assert datetime.fromisoformat(everything.json["free_until"]).isoformat() == "2031-04-30T18:00:00+00:00"
    assert (one.json["refund_minor"], one.json["seats"]) == (2_500, [seats[1]])
    assert problem(strange) == (422, "unknown_seat")
    assert wrong_paths(garbled) == ["seats"]
    assert (shown["status"], shown["refund"]) == ("CONFIRMED", None)


async def test_what_awaits_its_payment_is_given_up_as_a_whole(world: World, event: str) -> None:
    path = await booked(world, event, 2, "pm_sim_slow")
    seat = (await ask(world, "GET", path, "customer")).json["seats"][0]["seat_no"]

    preview = await ask(world, "GET", f"{path}/cancellation", "customer")
    half = [
        await ask(world, "GET", f"{path}/cancellation?seats={seat}", "customer"),
        await ask(world, "POST", f"{path}/cancellation", "customer", {"seats": [seat]}),
    ]
    given_up = await ask(world, "POST", f"{path}/cancellation", "customer")

    assert (preview.json["refund_minor"], preview.json["kept_minor"], len(preview.json["seats"])) == (0, 0, 2)
    assert [problem(reply) for reply in half] == [(409, "cancellation_closed")] * 2
    assert (given_up.status, given_up.json["status"]) == (202, "CANCELLING")


async def test_single_seats_go_back_and_the_other_tickets_stay_valid(world: World, event: str) -> None:
    path = await confirmed(world, event, 3)
    seats = [seat["seat_no"] for seat in (await ask(world, "GET", path, "customer")).json["seats"]]

    given_back = await ask(world, "POST", f"{path}/cancellation", "customer", {"seats": [seats[0]]})
    shown = await until(world, path, "CONFIRMED", "done")
    again = await ask(world, "POST", f"{path}/cancellation", "customer", {"seats": [seats[0]]})
    tickets = (await ask(world, "GET", f"{path}/tickets", "customer")).json["items"]

    assert (given_back.status, given_back.json["status"]) == (202, "CONFIRMED")
    assert {seat["seat_no"]: seat["state"] for seat in shown["seats"]} == {
        seats[0]: "REFUNDED", seats[1]: "VALID", seats[2]: "VALID",
    }  # fmt: skip
    assert shown["refund"] == {"status": "done", "amount_minor": 2_500, "currency": "EUR"}
    assert shown["payment"]["status"] == "partially_refunded"
    assert sorted(ticket["state"] for ticket in tickets) == ["valid", "valid", "void"]
    assert problem(again) == (422, "unknown_seat")


async def test_a_booking_is_given_back_once(world: World, event: str) -> None:
    path = await confirmed(world, event)

    given_back = await ask(world, "POST", f"{path}/cancellation", "customer")
    at_once = await ask(world, "POST", f"{path}/cancellation", "customer")
    shown = await until(world, path, "CANCELLED", "done")
    later = [
        await ask(world, "POST", f"{path}/cancellation", "customer"),
        await ask(world, "GET", f"{path}/cancellation", "customer"),
        await ask(world, "POST", f"{path}/refunds", "organizer", REASON),
    ]

    assert (given_back.status, given_back.json["id"]) == (202, shown["id"])
    assert [problem(reply) for reply in (at_once, *later)] == [(409, "cancellation_closed")] * 4
    assert (shown["payment"]["status"], shown["refund"]["amount_minor"]) == ("refunded", 2_500)
    assert {seat["state"] for seat in shown["seats"]} == {"REFUNDED"}


async def test_an_organizer_refunds_a_part_once_for_its_key(world: World, event: str) -> None:
    path = await confirmed(world, event, 2)
    seat = (await ask(world, "GET", path, "customer")).json["seats"][0]["seat_no"]
    body = {**REASON, "seats": [seat], "amount_minor": 1_000}
    same = key()

    first = await ask(world, "POST", f"{path}/refunds", "organizer", body, **same)
    again = await ask(world, "POST", f"{path}/refunds", "organizer", body, **same)
    other = await ask(world, "POST", f"{path}/refunds", "organizer", REASON, **same)
    shown = await until(world, path, "CONFIRMED", "done")

    assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (202, 202, "true")
    assert problem(other) == (422, "key_reused")
    assert shown["refund"]["amount_minor"] == 1_000


async def test_a_refund_says_why_and_exceeds_no_price(world: World, event: str) -> None:
    path = f"{await confirmed(world, event)}/refunds"

    dear = await ask(world, "POST", path, "organizer", {**REASON, "amount_minor": 2_501})
    below = await ask(world, "POST", path, "organizer", {**REASON, "amount_minor": -1})
    silent = await ask(world, "POST", path, "organizer", {})
    strange = await ask(world, "POST", path, "organizer", {**REASON, "seats": [99]})
    unknown = await ask(world, "POST", f"/api/bookings/{uuid4()}/refunds", "organizer", REASON)
    low = [await ask(world, "POST", path, role, REASON) for role in ("guest", "customer", "scanner")]

    assert wrong_paths(dear) == wrong_paths(below) == ["amount_minor"]
    assert wrong_paths(silent) == ["reason"]
    assert problem(strange) == (422, "unknown_seat")
    assert problem(unknown) == (404, "booking_not_found")
    assert [problem(reply) for reply in low] == [(403, "forbidden")] * 3


async def test_a_cancelled_event_gives_every_booking_back(world: World) -> None:
    event = await world.platform.event(world.acme.slug, rows=4, seats=20)
    path = f"/api/events/{event}"
    paid = await confirmed(world, event, 2)
    held = (await ask(world, "POST", f"{path}/holds", "guest", {"best_available": {"quantity": 1}})).json
    before = await ask(world, "GET", f"{path}/cancellation", "organizer")

    called_off = await ask(world, "POST", f"{path}/cancellation", "organizer")
    at_once = await ask(world, "GET", f"{path}/cancellation", "organizer")

    async def finished() -> Any:
        progress = (await ask(world, "GET", f"{path}/cancellation", "organizer")).json
        return progress if progress["finished_at"] and progress["by_status"] == {"CANCELLED": 1} else None

    progress = await eventually(finished)
    shown = await until(world, paid, "CANCELLED", "done")
    again = await ask(world, "POST", f"{path}/cancellation", "organizer")

    async def closed() -> Any:
        """Holds may rest on what was known a second ago; claims never do."""
        late = await ask(world, "POST", f"{path}/holds", "guest", {"best_available": {"quantity": 1}})
        return late if late.code == "not_on_sale" else None

    late = await eventually(closed)
    book = {
        "hold_token": held["token"], "payment_method": "pm_card_visa",
        "contact": {"email": "bea@buyers.example", "name": "Bea"},
    }  # fmt: skip
    too_late = await ask(world, "POST", "/api/bookings", "guest", book)

    assert problem(before) == (404, "cancellation_not_found")
    assert (called_off.status, called_off.json["status"], called_off.json["sale"]) == (202, "CANCELLED", "cancelled")
    assert (at_once.status, set(at_once.json), set(progress)) == (200, PROGRESS, PROGRESS)
    assert (progress["event_id"], progress["total"], progress["handled"]) == (event, 1, 1)
    assert shown["refund"]["amount_minor"] == 5_000
    assert problem(again) == (409, "not_published")
    assert late is not None
    assert problem(late) == (409, "not_on_sale")
    assert problem(too_late) == (409, "not_on_sale")


async def test_only_what_is_on_sale_is_called_off(world: World) -> None:
    draft, nothing = f"/api/events/{world.acme.draft}/cancellation", f"/api/events/{uuid4()}/cancellation"

    refused = [await ask(world, method, draft, "organizer") for method in ("POST", "GET")]
    unknown = [await ask(world, method, nothing, "organizer") for method in ("POST", "GET")]
    low = [await ask(world, "POST", draft, role) for role in ("guest", "customer", "scanner")]

    assert [problem(reply) for reply in refused] == [(409, "not_published"), (404, "cancellation_not_found")]
    assert [problem(reply) for reply in unknown] == [(404, "event_not_found")] * 2
    assert [problem(reply) for reply in low] == [(403, "forbidden")] * 3


async def test_an_operator_sees_live_sagas_and_returns_money_by_hand(world: World, event: str) -> None:
    path = await confirmed(world, event, 1, "pm_sim_refund_fails_twice")
    booking = path.rpartition("/")[2]
    saga = f"/api/sagas/{booking}"
    idle = await ask(world, "POST", f"{saga}/retry", "operator")
    await ask(world, "POST", f"{path}/cancellation", "customer")

    listed = await ask(world, "GET", f"/api/sagas?tenant={world.acme.slug}&limit=100", "operator")
    shown = await ask(world, "GET", saga, "operator")
    again = await ask(world, "POST", f"{saga}/retry", "operator")
    strange = await ask(
        world, "POST", f"{saga}/refund-evidence", "operator", {"refund_id": str(uuid4()), "evidence": "Receipt 17"}
    )
    evidence = {"refund_id": shown.json["refunds"][0]["id"], "evidence": "Receipt 17"}
    by_hand = await ask(world, "POST", f"{saga}/refund-evidence", "operator", evidence)

    item = next(item for item in listed.json["items"] if item["booking_id"] == booking)
    assert problem(idle) == (409, "nothing_to_retry")
    assert (set(item), item["tenant"]["slug"], item["status"]) == (ITEM, world.acme.slug, "REFUNDING")
    assert (set(shown.json), shown.json["state"], shown.json["booking"]["id"]) == (SAGA, "REFUNDING", booking)
    assert (again.status, problem(strange)) == (202, (404, "refund_not_found"))
    assert (by_hand.status, by_hand.json["state"]) == (202, "CANCELLED")
    assert by_hand.json["refunds"][0]["evidence"] == "Receipt 17"


async def test_an_operator_undoes_a_booking_once_for_a_key(world: World, event: str) -> None:
    path = await confirmed(world, event)
    saga = f"/api/sagas/{path.rpartition('/')[2]}/compensation"
    same = key()

    first = await ask(world, "POST", saga, "operator", REASON, **same)
    again = await ask(world, "POST", saga, "operator", REASON, **same)
    other = await ask(world, "POST", saga, "operator", {"reason": "Another"}, **same)
    later = await ask(world, "POST", saga, "operator", REASON)
    shown = await until(world, path, "CANCELLED", "done")

    assert (first.status, first.json["reason"]) == (202, "OPERATOR")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert problem(other) == (422, "key_reused")
    assert problem(later) == (409, "cancellation_closed")
    assert shown["refund"]["amount_minor"] == 2_500


async def test_what_no_tenant_has_no_operator_sees(world: World) -> None:
    saga = f"/api/sagas/{uuid4()}"

    unknown = [
        await ask(world, "GET", saga, "operator"), await ask(world, "POST", f"{saga}/retry", "operator"),
        await ask(world, "POST", f"{saga}/compensation", "operator", REASON),
        await ask(world, "POST", f"{saga}/refund-evidence", "operator", {"refund_id": str(uuid4()), "evidence": "x"}),
    ]  # fmt: skip
    nobody = await ask(world, "GET", "/api/sagas?tenant=nobody", "operator")
    strange = await ask(world, "GET", "/api/sagas?status=asleep", "operator")
    stuck = await ask(world, "GET", f"/api/sagas?status=stuck&tenant={world.acme.slug}", "operator")

    assert [problem(reply) for reply in unknown] == [(404, "booking_not_found")] * 4
    assert problem(nobody) == (404, "tenant_not_found")
    assert wrong_paths(strange) == ["status"]
    assert stuck.json == {"items": [], "next_cursor": None}
