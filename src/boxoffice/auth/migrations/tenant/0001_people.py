"""A tenant's people, their sessions and the refresh tokens of each session."""

from alembic import op

revision = "auth_tenant_0001"
down_revision = None
branch_labels = ("auth_tenant",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users (
            id uuid PRIMARY KEY,
            email text NOT NULL UNIQUE,
            password_hash text,
            first_name text NOT NULL,
            last_name text NOT NULL,
            role text NOT NULL CHECK (role IN ('ADMIN', 'ORGANIZER', 'SCANNER', 'CUSTOMER')),
            status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('INVITED', 'ACTIVE', 'DISABLED')),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CHECK (status = 'INVITED' OR password_hash IS NOT NULL)
        )
    """)
    op.execute("""
        CREATE TABLE sessions (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
    """)
    op.execute("CREATE INDEX sessions_user ON sessions (user_id)")
    op.execute("""
        CREATE TABLE refresh_tokens (
            hash bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            salt bytea NOT NULL,
            successor bytea,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            CHECK ((successor IS NULL) = (used_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id)")
