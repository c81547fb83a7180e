"""The embedded bus in SQL: how the outbox becomes a log with dense offsets, and how groups lease its partitions."""

# Where a statement sets synchronous_commit off (for itself alone), its commit need not wait for the disk: it is in the
# same write-ahead log as the work that follows from it, so a crash loses a suffix, never a cause without its effects.
MISSING_TOPICS = """
    INSERT INTO bus.topic (name, partitions)
    SELECT name, $2 FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
     WHERE name NOT IN (SELECT name FROM bus.topic)
     ORDER BY place
"""
MISSING_PARTITIONS = """
    INSERT INTO bus.partition (topic, part)
    SELECT t.id, part FROM bus.topic t, generate_series(0, t.partitions - 1) AS part
    ON CONFLICT DO NOTHING
"""
TOPICS = "SELECT id, name FROM bus.topic"
HEADS = "SELECT topic, part, next_off FROM bus.partition"

# The one statement that moves messages from the outbox to the log, exactly once. The rows of bus.partition stay locked
# until the commit, so offsets are dense and become visible in their order: a reader meets no gap. Who moves messages to
# another bus waits for the carrier's row, and then sees all that has come to the log.
RELAY = """
    WITH carrier AS (
        SELECT FROM bus.carrier WHERE current = 'pglog' AND next IS NULL
           AND (SELECT id FROM platform.outbox WHERE id > $2 ORDER BY id LIMIT 1) IS NOT NULL FOR SHARE
    ), head AS (
        SELECT id, topic FROM platform.outbox
         WHERE id > $2 AND EXISTS (SELECT FROM carrier)
           AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
         ORDER BY id LIMIT $1 FOR UPDATE
    ), picked AS (
        DELETE FROM platform.outbox o USING head h, bus.topic t
         WHERE o.id = h.id AND t.name = h.topic
        RETURNING o.id, t.id AS topic, (o.hash % t.partitions)::int2 AS part,
                  o.message_id, o.tenant_id, o.key, o.type, o.headers, o.value, o.ts
    ), counted AS (
        SELECT topic, part, count(*) AS n FROM picked GROUP BY topic, part
    ), locked AS (
        SELECT p.topic, p.part FROM bus.partition p JOIN counted c USING (topic, part)
         ORDER BY p.topic, p.part FOR UPDATE OF p
    ), moved AS (
        UPDATE bus.partition p SET next_off = p.next_off + c.n
          FROM counted c JOIN locked l USING (topic, part)
         WHERE (p.topic, p.part) = (c.topic, c.part)
        RETURNING p.topic, p.part, p.next_off, p.next_off - c.n AS base
    ), appended AS (
        INSERT INTO bus.log (seg, topic, part, off, message_id, tenant_id, key, type, headers, value, ts)
        SELECT bus.today(), q.topic, q.part, m.base + q.place - 1,
               q.message_id, q.tenant_id, q.key, q.type, q.headers, q.value, q.ts
          FROM (SELECT picked.*, row_number() OVER (PARTITION BY topic, part ORDER BY id) AS place FROM picked) q
          JOIN moved m USING (topic, part)
    )
    SELECT (SELECT count(*) FROM picked) AS messages, (SELECT max(id) FROM picked) AS last,
           (SELECT array_agg(DISTINCT topic) FROM head WHERE topic NOT IN (SELECT name FROM bus.topic)) AS unknown,
           ARRAY(SELECT topic FROM moved ORDER BY topic, part) AS topics,
           ARRAY(SELECT part FROM moved ORDER BY topic, part) AS parts,
           ARRAY(SELECT next_off FROM moved ORDER BY topic, part) AS heads
"""

# One query for all partitions of a member that have news; both the number of messages and their bytes are bounded.
FETCH = """
    SELECT l.topic, l.part, l.off, l.message_id, l.tenant_id, l.key, l.type, l.headers, l.value, l.ts
      FROM unnest($1::int2[], $2::int2[], $3::int8[]) AS w (topic, part, position)
     CROSS JOIN LATERAL (
        SELECT n.topic, n.part, n.off, n.message_id, n.tenant_id, n.key, n.type, n.headers, n.value, n.ts,
               sum(octet_length(n.value)) OVER (ORDER BY n.off) - octet_length(n.value) AS before
          FROM (SELECT topic, part, off, message_id, tenant_id, key, type, headers, value, ts FROM bus.log
                 WHERE topic = w.topic AND part = w.part AND off >= w.position ORDER BY off LIMIT $4) n
     ) l
     WHERE l.before < $5
     ORDER BY l.topic, l.part, l.off
"""
COMMIT = """
    UPDATE bus.assignment a SET committed = w.next_off
      FROM unnest($3::int2[], $4::int2[], $5::int8[], $6::int8[]) AS w (topic, part, gen, next_off)
     WHERE a.grp = $1 AND a.owner = $2 AND (a.topic, a.part, a.gen) = (w.topic, w.part, w.gen)
       AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    RETURNING a.topic, a.part
"""

