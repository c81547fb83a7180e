"""A platform of the benchmark's own: fresh servers, one `boxoffice up`, one tenant and one event on sale."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from boxoffice.embedded.servers import EmbeddedServers

OPERATOR, PASSWORD = "operator@bench.example", "bench-only-password"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
UNLIMITED = dict.fromkeys(("read", "write", "guests", "sign_in", "pages"), 0)


@dataclass
class Platform:
    """A running platform; `run` starts the command line in its environment."""

    port: int
    database_url: str
    servers: EmbeddedServers
    environment: dict[str, str]
    process: asyncio.subprocess.Process
    tls_port: int | None = None  # nginx's, in the form of services

    async def run(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "boxoffice", *words, env=self.environment, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise SystemExit(f"boxoffice {words[0]} failed")

    async def call(self, method: str, path: str, host: str, body: Any = None, token: str = "") -> Any:
        headers = {"Host": f"{host}.localhost:{self.port}", "Idempotency-Key": uuid.uuid4().hex}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with aiohttp.ClientSession() as session, session.request(
            method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers
        ) as answer:  # fmt: skip
            text = await answer.text()
            if answer.status >= 400:
                raise SystemExit(f"{method} {path}: {answer.status} {text}")
            return json.loads(text) if text else None

    async def sign_in(self, host: str, email: str) -> str:
        tokens = await self.call("POST", "/api/auth/login", host, {"email": email, "password": PASSWORD})
        return str(tokens["access_token"])

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far by kind of process: web and worker, or nginx, Kafka and each role; postgres, valkey."""
        return {kind: sum(_cpu_seconds(pid) for pid in pids) for kind, pids in self._pids().items()}

    def _pids(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for pid in _descendants(self.process.pid):
            words = _words(pid)
            if "run" in words:
                found.setdefault(words[words.index("run") + 1], []).append(pid)
            elif words[0].startswith("nginx:"):
                found.setdefault("nginx", []).append(pid)
            elif words[0].endswith("java"):
                found.setdefault("kafka", []).append(pid)
        for server in (self.servers.postgres, self.servers.valkey):
            kind = "postgres" if server is self.servers.postgres else "valkey"
            if server.pid is not None:
                found[kind] = [server.pid, *_descendants(server.pid)]
        return found


@asynccontextmanager
async def running(
    folder: Path, port: int, postgres_options: dict[str, str] | None = None, web_processes: int | None = None,
    *, in_services: bool = False,
) -> AsyncIterator[Platform]:  # fmt: skip
    tls_port = port + 2 if in_services else None
    async with EmbeddedServers(folder / "servers", max_connections=500, postgres_options=postgres_options) as servers:
        environment = {
            **os.environ, "BOXOFFICE_DATABASE_URL": servers.database_url, "BOXOFFICE_VALKEY_URL": servers.valkey_url,
            "BOXOFFICE_PORT": str(port), "BOXOFFICE_DATA": str(folder / "data"), "BOXOFFICE_DEMO": "0",
        }  # fmt: skip
        if web_processes is not None:
            environment["BOXOFFICE_WEB_PROCESSES"] = str(web_processes)
        if tls_port is not None:
            environment["BOXOFFICE_TLS_PORT"] = str(tls_port)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "boxoffice", "up", *(["--services"] if in_services else []),
            env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if b"is ready" in line:
                break
        try:
            yield Platform(port, servers.database_url, servers, environment, process, tls_port)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def event_on_sale(platform: Platform, slug: str, seats: int) -> str:
    """A tenant whose rate limits are lifted, and the id of its event with `seats` seats, on sale."""
    await platform.run("operator", "create", OPERATOR, "--password", PASSWORD)
    operator = await platform.sign_in("platform", OPERATOR)
    admin = {"email": "admin@bench.example", "password": PASSWORD, "first_name": "A", "last_name": "B"}
    tenant = await platform.call("POST", "/api/tenants", "platform", {"slug": slug, "name": slug, "admin": admin},
                                 operator)  # fmt: skip
    while tenant["status"] != "ACTIVE":
        tenant = await platform.call("GET", f"/api/tenants/{tenant['id']}", "platform", token=operator)
        await asyncio.sleep(0.2)
    await platform.call("PATCH", f"/api/tenants/{tenant['id']}", "platform",
                        {"settings": {"rate_limits": UNLIMITED}}, operator)  # fmt: skip
    token = await platform.sign_in(slug, "admin@bench.example")
    starts = datetime.now(UTC) + timedelta(days=30)
    event = await platform.call("POST", "/api/events", slug, {
        "name": "Rush", "venue": "Arena", "time_zone": "Europe/Berlin", "starts_at": starts.isoformat(),
        "currency": "EUR", "categories": [{"key": "a", "name": "A", "color": "#0072B2", "price_minor": 4500}],
    }, token)  # fmt: skip
    rows = [{"label": str(row), "numbers": "1..100", "category": "a"} for row in range(1, seats // 100 + 1)]
    plan = {"format": "seatplan/1", "name": "Arena", "categories": [{"key": "a", "name": "A"}],
            "zones": [{"kind": "seats", "key": "A", "rows": rows}]}  # fmt: skip
    await platform.call("PUT", f"/api/events/{event['id']}/seat-plan", slug, plan, token)
    await platform.call("POST", f"/api/events/{event['id']}/publication", slug, token=token)
    while event["status"] != "PUBLISHED":
        await asyncio.sleep(0.2)
        event = await platform.call("GET", f"/api/events/{event['id']}", slug, token=token)
    return str(event["id"])


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descendants(pid: int) -> list[int]:
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found
