"""Many claims of few seats: attempts to take seats that others want at the same moment, and not one sold twice.

    make bench-contention            or: python -m bench.contention --action 20000 --http 0

First through the action that books: two of it, as two web processes have, with their transactions side by side on one
PostgreSQL, so that only the claim decides. Then over HTTP through two web processes, without Valkey, so that holds
exclude nobody. Every wish is for two to eight seats in a row of a small hall, and overlaps others; what is won is
declined or given back and taken again. At the end the rows are counted, and the history of all that the claimants were
told is checked for an order that explains it. Rates are told beside pgbench's in the same run (bench/README.md).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from uuid import UUID

import asyncpg
import uvloop

from bench import claims, doors, reference
from bench.claims import Tally
from tests.support import history
from tests.support.invariants import OF_TENANT, broken

ROWS = ("one_live_claim", "claims_are_mutual", "sold_seats_are_paid_for", "ends_free_their_seats")
CHECKED = [invariant for invariant in OF_TENANT if invariant.name in ROWS]


async def in_action(folder: Path, arguments: argparse.Namespace) -> None:
    """Claims through the action."""
    async with claims.hall(folder) as hall:
        measure = partial(measured, hall.database_url, folder, arguments.reference)
        references = await measure(1)
        tally = await hall.contend(arguments.action, folder / "action.jsonl")
        report("through the action", tally, references + await measure(2))
        await check(hall.database_url, hall.tenant.id, hall.tenant.schema, [folder / "action.jsonl"])


async def over_http(folder: Path, arguments: argparse.Namespace) -> None:
    """Claims through the doors of two web processes."""
    async with doors.open_sale(folder, arguments.port) as sale:
        measure = partial(measured, sale.database_url, folder, arguments.reference)
        references = await measure(1)
        files = [folder / f"http-{number}.jsonl" for number in range(doors.PROCESSES)]
        tally = await doors.contend(sale, arguments.http, files)
        report("over HTTP, two web processes", tally, references + await measure(2))
        await check(sale.database_url, sale.tenant_id, doors.SCHEMA, files)


async def measured(database_url: str, folder: Path, seconds: int, run: int) -> list[float]:
    """What pgbench manages now; nothing if it is not asked for."""
    if not seconds:
        return []
    await reference.prepare(database_url, folder)
    return [await reference.transactions_per_second(database_url, folder, seconds, run)]


def report(what: str, tally: Tally, references: Sequence[float]) -> None:
    print(f"{what}")
    print(f"  claims     {tally.won + tally.refused}: {tally.won} won, {tally.refused} refused, {tally.rate:.0f}/s")
    if tally.other:
        print(f"  besides    {', '.join(f'{count} × {name}' for name, count in sorted(tally.other.items()))}")
    if references:
        print(f"  pgbench    {', '.join(f'{each:.0f}' for each in references)} transactions/s")
        print(f"  ratio      {tally.rate / mean(references):.3f} of pgbench", flush=True)


async def check(database_url: str, tenant_id: UUID, schema: str, files: Sequence[Path]) -> None:
    """Count the rows, and look for an order that explains what everybody was told. Raises SystemExit."""
    db = await asyncpg.connect(database_url)
    async with db.transaction(isolation="repeatable_read"):
        wrong = await broken(db, CHECKED, tenant_id, schema)
    await db.close()
    began = time.monotonic()
    told = [each for file in files for each in history.read(file)]
    wrong += history.problems(told)
    if wrong:
        raise SystemExit("\n".join(["BROKEN", *wrong[:20]]))
    print(f"  checked    0 seats sold twice; {len(told)} operations have an order ({time.monotonic() - began:.0f} s)")


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="boxoffice-bench-") as name:
        os.chmod(name, 0o755)
        for run, wanted in ((in_action, arguments.action), (over_http, arguments.http)):
            if wanted:
                folder = Path(name) / run.__name__
                folder.mkdir(mode=0o755)
                await run(folder, arguments)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--action", type=int, default=1_000_000, help="claims through the action")
    parser.add_argument("--http", type=int, default=100_000, help="claims over HTTP")
    parser.add_argument("--reference", type=int, default=5, help="seconds of pgbench around each; 0: none")
    parser.add_argument("--port", type=int, default=18_410)
    return parser.parse_args(words)


if __name__ == "__main__":
    try:
        uvloop.run(main(arguments(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit("interrupted; everything that was started has been stopped")
