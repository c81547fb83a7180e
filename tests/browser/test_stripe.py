"""Paying at Stripe in a browser: the provider's own page, and every way back from it."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import stripe
from playwright.async_api import BrowserContext, Page, expect

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.ids import uuid7
from tests.browser.conftest import run
from tests.browser.organizer import Api, Organizer, hall
from tests.browser.page import check_page, expect_tickets, fill_contact, open_row, seat
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]
PRICES = {"stalls": 6900, "circle": 3500}
BOOKS = "simulator.sqlite"
LAST_SEAT = 83
SLOW_SECONDS = 3600


@pytest.fixture(scope="module")
async def provider(api: Api, in_services: bool) -> AsyncIterator[str]:
    """The address of a running `boxoffice simulator`, which is Stripe to the platform."""
    chaos = f'{{"slow_seconds": {SLOW_SECONDS}}}'
    books = api.data.parent / BOOKS
    trust = ("--trust", str(api.authority)) if in_services else ()
    simulator = run({}, "simulator", "--port", str(api.stripe_port), "--file", str(books), "--chaos", chaos, *trust)
    url = f"http://127.0.0.1:{api.stripe_port}"

    async def answers() -> bool:
        async with aiohttp.ClientSession() as session:
            try:
                return (await session.get(f"{url}/v1/events")).status == 401
            except aiohttp.ClientError:
                return False

    await eventually(answers, within=20)
    yield url
    simulator.send_signal(signal.SIGTERM)
    await asyncio.to_thread(simulator.wait, 20)


class Clocks:
    """The platform's and the bank's, which a test puts forward instead of waiting."""

    def __init__(self, db: asyncpg.Connection, books: Path) -> None:
        self._db = db
        self._books = books

    async def end_the_hold(self, page: Page) -> None:
        """The time of the order that this page shows is over now."""
        booking = page.url.partition("/orders/")[2].partition("?")[0]
        done = await self._db.execute("UPDATE platform.timers SET fire_at = now() WHERE id = $1::uuid", booking)
        assert done == "UPDATE 1"

    def end_the_wait_at_the_bank(self) -> None:
        """All slow payments come to their end now."""
        with closing(sqlite3.connect(self._books, isolation_level=None)) as books:
            books.execute("UPDATE stripe_objects SET due = 0 WHERE due IS NOT NULL")


@pytest.fixture
async def clocks(api: Api, servers: EmbeddedServers) -> AsyncIterator[Clocks]:
    connection = await asyncpg.connect(servers.postgres.url("browser"))
    yield Clocks(connection, api.data.parent / BOOKS)
    await connection.close()


@pytest.fixture
def stripe_shop(api: Api, provider: str, organizer: OpenShop) -> OpenShop:
    """Open a shop that takes payments by Stripe: `await stripe_shop(hold_seconds=3)`."""

    async def open_shop(**settings: Any) -> Organizer:
        shop = await organizer(payment_provider="stripe", **settings)
        key = f"sk_test_{shop.slug}"
        async with aiohttp.ClientSession() as session:
            client = stripe.StripeClient(
                key, base_addresses={"api": provider}, http_client=stripe.AIOHTTPClient(session=session)
            )
            endpoint = await client.v1.webhook_endpoints.create_async(
                {"url": shop.url("/api/payments/webhooks/stripe"), "enabled_events": ["*"]}
            )
        folder = api.data / "secrets" / "stripe"
        folder.mkdir(exist_ok=True)
        (folder / f"{shop.slug}.key").write_text(key)
        (folder / f"{shop.slug}.webhook").write_text(str(endpoint.secret))
        return shop

    return open_shop


async def on_sale(api: Api, shop: Organizer) -> str:
    """An event whose sale takes Stripe's way of paying: the choice of a provider travels by message."""
    event_id = await shop.sell(hall(), PRICES)
    hold = await api.call(shop.slug, "POST", f"/api/events/{event_id}/holds", {"seats": [LAST_SEAT]})
    body = {"hold_token": hold["token"], "payment_method": "checkout",
            "contact": {"email": "b@buyers.example", "name": "Bea"}}  # fmt: skip

    async def taken() -> bool:
        headers = {"Guest-Token": hold["guest_token"], "Idempotency-Key": str(uuid7())}
        try:
            await api.call(shop.slug, "POST", "/api/bookings", body, headers=headers)
        except AssertionError:
            return False
        return True

    await eventually(taken)
    return event_id


async def go_to_the_provider(page: Page, shop: Organizer, event_id: str, *numbers: int) -> None:
    """Choose seats of row C and go on to pay, until the provider's page is there."""
    await page.goto(shop.url(f"/events/{event_id}/seats"))
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    await open_row(page, "Stalls", "C")
    for number in numbers:
        await seat(page, "C", number).click()
    await page.get_by_role("link", name="Continue to checkout").click()
    await fill_contact(page, "Grace Hopper", "grace@example.com")
    await page.get_by_role("button", name="Continue to payment").click()
    await expect(page.get_by_role("button", name="Pay with a good card")).to_be_visible(timeout=20_000)


