"""Corner case 14: a buyer cancels a booking that is confirmed and paid."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.crowd import at_rest
from tests.support.platform import Platform
from tests.support.waiting import eventually

TenantWith = Callable[..., Awaitable[str]]
PRICE = 2_500


class Purchase:
    """A guest's confirmed booking."""

    def __init__(self, platform: Platform, slug: str, event: str, guest: str, id: str) -> None:
        self.platform, self.slug, self.event, self.guest, self.id = platform, slug, event, guest, id

    @classmethod
    async def make(
        cls, platform: Platform, slug: str, seats: list[int], method: str = "pm_card_visa", **event_is: Any
    ) -> "Purchase":
        event = await platform.event(slug, price_minor=PRICE, **event_is)
        guest = await platform.guest(slug)
        held = await platform.hold(slug, event, seats, guest=guest)
        booked = await platform.book(slug, held.json["token"], guest=guest, method=method)
        await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)
        return cls(platform, slug, event, guest, booked.json["id"])

    async def ask(self, method: str, path: str, json: Any = None) -> Any:
        path = f"/api/bookings/{self.id}{path}"
        return await self.platform.ask(method, path, slug=self.slug, guest=self.guest, json=json)

    async def until(self, *statuses: str) -> Any:
        return await self.platform.until(self.slug, self.id, *statuses, guest=self.guest)


async def test_the_preview_is_what_the_buyer_gets_and_the_history_tells_how(
    platform: Platform, tenant_with: TenantWith
) -> None:
    slug = await tenant_with(cancellation={"fee_percent": 20})
    bought = await Purchase.make(platform, slug, [0, 1])

    preview = await bought.ask("GET", "/cancellation")
    cancelled = await bought.ask("POST", "/cancellation", {})
    booking = await bought.until("CANCELLED")

    await at_rest(platform, slug)
    assert (preview.json["refund_minor"], preview.json["kept_minor"]) == (4_000, 1_000)
    assert (cancelled.status, cancelled.json["status"]) == (202, "REFUNDING")
    assert booking["refund"] == {"status": "done", "amount_minor": 4_000, "currency": "EUR"}
    steps = [(step["trigger"], step["to"]) for step in booking["history"]]
    assert steps == [
        ("REQUESTED", "PENDING_PAYMENT"), ("PAID", "CONFIRMED"), ("CANCELLED_ALL", "REFUNDING"),
        ("REFUNDED_ALL", "CANCELLED"),
    ]  # fmt: skip


async def test_a_seat_is_on_sale_again_only_when_its_money_has_been_returned(platform: Platform, slug: str) -> None:
    bought = await Purchase.make(platform, slug, [0], "pm_sim_refund_fails_twice")
    operator = await platform.operator()
    saga = f"/api/sagas/{bought.id}"

    async def refused(times: int) -> bool:
        shown = await platform.ask("GET", saga, token=operator)
        return [refund["tries"] for refund in shown.json["refunds"]] == [times]

    await bought.ask("POST", "/cancellation", {})
    meanwhile = []
    for times in (1, 2):
        await eventually(lambda: refused(times))  # noqa: B023
        meanwhile += [await platform.hold(slug, bought.event, [0]), await bought.ask("GET", "/tickets")]
        retried = await platform.ask("POST", f"{saga}/retry", token=operator, json={})
        assert retried.status == 202, retried
    await bought.until("CANCELLED")

    await at_rest(platform, slug)
    assert [reply.code for reply in meanwhile] == ["seat_unavailable", "not_confirmed"] * 2
    assert (await platform.hold(slug, bought.event, [0])).status == 201


async def test_single_seats_go_back_and_the_other_tickets_stay_valid(platform: Platform, slug: str) -> None:
    bought = await Purchase.make(platform, slug, [0, 1, 2])

    await bought.ask("POST", "/cancellation", {"seats": [1]})

    async def returned() -> Any:
        shown = (await bought.ask("GET", "")).json
        return shown if shown["refund"] and shown["refund"]["status"] == "done" else None

    booking = await eventually(returned)
    tickets = (await bought.ask("GET", "/tickets")).json["items"]
    await at_rest(platform, slug)
    assert (booking["status"], booking["refund"]["amount_minor"]) == ("CONFIRMED", PRICE)
    assert {ticket["seat"]["seat_no"]: ticket["state"] for ticket in tickets} == {0: "valid", 1: "void", 2: "valid"}
    assert (await platform.hold(slug, bought.event, [1])).status == 201


async def test_after_the_policys_time_nothing_is_given_back(platform: Platform, slug: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=23)
    bought = await Purchase.make(platform, slug, [0], starts_at=soon)

    preview = await bought.ask("GET", "/cancellation")
    cancelled = await bought.ask("POST", "/cancellation", {})

    assert [(reply.status, reply.code) for reply in (preview, cancelled)] == [(409, "cancellation_closed")] * 2
    assert (await bought.ask("GET", "")).json["status"] == "CONFIRMED"
