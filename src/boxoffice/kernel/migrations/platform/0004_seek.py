"""Positions that members of a group are asked to take up, for a bus whose brokers move only groups without members."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "kernel_platform_0004"
down_revision = "kernel_platform_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"""
        CREATE TABLE bus.seek (
            grp      text NOT NULL,
            topic    text NOT NULL,
            part     integer NOT NULL,
            off      bigint NOT NULL,
            asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (grp, topic, part)
        );
        GRANT SELECT, INSERT, UPDATE, DELETE ON bus.seek TO "{roles().worker}";
    """)
