"""What every page must be, and the words by which people find their way."""

from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

NARROWEST = 320  # CSS pixels (WCAG 2.2, 1.4.10 Reflow)
AXE = Path("web/node_modules/axe-core/axe.min.js")


async def check_page(page: Page) -> None:
    """No accessibility fault that axe can find; nothing wider than the screen, nor than a very small one."""
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    faults = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found["violations"]]
    assert faults == [], f"{page.url}: {faults}"
    size = page.viewport_size
    assert size is not None
    for width in (size["width"], NARROWEST):
        await page.set_viewport_size({"width": width, "height": size["height"]})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} at {width} px"
    await page.set_viewport_size(size)


async def open_row(page: Page, section: str, row: str) -> None:
    """From the list of sections to the seats of one row."""
    await page.get_by_role("button", name=section).click()
    await page.get_by_role("button", name=f"Row {row} ").click()
    await page.get_by_role("checkbox").first.wait_for()


def seat(page: Page, row: str, number: int) -> Locator:
    return page.get_by_role("checkbox", name=f"Row {row}, seat {number},")


async def fill_contact(page: Page, name: str, email: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("E-mail").fill(email)


async def expect_tickets(page: Page, count: int) -> None:
    await expect(page.get_by_role("heading", name="You are going!")).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("img", name="Entry code")).to_have_count(count)


async def expect_total(page: Page, amount: str) -> None:
    """The sum in the basket."""
    await expect(page.locator(".basket .total")).to_contain_text(amount)
