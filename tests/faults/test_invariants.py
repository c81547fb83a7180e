"""Each invariant is worth something: a defect planted in a tenant that is sound trips it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.tenancy import Tenant
from tests.support import carried
from tests.support.invariants import OF_PLATFORM, OF_TENANT, broken
from tests.support.sound_tenant import EVENT, MESSAGES, REFUND, REFUNDED, SOLD, STRANGER, write

Check = Callable[[str], Awaitable[set[str]]]
A_TIMER = "INSERT INTO platform.timers (id, kind, tenant_id, fire_at) VALUES "
AN_OUTBOX_ROW = f"""
    INSERT INTO platform.outbox (tenant_id, message_id, topic, key, hash, type, headers, value)
    VALUES (pg_temp.me(), '{STRANGER}', 'planted', '', 0, 'BookingConfirmed', '{{}}', '')
"""
A_PARKED_MESSAGE = f"""
    INSERT INTO platform.retries (grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts)
    VALUES ('bookings', '', '{STRANGER}', pg_temp.me(), 'planted', '', 'PaymentCompleted', '{{}}', '', now())
"""
A_DEAD_LETTER = f"""
    INSERT INTO platform.dead_letters (id, grp, subject, message_id, tenant_id, topic, key, type, headers, value, ts,
                                       attempts, error)
    VALUES ('{STRANGER}', 'bookings', '', '{STRANGER}', pg_temp.me(), 'planted', '', 'PaymentCompleted', '{{}}', '',
            now(), 12, 'no')
"""
ANOTHER_CONFIRMATION = f"""
    INSERT INTO bus.log (seg, topic, part, off, message_id, tenant_id, key, type, headers, value, ts)
    SELECT seg, topic, part, 4, '{STRANGER}', tenant_id, key, type, headers, value, ts FROM bus.log
     WHERE message_id = '{MESSAGES[0]}';
    UPDATE bus.partition SET next_off = 5 WHERE topic = (SELECT id FROM bus.topic WHERE name = 'planted')
"""
TWO_LIVE_CLAIMS = f"""
    DROP INDEX one_live_claim;
    INSERT INTO booking_seats (booking_id, event_id, seat_no, label, category, price_minor, fence)
    VALUES ('{REFUNDED}', '{EVENT}', 0, '', '', 0, 1)
"""
ABOUT_A_STRANGER = f"""
    UPDATE bus.log SET headers = json_build_object('tenantid', tenant_id, 'subject', '{STRANGER}')
     WHERE tenant_id = pg_temp.me()
