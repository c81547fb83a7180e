"""What the rush costs in PostgreSQL, statement by statement: where a plan went wrong, or a loop asks too often."""

import asyncpg

OPTIONS: dict[str, str] = {"shared_preload_libraries": "pg_stat_statements"}
COSTLIEST = """
    SELECT calls, total_exec_time AS milliseconds, rows, left(regexp_replace(query, '\\s+', ' ', 'g'), 80) AS statement
      FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT $1
"""


async def forget(database_url: str) -> None:
    """Count from now on."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()")
    await connection.close()


async def report(database_url: str, limit: int, bookings: int) -> None:
    """Print the costliest statements: calls, milliseconds and rows per booking."""
    connection = await asyncpg.connect(database_url)
    print("\n calls      ms    rows  per booking")
    for row in await connection.fetch(COSTLIEST, limit):
        calls, milliseconds, rows = (row[name] / bookings for name in ("calls", "milliseconds", "rows"))
        print(f"{calls:6.2f}  {milliseconds:6.3f}  {rows:6.2f}  {row['statement'].strip()}")
    await connection.close()
