"""The provider that a tenant's next payments go to, as payments has heard of it."""

from alembic import op

revision = "payments_tenant_0003"
down_revision = "payments_tenant_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE payment_account (
            only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            provider   text NOT NULL
        )
    """)
