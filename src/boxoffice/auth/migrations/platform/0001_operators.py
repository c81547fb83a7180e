"""The platform's operators, their sessions and refresh tokens: the tables of a tenant's people, in schema platform."""

from alembic import op

from boxoffice.kernel.migrate import roles

revision = "auth_platform_0001"
down_revision = None
branch_labels = ("auth_platform",)
depends_on = ("kernel_platform_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE platform.operators (
            id uuid PRIMARY KEY,
            email text NOT NULL UNIQUE,
            password_hash text NOT NULL,
            first_name text NOT NULL,
            last_name text NOT NULL,
            status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'DISABLED')),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE platform.sessions (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES platform.operators ON DELETE CASCADE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
    """)
    op.execute("CREATE INDEX sessions_user ON platform.sessions (user_id)")
    op.execute("""
        CREATE TABLE platform.refresh_tokens (
            hash bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES platform.sessions ON DELETE CASCADE,
            salt bytea NOT NULL,
            successor bytea,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            CHECK ((successor IS NULL) = (used_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX refresh_tokens_session ON platform.refresh_tokens (session_id)")
    op.execute(f"""
        GRANT SELECT, INSERT, UPDATE, DELETE ON platform.operators, platform.sessions, platform.refresh_tokens
           TO "{roles().platform}"
    """)
