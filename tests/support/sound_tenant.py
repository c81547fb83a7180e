"""A tenant at rest, written row by row: one booking confirmed, one refunded for its money came too late."""

from typing import Any

EVENT = "00000000-0000-7000-8000-0000000000e1"
SOLD = "00000000-0000-7000-8000-0000000000b1"
REFUNDED = "00000000-0000-7000-8000-0000000000b2"
REFUND = "00000000-0000-7000-8000-0000000000f1"
MESSAGES = tuple(f"00000000-0000-7000-8000-0000000000a{number}" for number in range(1, 5))
STRANGER = "00000000-0000-7000-8000-0000000000ff"


async def write(db: Any) -> None:
    """Write it into the schema that is first in the search path; the caller rolls it back."""
    for statement in (SALE, BOOKINGS, SAGAS, PAYMENTS, BUS, NOTICES):
        await db.execute(statement)


SALE = f"""
    CREATE FUNCTION pg_temp.me() RETURNS uuid LANGUAGE sql STABLE
        AS $$ SELECT id FROM platform.tenants WHERE schema_name = current_schema() $$;
    INSERT INTO sales (event_id, name, venue, time_zone, starts_at, currency, categories, opens_at, closes_at,
                       max_seats, plan_hash, seats, status)
    VALUES ('{EVENT}', 'Evening', 'Hall', 'Europe/Berlin', '2031-05-01', 'EUR', '[]', '2026-01-01', '2031-05-01',
            10, 'hash', 3, 'ON_SALE');
    INSERT INTO seat_inventory (event_id, seat_no, status, booking_id, fence)
    VALUES ('{EVENT}', 0, 'SOLD', '{SOLD}', 1), ('{EVENT}', 1, 'AVAILABLE', NULL, 2),
           ('{EVENT}', 2, 'AVAILABLE', NULL, 0);
"""
BOOKINGS = f"""
    INSERT INTO bookings (id, reference, owner, event_id, status, contact_email, contact_name, total_minor, currency,
                          hold_until, created_at, updated_at)
    SELECT id, reference, 'guest:1', '{EVENT}', status, 'bea@buyers.example', 'Bea', 2500, 'EUR', now(), now(), now()
      FROM (VALUES ('{SOLD}'::uuid, 'SOLDSOLD2', 'CONFIRMED'), ('{REFUNDED}', 'GONEGONE2', 'CANCELLED'))
           AS given (id, reference, status);
    INSERT INTO booking_seats (booking_id, event_id, seat_no, label, category, price_minor, state, live, fence)
    VALUES ('{SOLD}', '{EVENT}', 0, 'A 1', 'all', 2500, 'VALID', true, 1),
           ('{REFUNDED}', '{EVENT}', 1, 'A 2', 'all', 2500, 'VALID', false, 1);
    INSERT INTO tickets (id, booking_id, event_id, seat_no, issued_at)
    VALUES ('00000000-0000-7000-8000-0000000000c1', '{SOLD}', '{EVENT}', 0, now());
"""
SAGAS = f"""
    INSERT INTO saga_state (id, correlation_id, current_step, status, payload, version, created_at, updated_at)
    VALUES ('{SOLD}', '1', 'CONFIRMED', 'CONFIRMED', '{{"refunds": []}}', 2, now(), now()),
           ('{REFUNDED}', '2', 'CANCELLED', 'CANCELLED',
            '{{"refunds": [{{"id": "{REFUND}", "amount_minor": 2500, "done": true}}]}}', 4, now(), now());
    INSERT INTO saga_log (booking_id, version, at, from_state, trigger, to_state)
    VALUES ('{SOLD}', 1, now(), 'NEW', 'REQUESTED', 'PENDING_PAYMENT'),
           ('{SOLD}', 2, now(), 'PENDING_PAYMENT', 'PAID', 'CONFIRMED'),
           ('{REFUNDED}', 1, now(), 'NEW', 'REQUESTED', 'PENDING_PAYMENT'),
           ('{REFUNDED}', 2, now(), 'PENDING_PAYMENT', 'HOLD_ENDED_NOTHING_OPEN', 'EXPIRED'),
           ('{REFUNDED}', 3, now(), 'EXPIRED', 'RECLAIM_FAILED', 'REFUNDING'),
           ('{REFUNDED}', 4, now(), 'REFUNDING', 'REFUNDED_ALL', 'CANCELLED');
"""
PAYMENTS = f"""
    INSERT INTO payments (id, booking_id, attempt, amount_minor, currency, method, reference, status,
                          created_at, updated_at)
    VALUES (gen_random_uuid(), '{SOLD}', 1, 2500, 'EUR', 'pm_card_visa', 'SOLDSOLD2', 'CAPTURED', now(), now()),
           (gen_random_uuid(), '{REFUNDED}', 1, 2500, 'EUR', 'pm_sim_slow', 'GONEGONE2', 'CAPTURED', now(), now());
    INSERT INTO refunds (id, booking_id, attempt, amount_minor, currency, status, created_at, updated_at)
    VALUES ('{REFUND}', '{REFUNDED}', 1, 2500, 'EUR', 'DONE', now(), now());
    INSERT INTO simulator.charges (key, tenant_id, method, amount_minor, currency, status, reference, description,
                                   return_url, refunded_minor, created_at, updated_at)
    SELECT format('%s:%s:1:charge', pg_temp.me(), id), pg_temp.me(), 'pm', 2500, 'EUR', 'CAPTURED',
           gen_random_uuid()::text, '', '', refunded, now(), now()
      FROM (VALUES ('{SOLD}', 0), ('{REFUNDED}', 2500)) AS given (id, refunded);
    INSERT INTO simulator.refunds (key, charge_key, amount_minor, asked, done, created_at)
    VALUES (format('%s:{REFUND}', pg_temp.me()), '', 2500, 1, true, now());
"""
BUS = f"""
    SELECT bus.prepare_segments(1);
    INSERT INTO bus.topic (name, partitions) VALUES ('planted', 1);
    INSERT INTO bus.partition (topic, part, next_off) SELECT id, 0, 4 FROM bus.topic WHERE name = 'planted';
    INSERT INTO bus.assignment (grp, topic, part, committed)
    SELECT 'notifications', id, 0, 4 FROM bus.topic WHERE name = 'planted';
    INSERT INTO bus.log (seg, topic, part, off, message_id, tenant_id, key, type, headers, value, ts)
    SELECT bus.today(), t.id, 0, off, message_id::uuid, pg_temp.me(), pg_temp.me()::text, type,
           json_build_object('tenantid', pg_temp.me(), 'subject', subject), value::bytea, now()
      FROM bus.topic t, (VALUES
           (0, '{MESSAGES[0]}', 'BookingConfirmed', '{SOLD}', '{{}}'),
           (1, '{MESSAGES[1]}', 'BookingExpired', '{REFUNDED}', '{{}}'),
           (2, '{MESSAGES[2]}', 'BookingFailed', '{REFUNDED}', '{{}}'),
           (3, '{MESSAGES[3]}', 'PaymentFailed', '{REFUNDED}', '{{"retryable": true}}'))
           AS given (off, message_id, type, subject, value)
     WHERE t.name = 'planted';
    INSERT INTO platform.inbox (grp, message_id, tenant_id)
    SELECT 'notifications', message_id, tenant_id FROM bus.log WHERE tenant_id = pg_temp.me();
"""
NOTICES = """
    INSERT INTO notifications (id, message_id, channel, recipient, template, payload, status, created_at)
    SELECT gen_random_uuid(), message_id, 'email', 'bea@buyers.example', 'told', '{}', 'SENT', now()
      FROM bus.log WHERE tenant_id = pg_temp.me();
    INSERT INTO platform.dev_mail (id, tenant_id, channel, recipient, template, payload, at)
    SELECT id, pg_temp.me(), channel, recipient, template, payload, now() FROM notifications;
"""
