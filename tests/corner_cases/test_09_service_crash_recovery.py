"""Corner case 9: processes are killed in the middle of a saga. tests/faults does so to crowds."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import asyncpg

from tests.support.crowd import Crowd, at_rest
from tests.support.locks import nobody_writes_payments, waiting_for_locks
from tests.support.platform import Platform
from tests.support.processes import kill, supervisor_of, tree
from tests.support.waiting import eventually

TenantWith = Callable[..., Awaitable[str]]
CHARGES = """
    SELECT count(*) FROM simulator.charges
     WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1) AND status = 'CAPTURED'
"""


def ours(platform: Platform) -> list[int]:
    """Every process that runs our code, but for the supervisor."""
    processes = tree(supervisor_of(platform.data)).items()
    return [pid for pid, command in processes if "-m boxoffice run " in command]


async def answering(platform: Platform, slug: str) -> None:
    """Wait until the supervisor has started what was killed."""

    async def answers() -> bool:
        with suppress(aiohttp.ClientError):
            return (await platform.ask("GET", "/api/events", slug=slug)).status == 200
        return False

    await eventually(answers, within=30)


async def test_sagas_whose_processes_died_go_on_are_charged_once_or_are_compensated(
    platform: Platform, tenant_with: TenantWith, db: asyncpg.Connection
) -> None:
    hasty, patient = await tenant_with(hold_seconds=1), await tenant_with(hold_seconds=120)
    short, long = await platform.event(hasty), await platform.event(patient)
    unpaid = await Crowd.gather(platform, hasty, short, [0, 1], ["pm_sim_never"])
    await unpaid.buy()
    paying = await Crowd.gather(platform, patient, long, [2], ["pm_card_visa"])

    async with nobody_writes_payments(platform, patient):
        await paying.buy()
        await eventually(lambda: waiting_for_locks(db, "worker"))
        await kill(ours(platform))
    await answering(platform, hasty)
    await at_rest(platform, hasty)
    await at_rest(platform, patient)

    assert list((await paying.statuses()).values()) == ["CONFIRMED"]
    assert await db.fetchval(CHARGES, patient) == 1
    assert list((await unpaid.statuses()).values()) == ["EXPIRED"] * 2
    assert (await platform.hold(hasty, short, [0, 1])).status == 201
