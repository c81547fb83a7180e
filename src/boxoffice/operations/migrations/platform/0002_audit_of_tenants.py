"""The audit hears of acts from other services, and so in transactions of the tenant that an act concerns."""

from alembic import op

from boxoffice.kernel.migrate import tenant_wall

revision = "operations_platform_0002"
down_revision = "operations_platform_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE platform.audit ADD COLUMN tenant_id uuid")
    op.execute(tenant_wall("platform.audit", "INSERT"))