SEEN = """
    INSERT INTO bus.member (grp, member, seen)
    SELECT grp, member, clock_timestamp() FROM unnest($1::text[], $2::uuid[]) AS m (grp, member)
     WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    ON CONFLICT (grp, member) DO UPDATE SET seen = excluded.seen
"""
RENEW = """
    UPDATE bus.assignment SET lease_until = clock_timestamp() + $2::interval
     WHERE owner = ANY($1::uuid[]) AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
"""
NEW_ASSIGNMENTS = """
    INSERT INTO bus.assignment (grp, topic, part, committed)
    SELECT $1, p.topic, p.part, p.log_start FROM bus.partition p
     WHERE p.topic = ANY($2::int2[])
       AND NOT EXISTS (SELECT FROM bus.assignment a WHERE (a.grp, a.topic, a.part) = ($1, p.topic, p.part))
    ON CONFLICT DO NOTHING
"""
SHARE = """
    SELECT (SELECT count(*) FROM bus.member WHERE grp = $1 AND seen > clock_timestamp() - $3::interval) AS members,
           (SELECT count(*) FROM bus.assignment WHERE grp = $1 AND topic = ANY($2::int2[])) AS partitions
"""
OWNED = "SELECT topic, part, gen FROM bus.assignment WHERE grp = $1 AND owner = $2"
CLAIM = """
    UPDATE bus.assignment a SET owner = $2, gen = a.gen + 1, lease_until = clock_timestamp() + $5::interval
      FROM (SELECT topic, part FROM bus.assignment
             WHERE grp = $1 AND topic = ANY($3::int2[]) AND (owner IS NULL OR lease_until < clock_timestamp())
             ORDER BY topic, part LIMIT $4 FOR UPDATE SKIP LOCKED) free
     WHERE a.grp = $1 AND (a.topic, a.part) = (free.topic, free.part)
    RETURNING a.topic, a.part, a.gen, a.committed
"""
RELEASE = """
    UPDATE bus.assignment a SET owner = NULL, lease_until = NULL
      FROM unnest($3::int2[], $4::int2[]) AS w (topic, part)
     WHERE a.grp = $1 AND a.owner = $2 AND (a.topic, a.part) = (w.topic, w.part)
"""
LEAVE = "DELETE FROM bus.member WHERE grp = $1 AND member = $2"
FORGOTTEN = "DELETE FROM bus.member WHERE seen < clock_timestamp() - interval '1 hour'"

SEEK = """
    INSERT INTO bus.assignment AS a (grp, topic, part, committed)
    SELECT $1, p.topic, p.part, greatest(p.log_start, least(p.next_off, $4))
      FROM bus.partition p JOIN bus.topic t ON t.id = p.topic WHERE t.name = $2 AND p.part = $3
    ON CONFLICT (grp, topic, part) DO UPDATE
       SET committed = excluded.committed, gen = a.gen + 1, owner = NULL, lease_until = NULL
"""
OFFSET_OF_TIME = """
    SELECT coalesce((SELECT min(l.off) FROM bus.log l WHERE (l.topic, l.part) = (p.topic, p.part) AND l.ts >= $3),
                    p.next_off)
      FROM bus.partition p JOIN bus.topic t ON t.id = p.topic WHERE t.name = $1 AND p.part = $2
"""
LAG = """
    SELECT t.name, p.part, p.next_off - greatest(a.committed, p.log_start) AS lag
      FROM bus.topic t JOIN bus.partition p ON p.topic = t.id
      LEFT JOIN bus.assignment a ON (a.grp, a.topic, a.part) = ($1, p.topic, p.part)
     WHERE t.name = ANY($2::text[])
"""

PREPARE_SEGMENTS = "SELECT bus.prepare_segments(2)"
# Segments older than the retention whose every message was committed by every group that reads its topic.
OLD_SEGMENTS = """
    SELECT replace(c.relname, 'log_', '')::integer AS seg FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'bus.log'::regclass AND replace(c.relname, 'log_', '')::integer < bus.today() - $1::integer
     ORDER BY seg
"""
STILL_WANTED = """
    SELECT EXISTS (
        SELECT FROM (SELECT topic, part, max(off) AS off FROM bus.log WHERE seg = $1 GROUP BY topic, part) last
          JOIN bus.assignment a USING (topic, part) WHERE a.committed <= last.off)
"""
DROP_SEGMENT = "SELECT bus.drop_segment($1)"
