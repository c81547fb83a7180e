"""What must be true of a platform at rest, whatever befell it: one plain query per invariant, read as a superuser.

`violations` checks a tenant or all of them; `unfinished` tells what has still to happen before that makes sense.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from boxoffice.kafka.access import Access
from tests.support import carried
from tests.support.waiting import eventually


class Invariant(msgspec.Struct, frozen=True):
    """A sentence that is true of a tenant at rest, and the query that finds what breaks it.

    The query runs with the tenant's schema as its search path; $1 is the tenant's id; each row is one finding in words.
    """

    name: str
    says: str
    broken: str


OF_TENANT: tuple[Invariant, ...] = (
    Invariant(
        "one_live_claim",
        "No seat of an event has two live claims.",
        """
        SELECT format('event %s, seat %s: %s live claims', event_id, seat_no, count(*))
          FROM booking_seats WHERE live AND $1::uuid IS NOT NULL
         GROUP BY event_id, seat_no HAVING count(*) > 1
        """,
    ),
    Invariant(
        "claims_are_mutual",
        "A seat is in the hands of exactly the booking that has it among its live lines.",
        """
        SELECT format('event %s, seat %s: the inventory names %s, the live line is of %s',
                      event_id, seat_no, s.booking_id, l.booking_id)
          FROM seat_inventory s
          FULL JOIN (SELECT event_id, seat_no, booking_id, fence FROM booking_seats WHERE live) l
               USING (event_id, seat_no)
         WHERE $1::uuid IS NOT NULL
           AND (s.booking_id IS DISTINCT FROM l.booking_id OR l.booking_id IS NOT NULL AND s.fence <> l.fence)
        """,
    ),
    Invariant(
        "sold_seats_are_paid_for",
        "A sold seat belongs to a booking that is confirmed or being refunded, and what is confirmed has its seats.",
        """
        SELECT format('booking %s is %s, seat %s of event %s is %s', b.id, b.status, l.seat_no, l.event_id, s.status)
          FROM bookings b JOIN booking_seats l ON l.booking_id = b.id
          LEFT JOIN seat_inventory s ON (s.event_id, s.seat_no, s.booking_id) = (l.event_id, l.seat_no, b.id)
         WHERE $1::uuid IS NOT NULL
           AND (s.status = 'SOLD' AND b.status NOT IN ('CONFIRMED', 'REFUNDING', 'REFUND_STUCK')
                OR b.status = 'CONFIRMED' AND l.state = 'VALID' AND s.status IS DISTINCT FROM 'SOLD')
        """,
    ),
    Invariant(
        "ends_free_their_seats",
        "No seat is held by a booking whose saga has ended.",
        """
        SELECT format('event %s, seat %s is held by booking %s, which is %s', s.event_id, s.seat_no, b.id, b.status)
          FROM seat_inventory s JOIN bookings b ON b.id = s.booking_id
         WHERE $1::uuid IS NOT NULL AND s.status = 'HELD'
           AND b.status IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED')
        """,
    ),
    Invariant(
        "seats_are_of_the_plan",
        "No claim is beyond the seats that the event has.",
        """
        SELECT format('event %s has %s seats, booking %s has seat %s', e.event_id, e.seats, l.booking_id, l.seat_no)
          FROM booking_seats l JOIN sales e USING (event_id)
         WHERE $1::uuid IS NOT NULL AND l.live AND NOT l.seat_no BETWEEN 0 AND e.seats - 1
        """,
    ),
    Invariant(
        "money_is_the_price",
        "What was captured and not returned is the price of valid lines, if confirmed, and what policies kept.",
        """
        SELECT format('booking %s is %s: captured %s, refunded %s, by hand %s, price %s',
                      id, status, captured, refunded, by_hand, price)
          FROM (SELECT b.id, b.status, coalesce((s.payload ->> 'kept_minor')::bigint, 0) AS kept,
                       (SELECT coalesce(sum((r ->> 'amount_minor')::bigint), 0)
                          FROM jsonb_array_elements(s.payload -> 'refunds') r WHERE r ->> 'evidence' <> '') AS by_hand,
                       (SELECT coalesce(sum(amount_minor), 0) FROM payments p
                         WHERE p.booking_id = b.id AND p.status = 'CAPTURED') AS captured,
                       (SELECT coalesce(sum(amount_minor), 0) FROM refunds r
                         WHERE r.booking_id = b.id AND r.status = 'DONE') AS refunded,
                       (SELECT coalesce(sum(price_minor), 0) FROM booking_seats l
                         WHERE l.booking_id = b.id AND l.state = 'VALID') AS price
                  FROM bookings b JOIN saga_state s ON s.id = b.id
                 WHERE b.status IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED')
                   AND NOT s.payload @> '{"refunds": [{"done": false}]}') money
         WHERE $1::uuid IS NOT NULL
           AND captured - refunded - by_hand <> kept + CASE status WHEN 'CONFIRMED' THEN price ELSE 0 END
        """,
    ),
    Invariant(
        "tickets_are_the_lines",
        "A confirmed booking has a valid ticket for each valid line, and no other booking has one.",
        """
        SELECT format('booking %s is %s: %s tickets for %s valid lines', b.id, b.status, tickets, lines)
          FROM bookings b,
               LATERAL (SELECT count(*) AS tickets FROM tickets t
                         WHERE t.booking_id = b.id AND t.voided_at IS NULL) AS issued,
               LATERAL (SELECT count(*) AS lines FROM booking_seats l
                         WHERE l.booking_id = b.id AND l.state = 'VALID') AS sold
         WHERE $1::uuid IS NOT NULL AND b.status IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED')
           AND tickets <> CASE b.status WHEN 'CONFIRMED' THEN lines ELSE 0 END
        """,
    ),
    Invariant(
        "the_provider_agrees",
        "The simulated bank's ledger and our payments say the same of every charge.",
        """
        SELECT format('%s: payments says %s, the provider %s (refunded %s and %s)',
                      key, p.status, c.status, p.refunded, c.refunded_minor)
          FROM (SELECT format('%s:%s:%s:charge', $1::uuid, booking_id, attempt) AS key, amount_minor, currency, status,
                       (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds r
                         WHERE (r.booking_id, r.attempt, r.status) = (payments.booking_id, payments.attempt, 'DONE'))
                           AS refunded
                  FROM payments WHERE provider = 'simulated') p
          FULL JOIN (SELECT key, status, amount_minor, currency, refunded_minor
                       FROM simulator.charges WHERE tenant_id = $1) c USING (key)
         WHERE p.status IS NULL
            OR c.status IS NULL AND p.status NOT IN ('REQUESTED', 'CANCELLED')
            OR c.status <> CASE WHEN p.status IN ('PROCESSING', 'UNKNOWN') THEN 'PENDING' ELSE p.status END
            OR c.status = 'CAPTURED' AND (c.amount_minor, c.currency) <> (p.amount_minor, p.currency)
            OR coalesce(c.refunded_minor, 0) <> coalesce(p.refunded, 0)
        """,
    ),
    Invariant(
        "the_provider_agrees_on_refunds",
        "The simulated bank's ledger and ours say the same of every refund, and bookings knows them all.",
        """
        SELECT format('refund %s: ours %s of %s, the provider done %s of %s',
                      key, r.status, r.amount_minor, c.done, c.amount_minor)
          FROM (SELECT format('%s:%s', $1::uuid, r.id) AS key, r.id, booking_id, r.amount_minor, r.status
                  FROM refunds r JOIN payments USING (booking_id, attempt) WHERE provider = 'simulated') r
          FULL JOIN (SELECT key, amount_minor, done FROM simulator.refunds
                      WHERE starts_with(key, $1::text || ':')) c USING (key)
          LEFT JOIN saga_state s ON s.id = r.booking_id
         WHERE r.id IS NULL
            OR coalesce(c.done, false) <> (r.status = 'DONE')
            OR c.amount_minor <> r.amount_minor
            OR NOT coalesce(s.payload -> 'refunds' @> jsonb_build_array(
                   jsonb_build_object('id', r.id, 'amount_minor', r.amount_minor)), false)
        """,
    ),
    Invariant(
        "unfinished_work_has_a_timer",
        "Whatever is not finished has a timer, and no timer is late by more than a minute.",
        """
        SELECT format('%s %s waits for a timer %s', what, work.id, kinds)
          FROM (SELECT 'saga' AS what, id, '{bookings.saga}'::text[] AS kinds FROM saga_state
                 WHERE status NOT IN ('CONFIRMED', 'EXPIRED', 'FAILED', 'CANCELLED')
                    OR payload @> '{"refunds": [{"done": false}]}'
                UNION ALL
                SELECT 'payment', id, '{payments.charge,payments.settle}' FROM payments
                 WHERE status NOT IN ('CAPTURED', 'DECLINED', 'CANCELLED')
                UNION ALL
                SELECT 'refund', id, '{payments.refund}' FROM refunds WHERE status = 'REQUESTED'
                UNION ALL
                SELECT 'notice', id, '{notifications.send}' FROM notifications WHERE status = 'QUEUED') work
         WHERE NOT EXISTS (SELECT FROM platform.timers t
                            WHERE t.tenant_id = $1 AND t.id = work.id AND t.kind = ANY(kinds))
        UNION ALL
        SELECT format('timer %s of %s is late', kind, id) FROM platform.timers
         WHERE tenant_id = $1 AND fire_at < now() - interval '1 minute'
        """,
    ),
    Invariant(
        "nothing_waits_on_its_way",
        "No message waits in the outbox or to be tried again.",
        """
        SELECT format('%s %s waits in the outbox', type, message_id) FROM platform.outbox WHERE tenant_id = $1
        UNION ALL
        SELECT format('%s %s is to be tried again by %s: %s', type, message_id, grp, error)
          FROM platform.retries WHERE tenant_id = $1
        """,
    ),
    Invariant(
        "nothing_was_given_up",
        "No message became a dead letter, and no notice was buried.",
        """
        SELECT format('%s %s is a dead letter of %s: %s', type, message_id, grp, error)
          FROM platform.dead_letters WHERE tenant_id = $1
        UNION ALL
        SELECT format('notice %s (%s) is dead: %s', id, template, last_error) FROM notifications WHERE status = 'DEAD'
        """,
    ),
    Invariant(
        "every_group_handled_every_message",
        "Every message was handled, or is parked or buried, by every group that reads its topic.",
        """
        SELECT format('%s %s was not handled by %s', l.type, l.message_id, a.grp)
          FROM carried l JOIN reading a USING (topic)
         WHERE l.tenant_id = $1
           AND NOT EXISTS (SELECT FROM platform.inbox i WHERE (i.grp, i.message_id) = (a.grp, l.message_id))
           AND NOT EXISTS (SELECT FROM platform.retries r WHERE (r.grp, r.message_id) = (a.grp, l.message_id))
           AND NOT EXISTS (SELECT FROM platform.dead_letters d WHERE (d.grp, d.message_id) = (a.grp, l.message_id))
        """,
    ),
    Invariant(
        "ends_are_told_once",
        "Each time a booking comes to an end, one message tells it.",
        """
        WITH ends (state, types) AS (
                 VALUES ('CONFIRMED', '{BookingConfirmed}'::text[]), ('EXPIRED', '{BookingExpired}'),
                        ('FAILED,CANCELLED', '{BookingFailed,BookingCancelled}')),
             steps AS (
                 SELECT booking_id::text AS booking, state, count(*) AS ended
                   FROM saga_log JOIN ends ON to_state = ANY(string_to_array(state, ','))
                  WHERE from_state <> to_state GROUP BY 1, 2),
             messages AS (
                 SELECT headers ->> 'subject' AS booking, state, count(*) AS told
                   FROM carried JOIN ends ON type = ANY(types) WHERE tenant_id = $1 GROUP BY 1, 2)
        SELECT format('booking %s came to %s %s times, told %s times', booking, state, ended, told)
          FROM steps FULL JOIN messages USING (booking, state)
         WHERE ended IS DISTINCT FROM told
        """,
    ),
    Invariant(
        "each_message_is_one_mail",
        "Each message that a buyer must hear of made exactly one notice, and it was sent.",
        """
        SELECT format('%s %s made %s notices, %s of them sent', type, message_id, made, sent)
          FROM carried l,
               LATERAL (SELECT count(*) AS made, count(*) FILTER (WHERE status = 'SENT') AS sent
                          FROM notifications n WHERE n.message_id = l.message_id) AS notices
         WHERE l.tenant_id = $1
           AND (type IN ('BookingConfirmed', 'BookingFailed', 'BookingExpired', 'BookingCancelled')
                OR type = 'PaymentFailed' AND convert_from(value, 'UTF8')::jsonb @> '{"retryable": true}')
           AND (made, sent) <> (1, 1)
        """,
    ),
    Invariant(
        "the_mailbox_is_what_was_sent",
        "Where a mailbox stands in for the mail server, it holds each notice that was sent once, and no other mail.",
        """
        SELECT format('notice %s is %s, in the mailbox: %s', id, n.status, m.id IS NOT NULL)
          FROM notifications n FULL JOIN (SELECT id FROM platform.dev_mail WHERE tenant_id = $1) m USING (id)
         WHERE (m.id IS NOT NULL) <> (coalesce(n.status, 'QUEUED') = 'SENT')
           AND EXISTS (SELECT FROM platform.dev_mail WHERE tenant_id = $1)
        """,
    ),
    Invariant(
        "nothing_crossed_a_wall",
        "No row or message of a tenant carries or names what is another's.",
        """
        SELECT format('message %s of partition key %s says it is of tenant %s', message_id, key, headers ->> 'tenantid')
          FROM carried WHERE tenant_id = $1
           AND (headers ->> 'tenantid' <> $1::text OR split_part(key, '#', 1) <> $1::text)
        UNION ALL
        SELECT format('%s %s is about booking %s, which is not here', type, message_id, headers ->> 'subject')
          FROM carried WHERE tenant_id = $1
           AND (type LIKE 'Booking%' OR type LIKE 'Refund%' OR type LIKE 'Payment%' AND type <> 'PaymentMethodsChanged')
           AND headers ->> 'subject' NOT IN (SELECT id::text FROM bookings)
        UNION ALL
        SELECT format('timer %s of %s is about nothing here', kind, t.id) FROM platform.timers t WHERE tenant_id = $1
           AND CASE split_part(kind, '.', 1)
                    WHEN 'payments' THEN t.id NOT IN (SELECT id FROM payments UNION ALL SELECT id FROM refunds)
                    WHEN 'notifications' THEN t.id NOT IN (SELECT id FROM notifications)
                    ELSE kind = 'bookings.saga' AND t.id NOT IN (SELECT id FROM bookings) END
        UNION ALL
        SELECT format('charge %s is booked on this tenant', key) FROM simulator.charges
         WHERE tenant_id = $1 AND NOT starts_with(key, $1::text || ':')
        """,
    ),
    Invariant(
        "history_has_no_gap",
        "A saga's log counts from 1 without a gap to its version and ends at its state.",
        """
        SELECT format('saga %s is at version %s in %s, its log has %s entries up to %s, the last to %s',
                      s.id, s.version, b.status, entries, newest, ends)
          FROM saga_state s JOIN bookings b ON b.id = s.id,
               LATERAL (SELECT count(*) AS entries, min(version) AS oldest, max(version) AS newest,
                               (array_agg(to_state ORDER BY version DESC))[1] AS ends
                          FROM saga_log g WHERE g.booking_id = s.id) AS logged
         WHERE $1::uuid IS NOT NULL
           AND ((entries, oldest, newest, ends) IS DISTINCT FROM (s.version, 1, s.version, b.status)
                OR CASE s.status WHEN 'EXPIRING' THEN 'CANCELLING' ELSE s.status END <> b.status)
        """,
    ),
)

OF_PLATFORM: tuple[Invariant, ...] = (
    Invariant(
        "offsets_are_dense",
        "Each partition of the log holds every offset from its start to its end once.",
        """
        SELECT format('topic %s, part %s: %s messages at %s…%s where %s…%s should be',
                      t.name, p.part, messages, first, last, p.log_start, p.next_off - 1)
          FROM bus.partition p JOIN bus.topic t ON t.id = p.topic,
               LATERAL (SELECT count(*) AS messages, min(off) AS first, max(off) AS last
                          FROM bus.log l WHERE (l.topic, l.part) = (p.topic, p.part) AND off >= p.log_start) AS kept
         WHERE messages <> p.next_off - p.log_start
            OR messages > 0 AND (first, last) <> (p.log_start, p.next_off - 1)
        """,
    ),
)

UNFINISHED = """
    SELECT format('timer %s of %s, due %s', kind, id, fire_at) FROM platform.timers
     WHERE tenant_id = $1 AND fire_at < now() + interval '10 minutes'
    UNION ALL SELECT format('%s in the outbox', type) FROM platform.outbox WHERE tenant_id = $1
    UNION ALL SELECT format('%s parked by %s', type, grp) FROM platform.retries WHERE tenant_id = $1 AND NOT dead
    UNION ALL SELECT format('charge %s is captured at %s', key, capture_at) FROM simulator.charges
               WHERE tenant_id = $1 AND capture_at IS NOT NULL
    UNION ALL SELECT format('webhook %s is delivered at %s', id, due_at) FROM simulator.deliveries
               WHERE tenant_id = $1 AND due_at IS NOT NULL
    UNION ALL SELECT format('%s at offset %s is unread by %s', l.type, l.off, a.grp)
                FROM bus.log l JOIN bus.assignment a USING (topic, part)
               WHERE l.tenant_id = $1 AND l.off >= a.committed
