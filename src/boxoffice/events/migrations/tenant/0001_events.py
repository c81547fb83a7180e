"""Events and the seat plans they are sold from."""

from alembic import op

revision = "events_tenant_0001"
down_revision = None
branch_labels = ("events_tenant",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE seat_plans (
            hash            text PRIMARY KEY,
            name            text NOT NULL,
            seats           int NOT NULL,
            categories      jsonb NOT NULL,
            document        bytea NOT NULL,
            created_at      timestamptz NOT NULL
        );
        CREATE TABLE events (
            id              uuid PRIMARY KEY,
            name            text NOT NULL,
            description     text NOT NULL,
            venue           text NOT NULL,
            time_zone       text NOT NULL,
            starts_at       timestamptz NOT NULL,
            doors_at        timestamptz,
            currency        text NOT NULL,
            categories      jsonb NOT NULL,
            opens_at        timestamptz NOT NULL,
            closes_at       timestamptz NOT NULL,
            max_seats_per_booking int NOT NULL CHECK (max_seats_per_booking > 0),
            status          text NOT NULL
                            CHECK (status IN ('DRAFT', 'PUBLISHING', 'PUBLISHED', 'CANCELLED', 'ENDED')),
            plan_hash       text REFERENCES seat_plans,
            seats           int NOT NULL DEFAULT 0,
            sold_out        boolean NOT NULL DEFAULT false,
            sale_version    bigint NOT NULL DEFAULT 0,
            created_by      text NOT NULL,
            created_at      timestamptz NOT NULL,
            updated_at      timestamptz NOT NULL
        );
        CREATE INDEX events_starts_at ON events (starts_at, id);
        CREATE INDEX events_plan ON events (plan_hash);
    """)
