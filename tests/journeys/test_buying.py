"""A buyer's ways through a purchase."""

from tests.support.platform import Platform
from tests.support.waiting import eventually


async def test_a_guest_buys_two_seats_and_gets_tickets_that_others_see_as_sold(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)

    held = await platform.hold(slug, event, [3, 4], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)
    booking = await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)

    assert (held.status, booked.status) == (201, 202)
    assert [seat["seat_no"] for seat in booking["seats"]] == [3, 4]
    assert booking["total_minor"] == 5_000
    assert booking["payment"]["status"] == "captured"
    tickets = await platform.ask("GET", f"/api/bookings/{booking['id']}/tickets", slug=slug, guest=guest)
    assert len(tickets.json["items"]) == 2
    seen = await platform.ask("GET", f"/api/events/{event}/availability", slug=slug)
    assert seen.json["sold"] == [3, 4]


async def test_a_declined_card_frees_the_seats_at_once(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0, 1], guest=guest)

    booked = await platform.book(slug, held.json["token"], guest=guest, method="pm_card_chargeDeclined")
    await platform.until(slug, booked.json["id"], "FAILED", guest=guest)

    assert (await platform.hold(slug, event, [0, 1])).status == 201


async def test_a_retryable_decline_keeps_the_seats_and_lets_the_buyer_pay_again(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest, method="pm_card_insufficientFunds")
    path = f"/api/bookings/{booked.json['id']}"

    async def may_retry() -> bool:
        shown = await platform.ask("GET", path, slug=slug, guest=guest)
        return bool(shown.json["next_action"])

    await eventually(may_retry)
    other = await platform.hold(slug, event, [0])
    paid = await platform.ask(
        "POST", f"{path}/payments", slug=slug, guest=guest, json={"payment_method": "pm_card_visa"}
    )
    booking = await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)

    assert (other.status, paid.status) == (409, 202)
    assert booking["payment"]["status"] == "captured"


async def test_an_answer_lost_on_the_way_back_from_the_bank_is_found_out(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)

    booked = await platform.book(slug, held.json["token"], guest=guest, method="pm_sim_lost_reply")

    await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)


async def test_a_free_ticket_needs_no_payment(platform: Platform, slug: str) -> None:
    event = await platform.event(slug, price_minor=0)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)

    booked = await platform.book(slug, held.json["token"], guest=guest, method=None)
    booking = await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)

    assert booking["total_minor"] == 0


async def test_a_strangers_booking_does_not_exist(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    owner, stranger = await platform.guest(slug), await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=owner)
    booked = await platform.book(slug, held.json["token"], guest=owner)

    seen = await platform.ask("GET", f"/api/bookings/{booked.json['id']}", slug=slug, guest=stranger)
    stolen = await platform.book(slug, held.json["token"], guest=stranger)

    assert seen.status == 404
    assert stolen.status in (404, 409)


async def test_a_buyer_who_prefers_to_wait_is_told_of_the_tickets_by_one_answer(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)

    path, headers = f"/api/bookings/{booked.json['id']}", {"Prefer": "wait=15"}
    told = await platform.ask("GET", path, slug=slug, guest=guest, headers=headers)

    assert (told.status, told.json["status"]) == (200, "CONFIRMED")
    assert told.headers["Preference-Applied"] == "wait=15"
