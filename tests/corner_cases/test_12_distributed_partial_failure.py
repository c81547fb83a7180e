"""Corner case 12: the booking is confirmed, and its notification fails."""

from tests.support.crowd import Crowd, at_rest
from tests.support.mail_server import TinyMailServer
from tests.support.platform import Platform
from tests.support.waiting import eventually


async def test_a_mail_server_that_is_away_delays_the_mail_and_not_the_sale(
    platform: Platform, slug: str, mail_server: TinyMailServer
) -> None:
    event = await platform.event(slug)
    crowd = await Crowd.gather(platform, slug, event, [0], ["pm_card_visa"])
    (buyer,) = crowd.buyers
    await at_rest(platform, slug)

    await mail_server.stop()
    try:
        await crowd.buy()
        booking = await platform.until(slug, str(buyer.booking), "CONFIRMED", guest=buyer.guest)
        too_early = mail_server.to(buyer.email)
    finally:
        await mail_server.start()
    (mail,) = await eventually(lambda: mail_server.to(buyer.email), within=20)

    await at_rest(platform, slug)
    assert too_early == []
    assert booking["reference"] in mail.as_string()
    assert len(mail_server.to(buyer.email)) == 1


async def test_a_mail_that_can_never_be_sent_is_kept_and_sent_again_when_the_organizer_says_so(
    platform: Platform, slug: str, mail_server: TinyMailServer
) -> None:
    event = await platform.event(slug)
    crowd = await Crowd.gather(platform, slug, event, [0, 1], ["pm_card_visa"])
    refused, other = crowd.buyers
    admin = await platform.token_of(slug, f"admin@{slug}.example")
    mail_server.verdict = lambda to: "550 no such user" if to == refused.email else None

    async def dead() -> list[str]:
        listed = await platform.ask("GET", "/api/notifications/dead", slug=slug, token=admin)
        return [each["id"] for each in listed.json["items"]]

    try:
        await crowd.buy()
        (id,) = await eventually(dead)
        await eventually(lambda: mail_server.to(other.email))
    finally:
        mail_server.verdict = lambda to: None
    again = await platform.ask("POST", f"/api/notifications/dead/{id}/redrive", slug=slug, token=admin)

    assert again.status == 202
    await eventually(lambda: mail_server.to(refused.email))
    assert await dead() == []


async def test_what_nobody_could_handle_and_what_disagrees_is_on_the_operators_lists(
    platform: Platform, slug: str
) -> None:
    operator = await platform.operator()

    letters = await platform.ask("GET", f"/api/dead-letters?tenant={slug}", token=operator)
    disagreements = await platform.ask("GET", f"/api/reconciliation?tenant={slug}", token=operator)

    assert (letters.status, letters.json["items"]) == (200, [])
    assert (disagreements.status, disagreements.json["items"]) == (200, [])
