"""kill -9 of everything, PostgreSQL included, in the middle of 200 bookings in all states a booking can be in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from tests.faults.conftest import again
from tests.support import invariants
from tests.support.crowd import ENDS, Crowd, at_rest, database_url
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
from tests.support.processes import kill, supervisor_of, tree
from tests.support.waiting import eventually, known_everywhere

EACH = 25  # bookings of a kind
BUYING = 60  # people who are buying when everything dies
TOLD_BEFORE = 20
LATE_SECONDS = 60.0  # after its timer, a saga has reached an end
OF_PAYMENTS = ("payments", "refunds")
SOON = "now() + interval '5 seconds'"  # when holds end that have not ended yet
PARTLY = "CONFIRMED, money on its way"
LIVE = {"PENDING_PAYMENT", "EXPIRING", "CANCELLING", "REFUNDING", "REFUND_STUCK", PARTLY}

FIRE = "UPDATE platform.timers SET fire_at = {at} WHERE kind = 'bookings.saga' AND id = ANY($1::uuid[])"
ALMOST_STUCK = """
    UPDATE saga_state SET payload = jsonb_set(payload, '{refunds,0,tries}', '9') WHERE id = ANY($1::uuid[])
"""
REFUSED_ONCE = """
    SELECT count(*) FROM saga_state WHERE id = ANY($1::uuid[]) AND payload #>> '{refunds,0,tries}' = '1'
"""
STATES = """
    SELECT CASE WHEN status = 'CONFIRMED' AND payload @> '{"refunds": [{"done": false}]}' THEN $1 ELSE status END,
           count(*) FROM saga_state GROUP BY 1
"""
LAST_TIMER = """
    SELECT coalesce(extract(epoch FROM max(fire_at) - now()), 0)::float8
      FROM platform.timers t JOIN saga_state s USING (id)
     WHERE kind = 'bookings.saga' AND s.status <> 'REFUND_STUCK'
"""
OPEN = """
    SELECT count(*) FROM saga_state
     WHERE status NOT IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED', 'REFUND_STUCK')
        OR status = 'CONFIRMED' AND payload @> '{"refunds": [{"done": false}]}'
"""
# What valid tickets cost and policies kept; what was captured and not returned: by our ledger, and by the provider's.
MONEY = """
    SELECT (SELECT coalesce(sum(l.price_minor), 0) FROM tickets t JOIN booking_seats l USING (booking_id, seat_no)
             WHERE t.voided_at IS NULL AND l.state = 'VALID')::int8
         + (SELECT coalesce(sum((payload ->> 'kept_minor')::int8), 0) FROM saga_state)::int8,
           (SELECT coalesce(sum(amount_minor), 0) FROM ledger_entries WHERE account = 'provider:simulated')::int8,
           (SELECT coalesce(sum(amount_minor) FILTER (WHERE status = 'CAPTURED'), 0) - coalesce(sum(refunded_minor), 0)
              FROM simulator.charges WHERE tenant_id = (SELECT id FROM platform.tenants WHERE slug = $1))::int8
