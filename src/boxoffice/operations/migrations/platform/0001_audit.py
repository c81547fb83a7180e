"""The audit: what operators did. Rows are added, never changed and never deleted."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "operations_platform_0001"
down_revision = None
branch_labels = ("operations_platform",)
depends_on = ("kernel_platform_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE platform.audit (
            id       uuid PRIMARY KEY,
            at       timestamptz NOT NULL,
            operator uuid NOT NULL,
            action   text NOT NULL,
            subject  text NOT NULL,
            detail   jsonb NOT NULL
        );
        CREATE INDEX audit_by_time ON platform.audit (at, id);
    """)
    op.execute(f'REVOKE UPDATE, DELETE ON platform.audit FROM "{roles().platform}", "{roles().worker}"')
