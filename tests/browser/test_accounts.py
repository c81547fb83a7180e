"""Accounts and errors in a browser."""

from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext, expect

from tests.browser.organizer import PASSWORD, Api, Organizer, hall
from tests.browser.page import check_page
from tests.support.waiting import eventually

OpenShop = Callable[..., Awaitable[Organizer]]
Arrive = Callable[..., Awaitable[BrowserContext]]


async def test_people_sign_in_and_out_without_scripts(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    page = await (await visitor(java_script_enabled=False)).new_page()

    await page.goto(shop.url("/login?next=/orders"))
    await page.get_by_label("E-mail").fill(f"admin@{shop.slug}.example")
    await page.get_by_label("Password").fill("not-the-password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("heading", name="My orders")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


async def test_a_page_that_does_not_exist_is_still_a_page_of_the_shop(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    page = await (await visitor()).new_page()

    answer = await page.goto(shop.url("/nothing-here"))

    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    await check_page(page)


async def test_a_host_where_nobody_sells_says_so(api: Api, visitor: Arrive) -> None:
    page = await (await visitor(color_scheme="dark")).new_page()

    answer = await page.goto(api.url("nobody-sells-here", "/"))

    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="Nobody sells here")).to_be_visible()
    await check_page(page)


async def test_a_session_that_expires_while_choosing_is_renewed_unnoticed(organizer: OpenShop, visitor: Arrive) -> None:
    shop = await organizer()
    event_id = await shop.sell(hall(), {"stalls": 8900, "circle": 3500})
    context = await visitor()
    page = await context.new_page()
    await page.goto(shop.url(f"/login?next=/events/{event_id}/seats"))
    await page.get_by_label("E-mail").fill(f"admin@{shop.slug}.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Choose from a list").wait_for()
    access = next(cookie for cookie in await context.cookies() if cookie["name"] == "__Host-access")
    await context.add_cookies(
        [{"name": "__Host-access", "value": "an.expired.token", "url": shop.url().replace("http:", "https:")}]
    )

    await page.get_by_role("button", name="Find the best seats").click()
    await page.get_by_role("link", name="Continue to checkout").click()

    await expect(page.get_by_label("E-mail")).to_have_value(f"admin@{shop.slug}.example")
    renewed = next(cookie for cookie in await context.cookies() if cookie["name"] == "__Host-access")
    assert renewed["value"].count(".") == 2
    assert renewed["value"] not in ("an.expired.token", access["value"])
    assert renewed["httpOnly"]


async def test_a_suspended_organizer_s_pages_say_that_sales_are_paused(
    organizer: OpenShop, operator: str, visitor: Arrive
) -> None:
    shop = await organizer()
    await shop.suspend(operator)
    page = await (await visitor()).new_page()

    async def status() -> bool:
        answer = await page.goto(shop.url())
        return answer is not None and answer.status == 403

    await eventually(status)
    await expect(page.get_by_role("heading", name="Sales are paused")).to_be_visible()
    await check_page(page)
