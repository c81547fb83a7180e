"""Mail: kept for a look while no server is configured, and sent once however long the server was away."""

from tests.support.mail_server import TinyMailServer
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
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
    assert f"http://{slug}.localhost:{platform.port}/orders/{booked.json['id']}" in html


async def test_a_mail_server_that_is_away_delays_the_mail_and_not_the_sale() -> None:
    server = TinyMailServer()
    async with running_platform(smtp_url=server.url, web_processes="1") as platform:
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
        slug = await platform.tenant()
        event = await platform.event(slug)
        guest = await platform.guest(slug)
        held = await platform.hold(slug, event, [0], guest=guest)
        booked = await platform.book(slug, held.json["token"], guest=guest)
        await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest)
        assert server.to(BUYER) == []
        assert (await platform.ask("GET", "/dev/mail")).status == 404

        await server.start()
        await eventually(lambda: server.to(BUYER), within=30)
        await server.stop()

    assert len(server.to(BUYER)) == 1
    assert booked.json["reference"] in server.to(BUYER)[0].as_string()