"""
TENANTS = """
    SELECT id, schema_name FROM platform.tenants
     WHERE status <> 'PROVISIONING' AND ($1::text IS NULL OR slug = $1) ORDER BY slug
"""


async def violations(url: str, slug: str | None = None, kafka: Access | None = None) -> list[str]:
    """Everything that is broken for one tenant or for all, seen at one moment.

    `url` is the superuser's; `kafka` is where messages travel or have travelled, if they did.
    """
    found: list[str] = []
    async with _connected(url) as db:
        await carried.tell(db, kafka)
        async with db.transaction(isolation="repeatable_read", readonly=True):
            found += await broken(db, OF_PLATFORM, None, None)
            for row in await db.fetch(TENANTS, slug):
                found += await broken(db, OF_TENANT, row["id"], row["schema_name"])
    return found


async def unfinished(url: str, slug: str, kafka: Access | None = None) -> list[str]:
    """What has still to happen by itself for this tenant."""
    async with _connected(url) as db:
        row = await db.fetchrow(TENANTS, slug)
        found = [text for (text,) in await db.fetch(UNFINISHED, row["id"])]
    return found if found or kafka is None else await carried.unread(kafka)


async def unknown(url: str, slug: str, bookings: Iterable[str]) -> list[str]:
    """Those of these bookings that a client was told of but that do not exist."""
    async with _connected(url) as db, db.transaction(readonly=True):
        row = await db.fetchrow(TENANTS, slug)
        await db.execute(f'SET LOCAL search_path = "{row["schema_name"]}"')
        known = {str(id) for (id,) in await db.fetch("SELECT id FROM bookings")}
    return sorted(set(bookings) - known)


async def broken(db: Any, wanted: Iterable[Invariant], tenant_id: UUID | None, schema: str | None) -> list[str]:
    """What breaks these invariants, in a transaction that the caller has begun after `carried.tell`."""
    if schema is not None:
        await db.execute(f'SET LOCAL search_path = "{schema}", platform, pg_temp')
    found = []
    for invariant in wanted:
        arguments: Sequence[object] = () if tenant_id is None else (tenant_id,)
        found += [f"{invariant.name}: {text}" for (text,) in await db.fetch(invariant.broken, *arguments)]
    return found


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    """A connection, as soon as there can be one: the server may just be coming back."""

    async def connection() -> Any:
        with suppress(OSError, asyncpg.PostgresError):
            return await asyncpg.connect(url)

    db = await eventually(connection)
    try:
        yield db
    finally:
        await db.close()