"""
PLANTED = (
    ("one_live_claim", TWO_LIVE_CLAIMS),
    ("claims_are_mutual", f"UPDATE booking_seats SET live = false WHERE booking_id = '{SOLD}'"),
    ("claims_are_mutual", f"UPDATE booking_seats SET fence = 7 WHERE booking_id = '{SOLD}'"),
    ("claims_are_mutual", f"UPDATE seat_inventory SET status = 'SOLD', booking_id = '{SOLD}' WHERE seat_no = 2"),
    ("sold_seats_are_paid_for", f"UPDATE bookings SET status = 'EXPIRED' WHERE id = '{SOLD}'"),
    ("sold_seats_are_paid_for", "UPDATE seat_inventory SET status = 'AVAILABLE', booking_id = NULL WHERE seat_no = 0"),
    ("ends_free_their_seats", f"UPDATE seat_inventory SET status = 'HELD' WHERE booking_id = '{SOLD}'"),
    ("seats_are_of_the_plan", "UPDATE sales SET seats = 0"),
    ("money_is_the_price", f"UPDATE booking_seats SET price_minor = 1 WHERE booking_id = '{SOLD}'"),
    ("money_is_the_price", f"UPDATE refunds SET amount_minor = 1 WHERE id = '{REFUND}'"),
    ("tickets_are_the_lines", "DELETE FROM tickets"),
    ("tickets_are_the_lines", "UPDATE tickets SET voided_at = now()"),
    ("the_provider_agrees", "UPDATE simulator.charges SET status = 'DECLINED' WHERE tenant_id = pg_temp.me()"),
    ("the_provider_agrees", "UPDATE simulator.charges SET amount_minor = 9999 WHERE tenant_id = pg_temp.me()"),
    ("the_provider_agrees", "UPDATE simulator.charges SET refunded_minor = 7 WHERE tenant_id = pg_temp.me()"),
    ("the_provider_agrees", "DELETE FROM payments"),
    ("the_provider_agrees_on_refunds", "DELETE FROM refunds"),
    ("the_provider_agrees_on_refunds", "UPDATE refunds SET status = 'FAILED'"),
    ("the_provider_agrees_on_refunds", "UPDATE saga_state SET payload = '{}'"),
    ("unfinished_work_has_a_timer", f"UPDATE saga_state SET status = 'REFUNDING' WHERE id = '{REFUNDED}'"),
    ("unfinished_work_has_a_timer", "UPDATE payments SET status = 'UNKNOWN'"),
    ("unfinished_work_has_a_timer", f"{A_TIMER} ('{SOLD}', 'bookings.saga', pg_temp.me(), now() - interval '1 hour')"),
    ("nothing_waits_on_its_way", AN_OUTBOX_ROW),
    ("nothing_waits_on_its_way", A_PARKED_MESSAGE),
    ("nothing_was_given_up", A_DEAD_LETTER),
    ("nothing_was_given_up", "UPDATE notifications SET status = 'DEAD'"),
    ("every_group_handled_every_message", f"DELETE FROM platform.inbox WHERE message_id = '{MESSAGES[0]}'"),
    ("ends_are_told_once", ANOTHER_CONFIRMATION),
    ("ends_are_told_once", f"DELETE FROM bus.log WHERE message_id = '{MESSAGES[1]}'"),
    ("each_message_is_one_mail", f"DELETE FROM notifications WHERE message_id = '{MESSAGES[3]}'"),
    ("each_message_is_one_mail", "UPDATE notifications SET status = 'QUEUED'"),
    ("the_mailbox_is_what_was_sent", "UPDATE notifications SET id = gen_random_uuid()"),
    ("nothing_crossed_a_wall", f"UPDATE bus.log SET key = '{STRANGER}' WHERE tenant_id = pg_temp.me()"),
    ("nothing_crossed_a_wall", ABOUT_A_STRANGER),
    ("nothing_crossed_a_wall", f"{A_TIMER} ('{STRANGER}', 'payments.settle', pg_temp.me(), now())"),
    ("nothing_crossed_a_wall", "UPDATE simulator.charges SET key = 'x' || key WHERE tenant_id = pg_temp.me()"),
    ("history_has_no_gap", f"DELETE FROM saga_log WHERE booking_id = '{REFUNDED}' AND version = 2"),
    ("history_has_no_gap", f"UPDATE saga_state SET version = 9 WHERE id = '{SOLD}'"),
    ("history_has_no_gap", f"UPDATE saga_log SET to_state = 'FAILED' WHERE booking_id = '{SOLD}' AND version = 2"),
    ("offsets_are_dense", f"DELETE FROM bus.log WHERE message_id = '{MESSAGES[1]}'"),
    ("offsets_are_dense", f"UPDATE bus.log SET off = 7 WHERE message_id = '{MESSAGES[3]}'"),
)  # fmt: skip


@pytest.fixture
async def check(servers: EmbeddedServers, tenant: Tenant) -> AsyncIterator[Check]:
    """Run SQL in a sound tenant, and name the invariants that are broken then; nothing of it is kept."""
    db = await asyncpg.connect(servers.postgres.url("suite"))
    undone = db.transaction()
    await undone.start()
    await db.execute(f'SET LOCAL search_path = "{tenant.schema}", platform, pg_temp')
    await write(db)

    async def names(sql: str) -> set[str]:
        await db.execute(sql)
        await carried.tell(db)
        found = await broken(db, OF_TENANT, tenant.id, tenant.schema) + await broken(db, OF_PLATFORM, None, None)
        return {text.split(":")[0] for text in found}

    yield names
    await undone.rollback()
    await db.close()


async def test_a_sound_tenant_breaks_nothing(check: Check) -> None:
    assert await check("SELECT true") == set()


@pytest.mark.parametrize(("name", "defect"), PLANTED)
async def test_a_planted_defect_trips_its_invariant(check: Check, name: str, defect: str) -> None:
    assert name in await check(defect)


def test_every_invariant_has_a_defect_that_trips_it() -> None:
    assert {invariant.name for invariant in (*OF_TENANT, *OF_PLATFORM)} == {name for name, _ in PLANTED}
