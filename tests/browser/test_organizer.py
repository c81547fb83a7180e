"""The organizer's pages in a browser: what is sold and to whom, a refund, an event that is called off."""

from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext, Page, expect

from boxoffice.kernel.ids import uuid7
from tests.browser.organizer import PASSWORD, Api, Organizer, hall
from tests.browser.page import check_page
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]
PRICES = {"stalls": 6900, "circle": 3500}


async def enter(shop: Organizer, context: BrowserContext) -> Page:
    """Sign in on the way to the pages, by keyboard."""
    page = await context.new_page()
    await page.goto(shop.url("/organizer"))
    await page.get_by_label("E-mail").fill(f"admin@{shop.slug}.example")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    return page


async def buy(api: Api, shop: Organizer, event_id: str, *seats: int, name: str = "Bea Buyer") -> str:
    """The reference of a guest's paid order."""
    hold = await api.call(shop.slug, "POST", f"/api/events/{event_id}/holds", {"seats": list(seats)})
    guest = {"Guest-Token": hold["guest_token"]}
    body = {"hold_token": hold["token"], "payment_method": "pm_card_visa",
            "contact": {"email": f"{name.split()[0].lower()}@buyers.example", "name": name}}  # fmt: skip
    made = await api.call(shop.slug, "POST", "/api/bookings", body, headers={**guest, "Idempotency-Key": str(uuid7())})

    async def confirmed() -> bool:
        shown = await api.call(shop.slug, "GET", f"/api/bookings/{made['id']}", headers=guest)
        return bool(shown["status"] == "CONFIRMED")

    await eventually(confirmed, within=30)
    return str(made["reference"])


async def test_an_organizer_sees_what_is_sold_and_returns_one_seat_of_an_order(
    api: Api, organizer: OpenShop, visitor: Arrive
) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    reference = await buy(api, shop, event_id, 1, 2)
    await buy(api, shop, event_id, 5, name="Carl Customer")
    page = await enter(shop, await visitor())
    await check_page(page)

    await page.get_by_role("link", name="The Tempest").press("Enter")
    await expect(page.get_by_role("list", name="Seats").get_by_role("listitem").first).to_contain_text("3")
    await check_page(page)
    await page.get_by_label("Find").fill(reference.lower())
    await page.keyboard.press("Enter")
    orders = page.get_by_role("listitem").filter(has=page.get_by_role("heading", level=3))
    await expect(orders).to_have_count(1)
    await page.get_by_text(f"Refund {reference}").press("Enter")
    await page.get_by_role("checkbox").first.press("Space")
    await page.get_by_label("Why").fill("The seat is broken.")
    await check_page(page)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("being given back")
    line = page.get_by_role("listitem").filter(has_text="given back")
    await eventually(lambda: shown_after_reload(page, "€69.00 returned"), within=20)
    await expect(line.first).to_be_visible()
    await check_page(page)


async def shown_after_reload(page: Page, text: str) -> bool:
    await page.reload()
    return await page.get_by_text(text).count() > 0


async def test_an_event_is_called_off_and_the_page_follows_the_money_back(
    api: Api, organizer: OpenShop, visitor: Arrive
) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    for number in range(3):
        await buy(api, shop, event_id, number)
    page = await enter(shop, await visitor(viewport={"width": 390, "height": 844}))
    await page.get_by_role("link", name="The Tempest").click()

    await page.get_by_text("Call off The Tempest").press("Enter")
    await page.get_by_role("checkbox", name="Yes, refund 3 sold seats").press("Space")
    await check_page(page)
    await page.get_by_role("button", name="Call it off and refund everybody").press("Enter")

    await expect(page.get_by_role("heading", name="Every order has been dealt with")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("3 of 3 orders")).to_be_visible()
    await eventually(lambda: shown_after_reload(page, "Given back"), within=20)
    await check_page(page)
    await page.goto(shop.url("/organizer"))
    await expect(page.get_by_role("listitem").filter(has_text="The Tempest")).to_contain_text("Cancelled")


async def test_without_a_word_of_confirmation_nothing_is_called_off(
    api: Api, organizer: OpenShop, visitor: Arrive
) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    page = await enter(shop, await visitor(color_scheme="dark"))
    await page.goto(shop.url(f"/organizer/events/{event_id}"))
    await page.evaluate("document.querySelectorAll('[required]').forEach(each => each.removeAttribute('required'))")

    await page.get_by_text("Call off The Tempest").press("Enter")
    await page.get_by_role("button", name="Call it off and refund everybody").press("Enter")

    await expect(page.get_by_role("alert")).to_contain_text("Tick the box")
    await expect(page.locator("h1 + p .badge")).to_have_text("On sale")
    await check_page(page)


async def test_a_buyer_has_no_business_there(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    page = await (await visitor()).new_page()
    await page.goto(shop.url("/register?next=/organizer"))
    for label, value in (("First name", "Bea"), ("Last name", "Buyer"), ("E-mail", "bea@buyers.example")):
        await page.get_by_label(label).fill(value)
    await page.get_by_label("Password").fill(PASSWORD)

    await page.get_by_role("button", name="Create").click()

    await expect(page.get_by_role("heading", name="Not for you")).to_be_visible()
    await check_page(page)
