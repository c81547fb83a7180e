"""The embedded bus: topics, their partitions, the log in daily segments, and who of a group reads what."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "kernel_platform_0002"
down_revision = "kernel_platform_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    worker = roles().worker
    op.execute(TABLES)
    op.execute(SEGMENTS)
    op.execute(f"""
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bus TO "{worker}";
        REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bus FROM PUBLIC;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bus TO "{worker}";
    """)


TABLES = """
    CREATE TABLE bus.topic (
        id         smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name       text NOT NULL UNIQUE,
        partitions smallint NOT NULL CHECK (partitions > 0)
    );
    CREATE TABLE bus.partition (
        topic     smallint NOT NULL REFERENCES bus.topic,
        part      smallint NOT NULL,
        next_off  bigint NOT NULL DEFAULT 0,
        log_start bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, part)
    ) WITH (fillfactor = 50);
    CREATE TABLE bus.log (
        seg        integer NOT NULL,
        topic      smallint NOT NULL,
        part       smallint NOT NULL,
        off        bigint NOT NULL,
        message_id uuid NOT NULL,
        tenant_id  uuid NOT NULL,
        key        text NOT NULL,
        type       text NOT NULL,
        headers    json NOT NULL,
        value      bytea NOT NULL,
        ts         timestamptz NOT NULL,
        PRIMARY KEY (topic, part, off, seg)
    ) PARTITION BY RANGE (seg);
    CREATE TABLE bus.member (
        grp    text NOT NULL,
        member uuid NOT NULL,
        seen   timestamptz NOT NULL,
        PRIMARY KEY (grp, member)
    ) WITH (fillfactor = 50);
    CREATE TABLE bus.assignment (
        grp         text NOT NULL,
        topic       smallint NOT NULL,
        part        smallint NOT NULL,
        committed   bigint NOT NULL DEFAULT 0,
        owner       uuid,
        gen         bigint NOT NULL DEFAULT 0,
        lease_until timestamptz,
        PRIMARY KEY (grp, topic, part)
    ) WITH (fillfactor = 50);
"""

# A segment is a UTC day, counted from 1970-01-01. The worker owns no table: it makes and drops segments through these.
SEGMENTS = """
    CREATE FUNCTION bus.today() RETURNS integer LANGUAGE sql STABLE
        AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::integer $$;

    CREATE FUNCTION bus.prepare_segments(days integer) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE seg integer;
        BEGIN
            PERFORM pg_advisory_xact_lock(7021004);
            FOR seg IN SELECT generate_series(bus.today() - 1, bus.today() + days) LOOP
                IF to_regclass('bus.log_' || seg) IS NULL THEN
                    EXECUTE format('CREATE TABLE bus.log_%s (LIKE bus.log INCLUDING ALL)', seg);
                    EXECUTE format('ALTER TABLE bus.log ATTACH PARTITION bus.log_%s FOR VALUES FROM (%s) TO (%s)',
                                   seg, seg, seg + 1);
                END IF;
            END LOOP;
        END $$;

    CREATE FUNCTION bus.drop_segment(seg integer) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
        BEGIN
            UPDATE bus.partition p SET log_start = last.off + 1
              FROM (SELECT topic, part, max(off) AS off FROM bus.log WHERE log.seg = drop_segment.seg
                     GROUP BY topic, part) last
             WHERE (p.topic, p.part) = (last.topic, last.part) AND p.log_start <= last.off;
            EXECUTE format('DROP TABLE bus.log_%s', drop_segment.seg);
        END $$;

    SELECT bus.prepare_segments(2);
"""
