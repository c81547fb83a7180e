"""Accounts and errors in a browser."""

from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext, expect

from tests.browser.organizer import PASSWORD, Api, Organizer
from tests.browser.page import check_page

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
