"""The operator's pages in a browser: every button works without a script, by keyboard, and for assistive technology."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from playwright.async_api import BrowserContext, Page, expect

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.ids import uuid7
from tests.browser.conftest import OPERATOR
from tests.browser.organizer import Api, Organizer, hall
from tests.browser.page import check_page
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]
BURY = """
    INSERT INTO platform.dead_letters (id, grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts,
                                       attempts, error)
    SELECT $1, 'bookings', $2, $1, id, 'payment.completed', 'key', 'PaymentCompleted', '{}', '{"attempt": 1}', now(),
           12, 'a bad day' FROM platform.tenants WHERE slug = $3
"""


@pytest.fixture
async def defects(servers: EmbeddedServers, api: Api) -> AsyncIterator[Any]:
    """A connection past all walls, to break things with."""
    connection = await asyncpg.connect(servers.postgres.url("browser"))
    yield connection
    await connection.close()


async def enter(api: Api, context: BrowserContext) -> Page:
    """Sign in by keyboard."""
    page = await context.new_page()
    await page.goto(api.url("platform", "/login"))
    await check_page(page)
    await page.get_by_label("E-mail").fill(OPERATOR[0])
    await page.keyboard.press("Tab")
    await page.keyboard.type(OPERATOR[1])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


async def book(api: Api, shop: Organizer, method: str) -> dict[str, Any]:
    event_id = await shop.sell(hall(), {"stalls": 8900, "circle": 3500})
    hold = await api.call(shop.slug, "POST", f"/api/events/{event_id}/holds", {"seats": [1, 2]})
    body = {
        "hold_token": hold["token"], "payment_method": method, "contact": {"email": "b@buyers.example", "name": "Bea"},
    }  # fmt: skip
    guest = {"Guest-Token": hold["guest_token"]}
    made = await api.call(shop.slug, "POST", "/api/bookings", body, headers={**guest, "Idempotency-Key": str(uuid7())})

    async def moved() -> bool:
        booking = await api.call(shop.slug, "GET", f"/api/bookings/{made['id']}", headers=guest)
        return method != "pm_card_visa" or booking["status"] == "CONFIRMED"

    await eventually(moved, within=30)
    booking: dict[str, Any] = made
    return booking


async def test_the_front_page_leads_strangers_on(api: Api, visitor: Arrive) -> None:
    page = await (await visitor(color_scheme="dark")).new_page()

    await page.goto(api.url("platform", "/"))

    await check_page(page)
    await page.get_by_role("link", name="Mailbox").click()
    await expect(page.get_by_role("heading")).to_be_visible()


async def test_a_disagreement_leads_to_its_saga(api: Api, organizer: OpenShop, visitor: Arrive, defects: Any) -> None:
    shop = await organizer()
    booking = await book(api, shop, "pm_card_visa")
    schema = f"tenant_{shop.slug.replace('-', '_')}"
    await defects.execute(f"DELETE FROM {schema}.ledger_entries")
    await defects.execute(f"UPDATE {schema}.saga_state SET updated_at = updated_at - interval '1 hour'")
    page = await enter(api, await visitor())
    await check_page(page)

    await page.get_by_role("link", name="Reconciliation").click()
    await page.get_by_label("Tenant").fill(shop.slug)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row").filter(has_text="Booking without money")).to_have_count(1)
    await check_page(page)
    await page.get_by_role("link", name=booking["reference"]).click()

    await expect(page.get_by_role("heading", name=booking["reference"])).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="PAID")).to_be_visible()
    await check_page(page)


async def test_a_live_saga_is_undone_with_a_reason(api: Api, organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    booking = await book(api, shop, "pm_sim_slow")
    page = await enter(api, await visitor(color_scheme="dark"))

    await page.get_by_role("link", name="Sagas", exact=True).click()
    await page.get_by_label("Tenant").fill(shop.slug)
    await page.get_by_role("button", name="Show").click()
    await check_page(page)
    await page.get_by_role("link", name=booking["reference"]).click()
    await page.get_by_role("button", name="Ask for its refunds again").click()
    await expect(page.get_by_role("alert")).to_contain_text("no open refund")
    await page.get_by_text("Compensate: undo it").press("Enter")
    await page.get_by_label("Why").fill("The hall burned down")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("being undone")
    await check_page(page)


async def test_dead_letters_are_tried_again_or_given_up(
    api: Api, organizer: OpenShop, visitor: Arrive, defects: Any
) -> None:
    shop = await organizer()
    for subject in ("first", "second"):
        await defects.execute(BURY, uuid7(), f"{subject} subject", shop.slug)
    page = await enter(api, await visitor())
    await page.goto(api.url("platform", f"/dead-letters?tenant={shop.slug}"))
    first, second = (page.get_by_role("listitem").filter(has_text=name) for name in ("first", "second"))
    await first.get_by_text("What it says").press("Enter")
    await expect(first.get_by_text('"attempt": 1')).to_be_visible()
    await check_page(page)

    await first.get_by_text("Give it up…").press("Enter")
    await first.get_by_role("button", name="for good").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("given up")
    await page.goto(api.url("platform", f"/dead-letters?tenant={shop.slug}"))
    await second.get_by_role("button", name="Try again").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("tried again")

    await page.get_by_role("link", name="Audit").click()
    await expect(page.get_by_role("rowheader", name="dead_letter.discarded").first).to_be_visible()
    await check_page(page)


async def test_a_tenant_is_suspended_and_activated(api: Api, organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    page = await enter(api, await visitor())
    await page.get_by_role("link", name="Tenants", exact=True).click()
    line = page.get_by_role("listitem").filter(has_text=shop.slug)
    await check_page(page)

    await line.get_by_text(f"Suspend {shop.slug}").press("Enter")
    await line.get_by_role("button", name="Stop all sales").press("Enter")
    await expect(line).to_contain_text("SUSPENDED")
    await check_page(page)
    await line.get_by_role("button", name="Activate").press("Enter")

    await expect(line).to_contain_text("ACTIVE")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="The platform")).to_be_visible()
