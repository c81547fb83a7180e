"""What a buyer walks away from comes back by itself."""

from tests.faults.conftest import tenant_with_short_holds
from tests.support.crowd import Crowd, at_rest
from tests.support.platform import Platform
from tests.support.waiting import eventually


async def test_an_abandoned_hold_frees_its_seats(platform: Platform) -> None:
    slug = await tenant_with_short_holds(platform, seconds=1)
    event = await platform.event(slug)
    held = await platform.hold(slug, event, [0, 1])
    at_once = await platform.hold(slug, event, [1, 2])

    later = await eventually(lambda: granted(platform, slug, event, [1, 2]))

    assert (held.status, at_once.status, later) == (201, 409, True)


async def test_an_abandoned_payment_expires_and_frees_its_seats(platform: Platform) -> None:
    slug = await tenant_with_short_holds(platform, seconds=2)
    event = await platform.event(slug)
    crowd = await Crowd.gather(platform, slug, event, range(3), ["pm_sim_never"])
    await crowd.buy()
    taken = await platform.hold(slug, event, [0])

    await at_rest(platform, slug)

    assert taken.status == 409
    assert sorted((await crowd.statuses()).values()) == ["EXPIRED"] * 3
    assert await granted(platform, slug, event, [0, 1, 2])


async def granted(platform: Platform, slug: str, event: str, seats: list[int]) -> bool:
    return (await platform.hold(slug, event, seats)).status == 201
