"""The on-sale rush: one event, many buyers at once, from the hold of two seats to CONFIRMED, against pgbench.

    make bench            or: python -m bench.rush --buyers 200 --seconds 20 --form both

The reference runs before and after the rush on the same PostgreSQL. The rush ends when every message has been handled;
then the rows are counted: no seat may be sold twice, and every confirmed booking must own what it bought.
"""

import argparse
import asyncio
import json
import os
import platform as machine
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from bench import platform, reference, statements

SLUG = "rush"
LEAST_SHARE = 0.5  # of the embedded form's sales, that the distributed form has to make on the same machine
DRAINED = """
    SELECT (SELECT count(*) FROM platform.outbox) + (SELECT count(*) FROM platform.retries)
         + (SELECT count(*) FROM tenant_rush.bookings WHERE status = 'PENDING_PAYMENT')
         + (SELECT coalesce(sum(p.next_off - a.committed), 0) FROM bus.assignment a
              JOIN bus.partition p ON (p.topic, p.part) = (a.topic, a.part))
"""
CHECKS = {
    "seats with two live claims": """SELECT count(*) FROM (SELECT event_id, seat_no FROM tenant_rush.booking_seats
        WHERE live GROUP BY 1, 2 HAVING count(*) > 1) AS twice""",
    "confirmed bookings without their seats": """SELECT count(*) FROM tenant_rush.bookings b
        WHERE b.status = 'CONFIRMED' AND 2 <> (SELECT count(*) FROM tenant_rush.seat_inventory s
                                                WHERE s.booking_id = b.id AND s.status = 'SOLD')""",
    "sold seats without a confirmed booking": """SELECT count(*) FROM tenant_rush.seat_inventory s
        LEFT JOIN tenant_rush.bookings b ON b.id = s.booking_id AND b.status = 'CONFIRMED'
        WHERE s.status = 'SOLD' AND b.id IS NULL""",
    "dead letters": "SELECT count(*) FROM platform.dead_letters",
}


async def buy(arguments: argparse.Namespace, box: platform.Platform, event_id: str) -> list[dict[str, Any]]:
    """Let all buyers run, and answer what their processes saw."""
    port, tls = (box.port, []) if box.tls_port is None else (box.tls_port, ["--tls"])
    share = -(-arguments.buyers // arguments.processes)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.buyers", "--port", str(port), "--host", f"{SLUG}.localhost:{port}",
            "--event", event_id, "--seats", str(arguments.seats), "--buyers", str(share),
            "--seconds", str(arguments.seconds), *tls, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(arguments.processes)
    ]  # fmt: skip
    return [json.loads((await process.communicate())[0]) for process in processes]


async def drained(database_url: str, within: float = 120) -> float:
    """Wait until outbox, retries and log are empty; answers how long it took."""
    connection = await asyncpg.connect(database_url)
    began = asyncio.get_running_loop().time()
    while await connection.fetchval(DRAINED):
        if asyncio.get_running_loop().time() - began > within:
            raise SystemExit("the bus was not drained in time")
        await asyncio.sleep(0.2)
    await connection.close()
    return asyncio.get_running_loop().time() - began


async def check(database_url: str, confirmed: int) -> None:
    connection = await asyncpg.connect(database_url)
    wrong = {name: count for name, query in CHECKS.items() if (count := await connection.fetchval(query))}
    rows = await connection.fetchval("SELECT count(*) FROM tenant_rush.bookings WHERE status = 'CONFIRMED'")
    await connection.close()
    if rows < confirmed:
        wrong["confirmed bookings that buyers saw and the database lacks"] = confirmed - rows
    if wrong:
        raise SystemExit(f"BROKEN: {wrong}")
    print(f"checked        no seat sold twice; {rows} confirmed bookings own their seats")


