"""Giving tickets back in a browser, on the page of the order."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.organizer import Organizer, hall
from tests.browser.page import check_page, expect_tickets, fill_contact, open_row, seat
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]
PRICES = {"stalls": 6900, "circle": 3500}


async def buy(page: Page, shop: Organizer, event_id: str, *numbers: int) -> None:
    """Seats of row C, paid for, the order page open."""
    await page.goto(shop.url(f"/events/{event_id}/seats"))
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    await open_row(page, "Stalls", "C")
    for number in numbers:
        await seat(page, "C", number).click()
    await page.get_by_role("link", name="Continue to checkout").click()
    await fill_contact(page, "Grace Hopper", "grace@example.com")
    await page.get_by_label("Visa •••• 4242").check()
    await page.get_by_role("button", name=re.compile("^Pay ")).click()
    await expect_tickets(page, len(numbers))


async def starts_at(page: Page) -> datetime:
    """The event's start on the venue's clock, as the order's own answer tells it."""
    text = await page.evaluate("JSON.parse(document.getElementById('order-data').textContent).booking.event.starts_at")
    return datetime.fromisoformat(text).astimezone(ZoneInfo("Europe/Berlin"))


def until(start: datetime, now: datetime, hours: int = 24) -> str:
    """The last moment as the page says it; hours pass by the clock of the world, not by the venue's."""
    last = (start.astimezone(UTC) - timedelta(hours=hours)).astimezone(start.tzinfo)
    year = "" if last.year == now.year else f" {last.year}"
    return f"{last.day} {last:%B}{year}, {last:%H:%M} (Berlin time)"


async def test_one_of_two_tickets_is_given_back_and_its_seat_is_free_again(
    organizer: OpenShop, visitor: Arrive
) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    free_before = (await shop.counts(event_id))["available"]
    page = await (await visitor()).new_page()
    await buy(page, shop, event_id, 5, 6)
    start = await starts_at(page)
    last_moment = until(start, datetime.now(start.tzinfo))

    await page.get_by_role("button", name="Choose tickets to give back").click()
    await page.get_by_role("checkbox", name="Row C, seat 5").check()
    terms = f"You get €69.00 back; €0.00 is kept. Possible until {last_moment}."
    await expect(page.get_by_text(terms)).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name=re.compile("seat 5 back"))).to_be_visible()
    await expect(page.get_by_text(terms)).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Give back and get €69.00").click()

    await expect(page.get_by_role("heading", name="You are going!")).to_be_focused()
    await expect(page.get_by_text("€69.00 was returned")).to_be_visible(timeout=30_000)
    tickets = page.get_by_role("list", name="Your tickets").get_by_role("listitem")
    await expect(tickets.filter(has_text="seat 5")).to_contain_text("given back, no longer valid")
    await expect(page.get_by_role("img", name="Entry code")).to_have_count(1)
    await expect(page.get_by_role("img", name=re.compile("seat 6"))).to_be_visible()
    await check_page(page)

    async def is_free_again() -> bool:
        return (await shop.counts(event_id))["available"] == free_before - 1

    await eventually(is_free_again, within=20)


async def test_who_gives_all_tickets_back_is_told_that_the_money_returned(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    page = await (await visitor()).new_page()
    await buy(page, shop, event_id, 1, 2)

    await page.get_by_role("button", name="Choose tickets to give back").click()
    await page.get_by_role("checkbox", name="All 2 tickets").check()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Give back and get €138.00").click()

    await expect(page.get_by_role("heading", name="€138.00 was returned")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("All tickets were given back.")).to_be_visible()
    await expect(page.get_by_role("img", name="Entry code")).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("heading", name="€138.00 was returned")).to_be_visible()
    await check_page(page)


async def test_when_the_time_is_over_the_order_says_until_when_it_was(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer(cancellation={"free_until_hours": 24 * 60})
    event_id = await shop.sell(hall(), PRICES)
    page = await (await visitor()).new_page()

    await buy(page, shop, event_id, 3)

    start = await starts_at(page)
    last_moment = until(start, datetime.now(start.tzinfo), hours=24 * 60)
    await expect(page.get_by_text(f"Tickets could be given back until {last_moment}.")).to_be_visible()
    await expect(page.get_by_role("button", name="Choose tickets to give back")).to_have_count(0)
    await check_page(page)
