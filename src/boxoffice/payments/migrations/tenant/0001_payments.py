"""Payments and refunds of one tenant."""

from alembic import op

revision = "payments_tenant_0001"
down_revision = None
branch_labels = ("payments_tenant",)
depends_on = None

STATEMENTS = """
    CREATE TABLE payments (
        id               uuid PRIMARY KEY,
        booking_id       uuid NOT NULL,
        attempt          integer NOT NULL,
        amount_minor     bigint NOT NULL,
        currency         text NOT NULL,
        method           text NOT NULL,
        reference        text NOT NULL,
        status           text NOT NULL CHECK (status IN ('REQUESTED', 'PROCESSING', 'UNKNOWN', 'ACTION_REQUIRED',
                                                         'CAPTURED', 'DECLINED', 'CANCELLED')),
        provider_ref     text,
        reason           text,
        retryable        boolean NOT NULL DEFAULT false,
        action_url       text,
        cancel_requested boolean NOT NULL DEFAULT false,
        asked            integer NOT NULL DEFAULT 0,
        created_at       timestamptz NOT NULL,
        updated_at       timestamptz NOT NULL,
        UNIQUE (booking_id, attempt)
    ) WITH (fillfactor = 70);
    COMMENT ON TABLE payments IS 'One row per attempt; a tombstone (CANCELLED, amount 0) when never sent.';

    CREATE TABLE refunds (
        id           uuid PRIMARY KEY,
        booking_id   uuid NOT NULL,
        attempt      integer NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency     text NOT NULL,
        status       text NOT NULL CHECK (status IN ('REQUESTED', 'DONE', 'FAILED')),
        reason       text,
        asked        integer NOT NULL DEFAULT 0,
        created_at   timestamptz NOT NULL,
        updated_at   timestamptz NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX refunds_of_booking ON refunds (booking_id);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