"""


@dataclass
class Town:
    """The platform, a tenant whose policy keeps a tenth, and who buys there in which way."""

    platform: Platform
    slug: str
    event: str
    seats_given: int = 0

    async def crowd(self, count: int, method: str, *, beside: int = 0) -> Crowd:
        first, width = self.seats_given, beside + 1
        self.seats_given += count * width
        seats = range(first, self.seats_given, width)
        return await Crowd.gather(self.platform, self.slug, self.event, seats, [method], beside)

    async def bought(self, method: str, *states: str, count: int = EACH, beside: int = 0) -> Crowd:
        """People who have bought, once their bookings are in one of these states."""
        crowd = await self.crowd(count, method, beside=beside)
        await crowd.buy()
        await self.until(crowd, *states)
        return crowd

    async def until(self, crowd: Crowd, *states: str) -> None:
        async def there() -> bool:
            return set((await crowd.statuses()).values()) <= set(states)

        await eventually(there, within=60)

    async def states(self) -> dict[str, int]:
        async with self.rows() as db:
            return dict(await db.fetch(STATES, PARTLY))

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[asyncpg.Connection]:
        """The superuser's view of the tenant's rows."""
        db = await asyncpg.connect(database_url(self.platform))
        try:
            await db.execute(f'SET search_path = "tenant_{self.slug}"')
            yield db
        finally:
            await db.close()


@pytest.fixture
async def town(form: str) -> AsyncIterator[Town]:
    async with running_platform(form, web_processes="1", cancel_grace_seconds="60") as platform:
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
        slug, operator = await platform.tenant(), await platform.operator()
        (tenant,) = (await platform.ask("GET", "/api/tenants", token=operator)).json["items"]
        terms = {"settings": {"cancellation": {"fee_percent": 10}}}
        changed = await platform.ask("PATCH", f"/api/tenants/{tenant['id']}", token=operator, json=terms)
        assert changed.status == 200, changed
        await known_everywhere()
        yield Town(platform, slug, await platform.event(slug, rows=20, seats=25))


@pytest.mark.prove
async def test_every_booking_comes_to_an_end_whatever_it_was_in_when_everything_died(town: Town) -> None:
    platform, slug = town.platform, town.slug
    await town.bought("pm_card_visa", "CONFIRMED")
    given_back = await town.bought("pm_card_visa", "CONFIRMED", beside=1)
    await given_back.give_back(1)
    returning = await town.bought("pm_card_visa", "CONFIRMED")
    returning_one = await town.bought("pm_card_visa", "CONFIRMED", beside=1)
    stuck = await town.bought("pm_sim_refund_fails_twice", "CONFIRMED", count=5)
    await get_stuck(town, stuck)
    waiting, expiring, giving_up = [await town.bought("pm_sim_never", "PENDING_PAYMENT") for _ in range(3)]
    late = await town.bought("pm_sim_slow", "PENDING_PAYMENT", "CONFIRMED")
    buying = await town.crowd(BUYING, "pm_card_visa")

    await take_away(town, *OF_PAYMENTS)
    await asyncio.gather(giving_up.give_back(), returning.give_back(), returning_one.give_back(1))
    async with town.rows() as db:
        await db.execute(FIRE.format(at="now()"), ids(expiring))
        await eventually(lambda: all_states_have_bookings(town), within=30)
        await db.execute(FIRE.format(at=SOON), ids(waiting))
    rush = asyncio.create_task(buying.buy())
    await eventually(lambda: len(buying.acknowledged) >= TOLD_BEFORE, within=30)
    at_death = await town.states()
    await kill(tree(supervisor_of(platform.data)))
    await rush
    crowds = (given_back, returning, returning_one, stuck, waiting, expiring, giving_up, late, buying)
    told = [str(buyer.booking) for crowd in crowds for buyer in crowd.acknowledged]
    await again(platform)
    await put_back(town, *OF_PAYMENTS)
    missing = await invariants.unknown(database_url(platform), slug, told)
    async with town.rows() as db:
        last = await db.fetchval(LAST_TIMER)
        await eventually(lambda: nothing_is_open(db), within=last + LATE_SECONDS)
    left_to_people = set((await stuck.statuses()).values())
    operator = await platform.operator()
    for booking in ids(stuck):
        await platform.ask("POST", f"/api/sagas/{booking}/retry", token=operator)
    await buying.buy()
    await at_rest(platform, slug, within=90)

    assert set(at_death) >= LIVE
    assert sum(at_death.values()) >= 200
    assert missing == []
    assert left_to_people == {"REFUND_STUCK"}
    for crowd in crowds:
        assert set((await crowd.statuses()).values()) <= set(ENDS)
    assert set((await returning.statuses()).values()) | set((await stuck.statuses()).values()) == {"CANCELLED"}
    async with town.rows() as db:
        sold_and_kept, ledger, provider = await db.fetchrow(MONEY, slug)
    assert sold_and_kept == ledger == provider > 0


async def get_stuck(town: Town, crowd: Crowd) -> None:
    """Have the provider refuse refunds as often as it takes: all but the last refusal are written down by hand."""
    await crowd.give_back()
    async with town.rows() as db:

        async def refused() -> bool:
            return bool(await db.fetchval(REFUSED_ONCE, ids(crowd)) == len(crowd.buyers))

        await eventually(refused, within=30)
        await db.execute(ALMOST_STUCK, ids(crowd))
        await db.execute(FIRE.format(at="now()"), ids(crowd))
    await town.until(crowd, "REFUND_STUCK")


async def take_away(town: Town, *tables: str) -> None:
    """Payments finds its tables no more: whatever waits for its answer goes on waiting."""
    async with town.rows() as db:
        for table in tables:
            await db.execute(f"ALTER TABLE {table} RENAME TO {table}_away")


async def put_back(town: Town, *tables: str) -> None:
    async with town.rows() as db:
        for table in tables:
            await db.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


async def all_states_have_bookings(town: Town) -> bool:
    return set(await town.states()) >= LIVE


async def nothing_is_open(db: asyncpg.Connection) -> bool:
    return bool(await db.fetchval(OPEN) == 0)


def ids(crowd: Crowd) -> list[UUID]:
    return [UUID(str(buyer.booking)) for buyer in crowd.acknowledged]
