"""The directory of tenants, and the first admins that wait for their tenant's schema."""

from alembic import op

from boxoffice.kernel.migrate import roles, tenant_wall

revision = "tenants_platform_0001"
down_revision = None
branch_labels = ("tenants_platform",)
depends_on = ("kernel_platform_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE platform.tenants (
            id uuid PRIMARY KEY,
            slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{1,30}[a-z0-9]$'),
            name text NOT NULL,
            schema_name text NOT NULL UNIQUE CHECK (octet_length(schema_name) <= 63),
            role_name text NOT NULL UNIQUE CHECK (octet_length(role_name) <= 63),
            status text NOT NULL DEFAULT 'PROVISIONING'
                CHECK (status IN ('PROVISIONING', 'ACTIVE', 'SUSPENDED', 'DELETED')),
            plan text NOT NULL DEFAULT 'standard' CHECK (plan IN ('free', 'standard', 'premium')),
            spread integer NOT NULL DEFAULT 1 CHECK (spread BETWEEN 1 AND 64),
            shard text NOT NULL DEFAULT 'main',
            settings jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX tenants_created ON platform.tenants (created_at, id)")
    op.execute("""
        CREATE TABLE platform.first_admins (
            tenant_id uuid PRIMARY KEY REFERENCES platform.tenants,
            email text NOT NULL,
            password_hash text NOT NULL,
            first_name text NOT NULL,
            last_name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute(f'GRANT SELECT ON platform.tenants TO "{roles().web}"')
    # A slug is never used again, so a row never goes.
    op.execute(f'REVOKE DELETE ON platform.tenants FROM "{roles().platform}", "{roles().worker}"')
    op.execute(tenant_wall("platform.first_admins", ""))
