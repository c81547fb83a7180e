"""Who was told what, and whom to tell about the organizer's own affairs."""

from alembic import op

revision = "notifications_tenant_0001"
down_revision = None
branch_labels = ("notifications_tenant",)
depends_on = None

STATEMENTS = """
    CREATE TABLE notifications (
        id         uuid PRIMARY KEY,
        message_id uuid NOT NULL,
        channel    text NOT NULL CHECK (channel IN ('email', 'sms')),
        recipient  text NOT NULL,
        template   text NOT NULL,
        payload    jsonb NOT NULL,
        status     text NOT NULL CHECK (status IN ('QUEUED', 'SENT', 'DEAD')),
        attempts   integer NOT NULL DEFAULT 0,
        last_error text,
        created_at timestamptz NOT NULL,
        sent_at    timestamptz,
        UNIQUE (message_id, channel, recipient)
    ) WITH (fillfactor = 80);
    CREATE INDEX notifications_dead ON notifications (created_at, id) WHERE status = 'DEAD';

    CREATE TABLE organizer_contacts (
        email text PRIMARY KEY
    );
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
