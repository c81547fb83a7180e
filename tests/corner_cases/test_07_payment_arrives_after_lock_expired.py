"""Corner case 7: the money is taken, and the news of it comes after the hold has ended."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.crowd import at_rest
from tests.support.mail_server import TinyMailServer
from tests.support.platform import Platform
from tests.support.waiting import eventually
from tests.support.withholding import withheld

HOLD_SECONDS = 1
TenantWith = Callable[..., Awaitable[str]]


async def book(platform: Platform, slug: str, event: str, seats: list[int], guest: str) -> str:
    held = await platform.hold(slug, event, seats, guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)
    assert booked.status == 202, booked
    return str(booked.json["id"])


def triggers(booking: Any) -> list[str]:
    return [step["trigger"] for step in booking["history"]]


async def test_news_within_the_grace_still_buys_the_seats(platform: Platform, tenant_with: TenantWith) -> None:
    slug = await tenant_with(hold_seconds=HOLD_SECONDS)
    event = await platform.event(slug)
    guest = await platform.guest(slug)

    async with withheld(platform, slug, "PaymentCompleted") as news:
        id = await book(platform, slug, event, [0], guest)
        await platform.until(slug, id, "CANCELLING", guest=guest)
        other = await platform.hold(slug, event, [0])
        await news.deliver()
        booking = await platform.until(slug, id, "CONFIRMED", "EXPIRED", guest=guest)

    assert (other.status, other.code) == (409, "seat_unavailable")
    assert triggers(booking)[:2] == ["REQUESTED", "HOLD_ENDED"]


async def test_news_after_the_end_claims_the_seats_again_while_they_are_free(
    platform: Platform, tenant_with: TenantWith, mail_server: TinyMailServer
) -> None:
    slug = await tenant_with(hold_seconds=HOLD_SECONDS)
    event = await platform.event(slug)
    guest = await platform.guest(slug)

    async with withheld(platform, slug, "PaymentCompleted") as news:
        id = await book(platform, slug, event, [0, 1], guest)
        expired = await platform.until(slug, id, "EXPIRED", guest=guest)
        await news.deliver()
        booking = await platform.until(slug, id, "CONFIRMED", guest=guest)

    await at_rest(platform, slug)
    assert triggers(expired)[-1] == "GRACE_ENDED"
    assert triggers(booking)[-1] == "RECLAIMED"
    assert await told(mail_server, booking["reference"], "yours after all")


async def test_news_after_the_end_is_answered_by_a_refund_when_one_seat_is_gone(
    platform: Platform, tenant_with: TenantWith, mail_server: TinyMailServer
) -> None:
    slug = await tenant_with(hold_seconds=HOLD_SECONDS)
    event = await platform.event(slug)
    late, quick = await platform.guest(slug), await platform.guest(slug)

    async with withheld(platform, slug, "PaymentCompleted") as news:
        id = await book(platform, slug, event, [0, 1], late)
        await platform.until(slug, id, "EXPIRED", guest=late)
        await news.let_new_ones_pass()
        others = await book(platform, slug, event, [1], quick)
        await platform.until(slug, others, "CONFIRMED", guest=quick)
        await news.deliver()
        booking = await platform.until(slug, id, "CANCELLED", guest=late)

    await at_rest(platform, slug)
    assert "RECLAIM_FAILED" in triggers(booking)
    assert booking["refund"] == {"status": "done", "amount_minor": booking["total_minor"], "currency": "EUR"}
    assert await told(mail_server, booking["reference"], "payment came too late")


async def told(mail_server: TinyMailServer, reference: str, words: str) -> bool:
    """Whether a mail about this booking says so."""

    def found() -> bool:
        return any(
            reference in text and words in text
            for _, mail in mail_server.taken
            for text in [" ".join(str(part.get_content()) for part in mail.walk() if not part.is_multipart())]
        )

    return await eventually(found)
