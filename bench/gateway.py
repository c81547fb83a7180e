"""What the gateway itself costs: one small answer asked for directly, through nginx as a plain proxy, and through it.

    make bench-gateway    or: python -m bench.gateway --seconds 4

The answer is a tenant's key set, which auth has ready. `gateway` stands before auth in a process of its own; `in
process` is a web process, to be compared with `direct`: in both one process does all. Over plain HTTP, by one client.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench import platform
from bench.buyers import Connection
from boxoffice.doors.identity import service_token
from boxoffice.doors.keys import Keyring
from boxoffice.embedded.nginx import program
from tests.support.listening import is_open
from tests.support.platform import free_ports

SLUG, PATH = "gate", "/.well-known/jwks.json"
AT_ONCE = 16
ROUNDS = 3
WARM_CALLS = 300
START_SECONDS = 60.0
PLAIN_PROXY = """\
daemon off; pid {folder}/plain.pid; worker_processes 1; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream service {{ server 127.0.0.1:{service}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_set_header Service-Token {token};
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Measure:
    """Seconds of single calls, one after the other; and calls per second when many are made at once."""

    p50: float
    p99: float
    rate: float


async def measure(port: int, headers: str, seconds: float) -> Measure:
    host = f"{SLUG}.localhost:{port}"
    await calls(port, host, headers, until=time.perf_counter() + START_SECONDS, most=WARM_CALLS)
    alone = sorted(await calls(port, host, headers, until=time.perf_counter() + seconds))
    began = time.perf_counter()
    at_once = await asyncio.gather(*(calls(port, host, headers, until=began + seconds) for _ in range(AT_ONCE)))
    rate = sum(map(len, at_once)) / (time.perf_counter() - began)
    return Measure(alone[len(alone) // 2], alone[int(len(alone) * 0.99)], rate)


async def calls(port: int, host: str, headers: str, *, until: float, most: int = sys.maxsize) -> list[float]:
    connection, times = Connection(port, host), list[float]()
    while time.perf_counter() < until and len(times) < most:
        began = time.perf_counter()
        status, _ = await connection.call("GET", PATH, headers=headers)
        times.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"port {port} answers {status}")
    connection.close()
    return times


@asynccontextmanager
async def started(port: int, *command: str, environment: dict[str, str]) -> AsyncIterator[int]:
    """A process that listens on a port."""
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not await is_open(port):
            if process.returncode is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} does not listen")
            await asyncio.sleep(0.1)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="boxoffice-bench-") as name:
        folder = Path(name)
        os.chmod(name, 0o755)
        async with platform.running(folder, arguments.port) as box:
            await platform.event_on_sale(box, SLUG, 100)
            keyring = Keyring(folder / "data" / "secrets" / "keys")
            token = service_token(keyring, caller="gateway", callee="auth", tenant=None, now=datetime.now(UTC))
            auth, gateway, proxy = free_ports(3)
            everybody = f"static:auth=127.0.0.1:{auth}"
            environment = box.environment | {"BOXOFFICE_DISCOVERY": everybody, "BOXOFFICE_BUS": "pglog"}
            plain = folder / "plain.conf"
            plain.write_text(PLAIN_PROXY.format(folder=folder, service=auth, port=proxy, token=token))
            ours = (sys.executable, "-m", "boxoffice", "run")
            nginx = (program(), "-e", "stderr", "-p", name, "-c", str(plain))
            async with (
                started(auth, *ours, "auth", environment=environment),
                started(gateway, *ours, "gateway", "--port", str(gateway), environment=environment),
                started(proxy, *nginx, environment=environment),
            ):
                passed = f"Service-Token: {token}\r\n"
                ways = {
                    "direct": (auth, passed), "nginx": (proxy, ""), "gateway": (gateway, ""),
                    "in process": (box.port, ""),
                }  # fmt: skip
                rounds = [
                    {name: await measure(*way, arguments.seconds / ROUNDS) for name, way in ways.items()}
                    for _ in range(ROUNDS)
                ]
                report({name: best([each[name] for each in rounds]) for name in ways})


def best(rounds: Sequence[Measure]) -> Measure:
    """Of several rounds: whatever else the machine does only makes one worse."""
    return Measure(
        min(each.p50 for each in rounds), min(each.p99 for each in rounds), max(each.rate for each in rounds)
    )  # fmt: skip


def report(measures: dict[str, Measure]) -> None:
    base = measures["direct"]
    print(f"{'':12} {'p50 ms':>8} {'added':>8} {'p99 ms':>8} {'added':>8} {'requests/s':>11}")
    for name, each in measures.items():
        p50, p99 = each.p50 * 1000, each.p99 * 1000
        more50, more99 = p50 - base.p50 * 1000, p99 - base.p99 * 1000
        print(f"{name:12} {p50:8.2f} {more50:+8.2f} {p99:8.2f} {more99:+8.2f} {each.rate:11.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each measure; there are eight")
    parser.add_argument("--port", type=int, default=18_500)
    uvloop.run(main(parser.parse_args()))
