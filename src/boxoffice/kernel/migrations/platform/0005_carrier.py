"""Which bus carries the messages: one row that every relay obeys, so that a running system can move to another bus."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "kernel_platform_0005"
down_revision = "kernel_platform_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE bus.carrier (
            single  boolean PRIMARY KEY DEFAULT true CHECK (single),
            current text NOT NULL,
            next    text CHECK (next <> current),
            moves   bigint NOT NULL DEFAULT 0
        );
        INSERT INTO bus.carrier (current) VALUES ('pglog');
    """)
    op.execute(f'GRANT UPDATE, SELECT ON bus.carrier TO "{roles().worker}"')
