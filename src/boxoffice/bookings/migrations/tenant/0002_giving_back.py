"""The policy a purchase was made under, and the bulk job that empties a cancelled event."""

from alembic import op

revision = "bookings_tenant_0002"
down_revision = "bookings_tenant_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE bookings ADD COLUMN policy jsonb NOT NULL DEFAULT '{}';
        CREATE TABLE event_cancellations (
            event_id        uuid PRIMARY KEY REFERENCES sales,
            total           int NOT NULL,
            handled         int NOT NULL DEFAULT 0,
            last_booking_id uuid,
            started_at      timestamptz NOT NULL,
            finished_at     timestamptz
        );
        CREATE INDEX saga_state_stuck ON saga_state (status, updated_at)
            WHERE status IN ('REFUND_STUCK', 'PENDING_PAYMENT');
    """)