async def test_a_buyer_pays_on_the_providers_page_and_comes_back_to_the_tickets(
    api: Api, stripe_shop: OpenShop, visitor: Arrive
) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    page = await (await visitor()).new_page()

    await go_to_the_provider(page, shop, event_id, 5, 6)
    await check_page(page)
    await expect(page.get_by_text("138.00 EUR")).to_be_visible()
    await page.get_by_role("button", name="Pay with a good card").click()

    await expect_tickets(page, 2)
    await check_page(page)


async def test_a_card_that_fails_is_followed_by_another(api: Api, stripe_shop: OpenShop, visitor: Arrive) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    page = await (await visitor()).new_page()
    await go_to_the_provider(page, shop, event_id, 5)

    await page.get_by_role("button", name="Pay with a card that is declined").click()
    await expect(page.get_by_role("alert")).to_contain_text("declined")
    await check_page(page)
    await page.get_by_role("button", name="Pay with a good card").click()

    await expect_tickets(page, 1)


async def test_the_bank_asks_first_and_is_told_yes(api: Api, stripe_shop: OpenShop, visitor: Arrive) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    page = await (await visitor()).new_page()
    await go_to_the_provider(page, shop, event_id, 5)

    await page.get_by_role("button", name="Pay with 3-D Secure").click()
    await expect(page.get_by_role("heading", name="Your bank asks")).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Approve").click()

    await expect_tickets(page, 1)


async def test_who_closes_the_providers_page_finds_the_way_back_on_the_order(
    api: Api, stripe_shop: OpenShop, visitor: Arrive
) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    person = await visitor(viewport={"width": 390, "height": 844})
    page = await person.new_page()
    await go_to_the_provider(page, shop, event_id, 5)

    await page.close()
    again = await person.new_page()
    await again.goto(shop.url("/orders"))
    await again.get_by_role("link", name="The Tempest").click()
    await expect(again.get_by_role("heading", name="Your payment is not finished")).to_be_visible()
    await check_page(again)
    await again.get_by_role("link", name="Continue to payment").click()
    await again.get_by_role("button", name="Pay with a good card").click()

    await expect_tickets(again, 1)


async def test_who_leaves_the_providers_page_and_gives_up_has_paid_nothing(
    api: Api, stripe_shop: OpenShop, visitor: Arrive
) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    free = (await shop.counts(event_id))["available"]
    page = await (await visitor()).new_page()
    await go_to_the_provider(page, shop, event_id, 5)

    await page.get_by_role("link", name="Leave without paying").click()
    await page.get_by_role("button", name="Cancel this booking").click()

    await expect(page.get_by_role("heading", name="Booking cancelled")).to_be_visible(timeout=30_000)
    assert (await shop.counts(event_id))["available"] == free


async def test_money_that_comes_after_the_time_ran_out_still_buys_the_seats_and_the_page_says_so(
    api: Api, stripe_shop: OpenShop, visitor: Arrive, clocks: Clocks
) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    page = await (await visitor()).new_page()

    await pay_slowly(page, shop, event_id)
    await clocks.end_the_hold(page)
    await expect(page.get_by_role("heading", name="The time ran out")).to_be_visible(timeout=30_000)
    await check_page(page)
    clocks.end_the_wait_at_the_bank()

    await expect(page.get_by_role("heading", name="You are going!")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("Your payment came late, but your seats were still free.")).to_be_visible()
    await check_page(page)


async def test_money_that_comes_when_the_seats_are_gone_is_returned_and_the_page_says_why(
    api: Api, stripe_shop: OpenShop, visitor: Arrive, clocks: Clocks
) -> None:
    shop = await stripe_shop()
    event_id = await on_sale(api, shop)
    page, other = await (await visitor()).new_page(), await (await visitor()).new_page()

    await pay_slowly(page, shop, event_id)
    await clocks.end_the_hold(page)
    await expect(page.get_by_role("heading", name="The time ran out")).to_be_visible(timeout=30_000)
    await go_to_the_provider(other, shop, event_id, 5)
    await other.get_by_role("button", name="Pay with a good card").click()
    await expect_tickets(other, 1)
    clocks.end_the_wait_at_the_bank()

    await expect(page.get_by_role("heading", name="€69.00 was returned")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("Your payment came too late: the seats were gone by then.")).to_be_visible()
    await check_page(page)


async def pay_slowly(page: Page, shop: Organizer, event_id: str) -> None:
    """Seat 5 of row C by a bank that takes an hour; then back to the order."""
    await go_to_the_provider(page, shop, event_id, 5)
    await page.get_by_role("button", name="Pay with a slow card").click()
    await expect(page.get_by_role("alert")).to_contain_text("being processed")
    await page.get_by_role("link", name="Leave without paying").click()
    await expect(page.get_by_role("heading", name="The Tempest")).to_be_visible()
