"""A double-entry ledger beside payments and refunds, with what was captured and returned before it existed."""

from alembic import op

revision = "payments_tenant_0002"
down_revision = "payments_tenant_0001"
branch_labels = None
depends_on = None

TABLES = """
    ALTER TABLE payments ADD COLUMN provider text NOT NULL DEFAULT 'simulated';
    ALTER TABLE refunds ADD COLUMN refused integer NOT NULL DEFAULT 0;
    COMMENT ON COLUMN refunds.refused IS 'How often the provider said no; the next try is a new refund there.';

    CREATE TABLE ledger_entries (
        id             uuid PRIMARY KEY,
        transaction_id uuid NOT NULL,
        at             timestamptz NOT NULL,
        account        text NOT NULL,
        amount_minor   bigint NOT NULL CHECK (amount_minor <> 0),
        currency       text NOT NULL,
        booking_id     uuid NOT NULL,
        payment_id     uuid REFERENCES payments (id),
        refund_id      uuid REFERENCES refunds (id),
        UNIQUE (transaction_id, account),
        CHECK (num_nonnulls(payment_id, refund_id) = 1)
    );
    CREATE INDEX ledger_of_booking ON ledger_entries (booking_id);
    COMMENT ON TABLE ledger_entries IS 'Debits above zero, credits below: each transaction adds up to nothing.';
"""
EARLIER = """
    INSERT INTO ledger_entries (id, transaction_id, at, account, amount_minor, currency, booking_id, payment_id)
    SELECT uuidv7(), id, updated_at, line.account, line.sign * amount_minor, currency, booking_id, id
      FROM payments, (VALUES ('provider:simulated', 1), ('sales', -1)) AS line (account, sign)
     WHERE status = 'CAPTURED' AND amount_minor <> 0;

    INSERT INTO ledger_entries (id, transaction_id, at, account, amount_minor, currency, booking_id, refund_id)
    SELECT uuidv7(), id, updated_at, line.account, line.sign * amount_minor, currency, booking_id, id
      FROM refunds, (VALUES ('refunds', 1), ('provider:simulated', -1)) AS line (account, sign)
     WHERE status = 'DONE';
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(EARLIER)
