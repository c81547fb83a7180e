"""The simulated provider's books: a schema of its own, as another company's would be."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "payments_platform_0001"
down_revision = None
branch_labels = ("payments_platform",)
depends_on = ("kernel_platform_0001",)

TABLES = """
    CREATE SCHEMA IF NOT EXISTS simulator;

    CREATE TABLE simulator.charges (
        key            text PRIMARY KEY,
        tenant_id      uuid NOT NULL,
        method         text NOT NULL,
        amount_minor   bigint NOT NULL,
        currency       text NOT NULL,
        status         text NOT NULL CHECK (status IN ('PENDING', 'ACTION_REQUIRED', 'CAPTURED', 'DECLINED',
                                                       'CANCELLED')),
        reason         text,
        reference      text NOT NULL,
        description    text NOT NULL,
        return_url     text NOT NULL,
        refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND amount_minor),
        capture_at     timestamptz,
        created_at     timestamptz NOT NULL,
        updated_at     timestamptz NOT NULL
    );
    CREATE UNIQUE INDEX charges_by_reference ON simulator.charges (reference);
    CREATE INDEX charges_to_capture ON simulator.charges (capture_at) WHERE capture_at IS NOT NULL;

    CREATE TABLE simulator.refunds (
        key          text PRIMARY KEY,
        charge_key   text NOT NULL,
        amount_minor bigint NOT NULL,
        asked        integer NOT NULL,
        done         boolean NOT NULL,
        reason       text,
        created_at   timestamptz NOT NULL
    );
    CREATE INDEX refunds_of_charge ON simulator.refunds (charge_key);

    CREATE TABLE simulator.deliveries (
        id         uuid NOT NULL,
        copy       integer NOT NULL,
        tenant_id  uuid NOT NULL,
        body       text NOT NULL,
        due_at     timestamptz,
        attempts   integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (id, copy)
    );
    CREATE INDEX deliveries_due ON simulator.deliveries (due_at) WHERE due_at IS NOT NULL;
    COMMENT ON COLUMN simulator.deliveries.due_at IS 'Next attempt; null when delivered or given up.';
"""
GRANTS = """
    GRANT USAGE ON SCHEMA simulator TO "{platform}";
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA simulator TO "{platform}";
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(platform=roles().platform))
