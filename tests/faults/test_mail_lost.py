"""The mail server is down: bookings do not wait for it, and their mail arrives when it is back, once."""

from tests.support.crowd import Crowd, at_rest
from tests.support.mail_server import TinyMailServer
from tests.support.platform import OPERATOR, PASSWORD, running_platform
from tests.support.waiting import eventually

BUYERS = 4


async def test_bookings_are_confirmed_without_a_mail_server_and_told_when_it_is_back(form: str) -> None:
    server = TinyMailServer()
    async with running_platform(form, web_processes="1", smtp_url=server.url) as platform:
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
        slug = await platform.tenant()
        event = await platform.event(slug)
        crowd = await Crowd.gather(platform, slug, event, range(BUYERS), ["pm_card_visa"])

        async def all_confirmed() -> bool:
            return list((await crowd.statuses()).values()) == ["CONFIRMED"] * BUYERS

        await crowd.buy()
        await eventually(all_confirmed)
        taken_too_early = list(server.taken)
        await server.start()
        await eventually(lambda: server.taken, within=20)
        await server.stop()
        later = await Crowd.gather(platform, slug, event, range(BUYERS, 2 * BUYERS), ["pm_card_visa"])
        await later.buy()
        await server.start()
        await at_rest(platform, slug)
        await server.stop()

    assert taken_too_early == []
    buyers = [*crowd.buyers, *later.buyers]
    assert {buyer.email: len(server.to(buyer.email)) for buyer in buyers} == {buyer.email: 1 for buyer in buyers}
    assert len({mail["Message-ID"] for _, mail in server.taken}) == len(server.taken)
