"""Corner case 5: the operator suspends a tenant while it sells."""

from typing import Any

from tests.corner_cases.conftest import tenant_id
from tests.support.platform import Platform
from tests.support.waiting import eventually


async def suspend(platform: Platform, slug: str, mode: str) -> None:
    path = f"/api/tenants/{await tenant_id(platform, slug)}/suspension"
    reply = await platform.ask("POST", path, token=await platform.operator(), json={"mode": mode})
    assert reply.status == 200, reply


async def resume(platform: Platform, slug: str) -> None:
    path = f"/api/tenants/{await tenant_id(platform, slug)}/suspension"
    reply = await platform.ask("DELETE", path, token=await platform.operator())
    assert reply.status == 204, reply


async def buy(platform: Platform, slug: str, event: str, seat: int, guest: str, method: str) -> Any:
    held = await platform.hold(slug, event, [seat], guest=guest)
    return (await platform.book(slug, held.json["token"], guest=guest, method=method)).json


async def test_a_suspended_organizer_sells_nothing_until_resumed_and_buyers_keep_their_bookings(
    platform: Platform, slug: str
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    booked = await buy(platform, slug, event, 0, guest, "pm_card_visa")
    await platform.until(slug, booked["id"], "CONFIRMED", guest=guest)

    await suspend(platform, slug, "drain")

    async def closed_everywhere() -> bool:
        replies = [await platform.hold(slug, event, [1], guest=guest) for _ in range(6)]
        return {(reply.status, reply.code) for reply in replies} == {(403, "tenant_suspended")}

    await eventually(closed_everywhere, within=2)
    page = await platform.ask("GET", "/", slug=slug, headers={"Accept": "text/html"})
    own = await platform.ask("GET", f"/api/bookings/{booked['id']}", slug=slug, guest=guest)
    tickets = await platform.ask("GET", f"/api/bookings/{booked['id']}/tickets", slug=slug, guest=guest)
    assert (page.status, own.status, tickets.status) == (403, 200, 200)

    await resume(platform, slug)

    async def open_again() -> bool:
        return (await platform.ask("GET", "/api/events", slug=slug)).status == 200

    await eventually(open_again, within=2)


async def test_what_is_booked_is_paid_to_its_end_while_the_tenant_drains(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    booked = await buy(platform, slug, event, 0, guest, "pm_sim_slow")

    await suspend(platform, slug, "drain")

    paid = await platform.until(slug, booked["id"], "CONFIRMED", guest=guest)
    assert paid["payment"]["status"] == "captured"


async def test_a_strict_suspension_calls_off_what_awaits_its_payment_and_leaves_what_is_paid(
    platform: Platform, slug: str
) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    paid = await buy(platform, slug, event, 0, guest, "pm_card_visa")
    await platform.until(slug, paid["id"], "CONFIRMED", guest=guest)
    unpaid = await buy(platform, slug, event, 1, guest, "pm_sim_action")

    await suspend(platform, slug, "strict")

    called_off = await platform.until(slug, unpaid["id"], "CANCELLED", guest=guest)
    still = await platform.ask("GET", f"/api/bookings/{paid['id']}", slug=slug, guest=guest)
    assert called_off["payment"]["status"] == "cancelled"
    assert still.json["status"] == "CONFIRMED"
