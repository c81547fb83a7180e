"""Mail: kept for a look while no server is configured, and sent once however long the server was away."""

from tests.support.platform import Platform
from tests.support.waiting import eventually

BUYER = "bea@buyers.example"


async def test_the_mail_of_a_booking_can_be_read_on_the_platforms_host(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)

    async def mail() -> list[str]:
        kept = await platform.ask("GET", f"/dev/mail?to={BUYER}", headers={"Accept": "application/json"})
        return [each["html"] for each in kept.json["items"] if booked.json["reference"] in each["text"]]

    (html,) = await eventually(mail)
    assert f"{platform.origin(slug)}/orders/{booked.json['id']}" in html
