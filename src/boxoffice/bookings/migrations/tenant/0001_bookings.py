"""Sales, seats, bookings, their sagas and tickets."""

from alembic import op

revision = "bookings_tenant_0001"
down_revision = None
branch_labels = ("bookings_tenant",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE sales (
            event_id        uuid PRIMARY KEY,
            name            text NOT NULL,
            venue           text NOT NULL,
            time_zone       text NOT NULL,
            starts_at       timestamptz NOT NULL,
            currency        text NOT NULL,
            categories      jsonb NOT NULL,
            opens_at        timestamptz NOT NULL,
            closes_at       timestamptz NOT NULL,
            max_seats       int NOT NULL CHECK (max_seats > 0),
            plan_hash       text NOT NULL,
            seats           int NOT NULL,
            status          text NOT NULL CHECK (status IN ('PREPARING', 'ON_SALE', 'CANCELLED')),
            sold_out        boolean NOT NULL DEFAULT false,
            version         bigint NOT NULL DEFAULT 1
        );
        CREATE TABLE sale_plans (
            plan_hash       text PRIMARY KEY,
            document        bytea NOT NULL
        );
        CREATE TABLE payment_methods (
            method          text PRIMARY KEY
        );

        -- the truth about every seat: HELD and SOLD name the one booking that has it
        CREATE TABLE seat_inventory (
            event_id        uuid NOT NULL REFERENCES sales,
            seat_no         int NOT NULL,
            status          text NOT NULL DEFAULT 'AVAILABLE'
                            CHECK (status IN ('AVAILABLE', 'HELD', 'SOLD', 'BLOCKED')),
            booking_id      uuid,
            hold_until      timestamptz,
            fence           bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (event_id, seat_no),
            CHECK ((status IN ('HELD', 'SOLD')) = (booking_id IS NOT NULL))
        ) WITH (fillfactor = 70);
        -- both lead with the whole key: with the event alone, a plan without statistics walks all its seats per seat
        CREATE INDEX seat_inventory_available ON seat_inventory (event_id, seat_no) WHERE status = 'AVAILABLE';
        CREATE INDEX seat_inventory_taken ON seat_inventory (event_id, seat_no) INCLUDE (status)
            WHERE status <> 'AVAILABLE';

        CREATE TABLE bookings (
            id              uuid PRIMARY KEY,
            reference       text NOT NULL UNIQUE,
            owner           text NOT NULL,
            hold_id         uuid UNIQUE,
            idempotency_key text,
            event_id        uuid NOT NULL REFERENCES sales,
            status          text NOT NULL,
            contact_email   text NOT NULL,
            contact_name    text NOT NULL,
            total_minor     bigint NOT NULL CHECK (total_minor >= 0),
            currency        text NOT NULL,
            hold_until      timestamptz NOT NULL,
            created_at      timestamptz NOT NULL,
            updated_at      timestamptz NOT NULL,
            confirmed_at    timestamptz,
            cancelled_at    timestamptz,
            UNIQUE (owner, idempotency_key)
        ) WITH (fillfactor = 80);
        CREATE INDEX bookings_owner ON bookings (owner, id);
        CREATE INDEX bookings_event ON bookings (event_id, id);

        CREATE TABLE booking_seats (
            booking_id      uuid NOT NULL REFERENCES bookings,
            event_id        uuid NOT NULL,
            seat_no         int NOT NULL,
            label           text NOT NULL,
            category        text NOT NULL,
            price_minor     bigint NOT NULL,
            state           text NOT NULL DEFAULT 'VALID' CHECK (state IN ('VALID', 'REFUNDING', 'REFUNDED')),
            live            boolean NOT NULL DEFAULT true,
            fence           bigint NOT NULL,
            PRIMARY KEY (booking_id, seat_no)
        ) WITH (fillfactor = 80);
        -- the second, independent wall against selling a seat twice
        CREATE UNIQUE INDEX one_live_claim ON booking_seats (event_id, seat_no) WHERE live;

        CREATE TABLE saga_state (
            id              uuid PRIMARY KEY REFERENCES bookings,
            saga_type       text NOT NULL DEFAULT 'booking',
            correlation_id  text NOT NULL UNIQUE,
            current_step    text NOT NULL,
            status          text NOT NULL,
            payload         jsonb NOT NULL,
            version         int NOT NULL DEFAULT 1,
            created_at      timestamptz NOT NULL,
            updated_at      timestamptz NOT NULL
        ) WITH (fillfactor = 80);
        CREATE TABLE saga_log (
            booking_id      uuid NOT NULL REFERENCES bookings,
            version         int NOT NULL,
            at              timestamptz NOT NULL,
            from_state      text NOT NULL,
            trigger         text NOT NULL,
            to_state        text NOT NULL,
            PRIMARY KEY (booking_id, version)
        );

        CREATE TABLE tickets (
            id              uuid PRIMARY KEY,
            booking_id      uuid NOT NULL,
            event_id        uuid NOT NULL,
            seat_no         int NOT NULL,
            issued_at       timestamptz NOT NULL,
            voided_at       timestamptz,
            used_at         timestamptz,
            UNIQUE (booking_id, seat_no),
            FOREIGN KEY (booking_id, seat_no) REFERENCES booking_seats
        );
        CREATE TABLE ticket_keys (
            kid             text PRIMARY KEY,
            public_key      bytea NOT NULL,
            sealed_key      bytea NOT NULL,
            created_at      timestamptz NOT NULL
        );
    """)