def report(
    arguments: argparse.Namespace, seen: list[dict[str, Any]], references: list[float], cpu: dict[str, float]
) -> tuple[int, float]:
    """Print what was seen; answers how many bookings were confirmed, and how many for each transaction of pgbench."""
    times = sorted(time for process in seen for time in process["times"])
    if not times:
        raise SystemExit(f"nothing was confirmed: {seen}")
    rate = len(times) / arguments.seconds
    tps = statistics.mean(references)
    percentiles = [times[min(len(times) - 1, int(len(times) * share))] * 1000 for share in (0.5, 0.95, 0.99)]
    failed: dict[str, int] = {}
    for process in seen:
        for what, count in process["failed"].items():
            failed[what] = failed.get(what, 0) + count
    print(f"interpreter    {machine.python_implementation()} {machine.python_version()}, {os.cpu_count()} cores")
    print(f"buyers         {arguments.buyers} in {arguments.processes} processes for {arguments.seconds} s")
    print(f"confirmed      {len(times)} bookings of 2 seats, {rate:.0f}/s")
    print("hold→CONFIRMED p50 {:.0f} ms, p95 {:.0f} ms, p99 {:.0f} ms".format(*percentiles))
    lost = sum(process["lost"] for process in seen)
    print(f"seats lost     {lost} holds refused with 409; failures: {failed or 'none'}")
    spent = {kind: f"{seconds / len(times) * 1000:.2f}" for kind, seconds in cpu.items()}
    print(f"CPU ms/booking {', '.join(f'{kind} {value}' for kind, value in spent.items())}")
    print(f"pgbench        {', '.join(f'{each:.0f}' for each in references)} transactions/s")
    print(f"ratio          {rate / tps:.3f} of pgbench")
    return len(times), rate / tps


async def rush(arguments: argparse.Namespace, form: str) -> tuple[float, int]:
    """One rush on a platform of one form; answers its ratio, and how many bookings were confirmed."""
    with tempfile.TemporaryDirectory(prefix="boxoffice-bench-") as name:
        folder = Path(name)
        os.chmod(name, 0o755)
        options = statements.OPTIONS if arguments.statements else {}
        async with platform.running(folder, arguments.port, options, in_services=form == "services") as box:
            print(f"form           {form}")
            event_id = await platform.event_on_sale(box, SLUG, arguments.seats)
            await reference.prepare(box.database_url, folder)
            measure = partial(reference.transactions_per_second, box.database_url, folder, arguments.reference)
            references = [await measure(1)]
            if arguments.statements:
                await statements.forget(box.database_url)
            before = box.cpu_seconds()
            seen = await buy(arguments, box, event_id)
            lag = await drained(box.database_url)
            cpu = {kind: spent - before[kind] for kind, spent in box.cpu_seconds().items()}
            cpu["buyers"] = sum(process["cpu_seconds"] for process in seen)
            bookings = sum(len(process["times"]) for process in seen)
            if arguments.statements and bookings:
                await statements.report(box.database_url, arguments.statements, bookings)
                print()
            references.append(await measure(2))
            confirmed, ratio = report(arguments, seen, references, cpu)
            print(f"drained        {lag:.1f} s after the last buyer")
            await check(box.database_url, confirmed)
            return ratio, confirmed


async def main(arguments: argparse.Namespace) -> None:
    forms = ("one", "services") if arguments.form == "both" else (arguments.form,)
    seen = {form: await rush(arguments, form) for form in forms}
    if len(seen) == 2:
        share, sales = (services / one for services, one in zip(seen["services"], seen["one"], strict=True))
        print(f"distributed    {share:.2f} of embedded, {sales:.2f} by confirmed bookings alone")
        if share < LEAST_SHARE:
            raise SystemExit(f"BROKEN: less than {LEAST_SHARE}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buyers", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seats", type=int, default=50_000)
    parser.add_argument("--reference", type=int, default=5, help="seconds of pgbench before and after")
    parser.add_argument("--port", type=int, default=18_400)
    parser.add_argument("--form", choices=("one", "services", "both"), default="one")
    parser.add_argument("--statements", type=int, default=0, help="also list so many of PostgreSQL's costliest")
    asyncio.run(main(parser.parse_args()))
