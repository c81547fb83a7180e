"""Timers remember the trace of what armed them, so that their work is seen as part of it."""

from alembic import op

revision = "kernel_platform_0003"
down_revision = "kernel_platform_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE platform.timers ADD COLUMN trace text")
