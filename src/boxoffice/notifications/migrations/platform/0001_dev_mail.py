"""The mailbox of a platform without a mail server: what would have been sent, for /dev/mail."""

from alembic import op

from boxoffice.kernel.migrate import tenant_wall

revision = "notifications_platform_0001"
down_revision = None
branch_labels = ("notifications_platform",)
depends_on = ("kernel_platform_0001",)

STATEMENTS = """
    CREATE TABLE platform.dev_mail (
        id        uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        channel   text NOT NULL,
        recipient text NOT NULL,
        template  text NOT NULL,
        payload   jsonb NOT NULL,
        at        timestamptz NOT NULL
    );
    CREATE INDEX dev_mail_by_recipient ON platform.dev_mail (lower(recipient), at);
    CREATE INDEX dev_mail_by_age ON platform.dev_mail (at);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
    op.execute(tenant_wall("platform.dev_mail", "SELECT, INSERT"))
