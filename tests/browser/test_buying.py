"""Buying in a browser, from the front page to the tickets, each story as a buyer lives it."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext, Page, expect

from boxoffice.demo.venues import arena
from tests.browser.organizer import Organizer, floor, hall
from tests.browser.page import check_page, expect_tickets, expect_total, fill_contact, open_row, seat
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]
PRICES = {"stalls": 8900, "circle": 3500}
PASSWORD = "a-buyer-s-long-password"


async def go_to_seats(context: BrowserContext, shop: Organizer, event_id: str) -> Page:
    page = await context.new_page()
    await page.goto(shop.url(f"/events/{event_id}/seats"))
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    return page


async def pay(page: Page, card: str) -> None:
    await page.get_by_label(card).check()
    await page.get_by_role("button", name=re.compile("^Pay ")).click()


async def to_checkout(page: Page, email: str) -> None:
    await page.get_by_role("link", name="Continue to checkout").click()
    await fill_contact(page, "Grace Hopper", email)


async def test_a_guest_buys_two_seats_and_finds_the_tickets_in_the_mail(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    await shop.sell(hall(), PRICES)
    page = await (await visitor()).new_page()

    await page.goto(shop.url())
    await check_page(page)
    await page.get_by_role("link", name="The Tempest").click()
    await check_page(page)
    await page.get_by_role("link", name="Get tickets from €35.00").click()
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    await check_page(page)
    await open_row(page, "Stalls", "C")
    await seat(page, "C", 5).click()
    await seat(page, "C", 6).click()
    await expect_total(page, "€178.00")
    await check_page(page)
    await to_checkout(page, "grace@example.com")
    await check_page(page)
    await pay(page, "Visa •••• 4242")

    await expect_tickets(page, 2)
    await check_page(page)
    await expect(page.get_by_role("list", name="Your tickets")).to_contain_text("C")
    mails = await eventually(lambda: shop.mails("grace@example.com"), within=20)
    assert "The Tempest" in mails[0]["text"]
    await page.goto(shop.mail_url("grace@example.com"))
    await expect(page.get_by_text("grace@example.com").first).to_be_visible()


async def test_a_member_buys_in_the_arena_with_the_keyboard_alone(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    plan = arena()
    event_id = await shop.sell(plan, {each["key"]: 4500 for each in plan["categories"]})
    page = await (await visitor()).new_page()

    await page.goto(shop.url(f"/register?next=/events/{event_id}/seats"))
    await check_page(page)
    for text in ("Ada", "Lovelace", "ada@example.com", PASSWORD):
        await tab_to(page, "input")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    assert await page.get_by_role("checkbox", name=re.compile("seat")).count() <= 60
    await check_page(page)
    await tab_to(page, "button", "Find the best seats")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Continue to checkout").wait_for()

    await tab_to(page, "button.section-card")
    await page.keyboard.press("Enter")
    await tab_to(page, "button.row-card")
    await page.keyboard.press("Enter")
    await page.get_by_role("checkbox", name=re.compile("^Row")).first.wait_for()
    assert 0 < await page.get_by_role("checkbox", name=re.compile("^Row")).count() <= 60
    await check_page(page)
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Space")
    await expect_total(page, "€135.00")
    await tab_to(page, "a", "Continue to checkout")
    await page.keyboard.press("Enter")

    await expect(page.get_by_label("Name")).to_have_value("Ada Lovelace")
    await expect(page.get_by_label("E-mail")).to_have_value("ada@example.com")
    await tab_to(page, "input[type=radio]")
    await page.keyboard.press("Space")
    await tab_to(page, "button", "Pay €135.00")
    await page.keyboard.press("Enter")
    await expect_tickets(page, 3)


async def tab_to(page: Page, selector: str, text: str = "") -> None:
    """Press Tab until the focus is on an element like this that it has not been on before."""
    before = await page.evaluate_handle("document.activeElement")
    for _ in range(150):
        await page.keyboard.press("Tab")
        there = await page.evaluate(
            """([selector, text, before]) => {
                const now = document.activeElement;
                return now !== before && now.matches(selector) && now.textContent.includes(text);
            }""",
            [selector, text, before],
        )
        if there:
            return
    raise AssertionError(f"no {selector} {text!r} within reach of the Tab key")


async def test_another_buyer_sees_seats_held_and_then_sold(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    first = await go_to_seats(await visitor(), shop, event_id)
    second = await go_to_seats(await visitor(color_scheme="dark"), shop, event_id)
    await open_row(second, "Stalls", "B")
    await expect(seat(second, "B", 3)).to_have_accessible_name(re.compile("free$"))

    await open_row(first, "Stalls", "B")
    await seat(first, "B", 3).click()
    await expect(seat(second, "B", 3)).to_have_accessible_name(re.compile("held by someone else$"))
    await check_page(second)
    await to_checkout(first, "first@example.com")
    await pay(first, "Visa •••• 4242")
    await expect_tickets(first, 1)

    await expect(seat(second, "B", 3)).to_have_accessible_name(re.compile("sold$"))


async def test_who_comes_second_is_offered_the_seats_beside(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    first = await go_to_seats(await visitor(), shop, event_id)
    context = await visitor()
    second = await go_to_seats(context, shop, event_id)
    await open_row(first, "Stalls", "B")
    await open_row(second, "Stalls", "B")
    await context.route("**/availability", lambda route: route.abort())  # the second one's page hears nothing more
    await seat(first, "B", 3).click()
    await first.get_by_role("link", name="Continue to checkout").wait_for()

    await seat(second, "B", 3).click()
    offer = second.get_by_role("button", name=re.compile("^Take ")).first
    await offer.wait_for()
    await check_page(second)
    await offer.click()

    await expect_total(second, "€89.00")
    await expect(second.get_by_role("link", name="Continue to checkout")).to_be_visible()


async def test_a_declined_card_says_why_and_frees_the_seats(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await to_checkout(page, "unlucky@example.com")

    await pay(page, "Visa •••• 0002")

    await expect(page.get_by_role("heading", name="Your card was declined")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("Your bank refuses this card.")).to_be_visible()
    await check_page(page)

    async def all_free() -> bool:
        counts = await shop.counts(event_id)
        return counts["held"] == counts["sold"] == 0

    await eventually(all_free)
    await page.get_by_role("link", name="Choose seats again").click()
    await expect(page.get_by_role("heading", name="Choose from a list")).to_be_visible()


async def test_a_card_without_cover_keeps_the_seats_for_another_one(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await to_checkout(page, "second-try@example.com")

    await pay(page, "Visa •••• 9995")
    await expect(page.get_by_text("Your seats stay yours")).to_be_visible(timeout=30_000)
    await check_page(page)
    assert (await shop.counts(event_id))["available"] == 7 * 12 - 2
    await pay(page, "Visa •••• 4242")

    await expect_tickets(page, 2)


async def test_an_abandoned_hold_frees_its_seats_by_itself(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer(hold_seconds=5)
    event_id = await shop.sell(hall(), PRICES)
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await page.get_by_role("link", name="Continue to checkout").wait_for()

    async def available() -> int:
        return (await shop.counts(event_id))["available"]

    assert await available() == 7 * 12 - 2
    await expect(page.get_by_text("The time for your seats has run out.")).to_be_visible()
    await check_page(page)
    assert await eventually(lambda: all_back(available), within=15)
    await page.get_by_role("button", name="Hold again").click()
    await expect(page.get_by_role("link", name="Continue to checkout")).to_be_visible()


async def all_back(available: Callable[[], Awaitable[int]]) -> bool:
    return await available() == 7 * 12


async def test_a_hold_and_what_was_typed_survive_a_reload(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), PRICES)
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await page.get_by_role("link", name="Continue to checkout").wait_for()

    await page.reload()
    await to_checkout(page, "reload@example.com")
    await page.reload()

    await expect(page.get_by_label("E-mail")).to_have_value("reload@example.com")
    await page.go_back()
    await expect(page.get_by_role("link", name="Continue to checkout")).to_be_visible()


async def test_what_was_typed_outlives_the_hold_at_the_till(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer(hold_seconds=8)
    event_id = await shop.sell(hall(), PRICES)
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await to_checkout(page, "slow@example.com")

    await expect(page.get_by_role("complementary", name="Your tickets")).to_contain_text("has run out")
    await check_page(page)
    await page.get_by_role("button", name="Hold the same seats again").click()

    await expect(page.get_by_label("E-mail")).to_have_value("slow@example.com")
    await pay(page, "Visa •••• 4242")
    await expect_tickets(page, 2)


async def test_three_standing_places_are_bought_by_number(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(floor(), {"floor": 2400})
    page = await (await visitor(viewport={"width": 320, "height": 800})).new_page()
    await page.goto(shop.url(f"/events/{event_id}/seats"))

    await page.get_by_role("button", name="One more").click()
    await page.get_by_role("button", name="One more").click()
    await page.get_by_role("button", name="Hold 3 places").click()
    await expect_total(page, "€72.00")
    await check_page(page)
    await to_checkout(page, "standing@example.com")
    await check_page(page)
    await pay(page, "Visa •••• 4242")

    await expect_tickets(page, 3)
    await check_page(page)


async def test_a_free_ticket_needs_no_card(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), {"stalls": 0, "circle": 0})
    page = await go_to_seats(await visitor(), shop, event_id)
    await page.get_by_role("button", name="Find the best seats").click()
    await to_checkout(page, "free@example.com")

    await expect(page.get_by_role("radio")).to_have_count(0)
    await page.get_by_role("button", name="Get free tickets").click()

    await expect_tickets(page, 2)
