"""Every service started by hand, as a Procfile or a machine's supervisor would: one that is stopped stays stopped."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from boxoffice.app import SERVICES, WORKERS
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.embedded.up import http_status
from tests.support.listening import is_open
from tests.support.platform import OPERATOR, PASSWORD, Platform, free_ports
from tests.support.servers import FLEETING, temporary_folder
from tests.support.waiting import eventually


class ByHand(Platform):
    """nginx, the gateway, and each service with its worker in a process of its own; nobody minds them but the test."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.gateway_admin_port = free_ports(1)[0]
        found = ";".join(f"{name}=127.0.0.1:{port}" for name, port in self.ports.items())
        own = {
            "discovery": f"static:{found}", "trusted_proxies": "127.0.0.0/8", "pool_size": "8", "web_processes": "1",
            "bus": "pglog",
        }  # fmt: skip
        super().__init__(folder, {**own, **settings}, "services")
        self.environment["BOXOFFICE_PUBLIC_URL"] = self.origin("{slug}")
        self._servers = EmbeddedServers(self.data, max_connections=300, postgres_options=FLEETING)
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self) -> None:
        await self._servers.start()
        self.environment |= {
            "BOXOFFICE_DATABASE_URL": self._servers.database_url, "BOXOFFICE_VALKEY_URL": self._servers.valkey_url,
        }  # fmt: skip
        await self.command("migrate")
        await self.command("operator", "create", OPERATOR, "--password", PASSWORD)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        )
        await asyncio.gather(*(self.begin(name) for name in ("nginx", "gateway", *SERVICES)))
        authority = self.data / "secrets" / "tls" / "authority.pem"
        self._trust = ssl.create_default_context(cafile=str(authority))

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        for names in (("nginx",), ("gateway",), SERVICES):
            await asyncio.gather(*(self.end(name) for name in names if name in self._processes))
        await self._servers.stop()

    async def begin(self, name: str) -> None:
        """Start a process that does not run, and wait until it is ready."""
        roles = [name, f"{name}-worker"] if name in WORKERS else [name]
        admin = ["--admin-port", str(self.gateway_admin_port)] if name == "gateway" else []
        words = ["nginx"] if name == "nginx" else ["run", *roles, *admin]
        with self.output.open("ab") as output:
            self._processes[name] = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "boxoffice", *words, cwd="/", env=self.environment,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        port = {"nginx": self.tls_port, "gateway": self.gateway_admin_port, **self.ports}[name]

        async def is_there() -> bool:
            return process.returncode is not None or await (is_open if name == "nginx" else is_ready)(port)

        await eventually(is_there, within=90)
        assert process.returncode is None, self.output.read_text()

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """One process is stopped for the length of a block."""
        await self.end(name)
        try:
            yield
        finally:
            await self.begin(name)

    async def metrics_of_the_gateway(self) -> str:
        assert self._session is not None
        async with self._session.get(f"http://127.0.0.1:{self.gateway_admin_port}/metrics") as told:
            return await told.text()

    async def end(self, name: str) -> None:
        """Ask a process to end, and wait until it is gone."""
        process = self._processes.pop(name)
        process.terminate()
        await process.wait()


async def is_ready(port: int) -> bool:
    return await http_status("127.0.0.1", port, "/health/ready") == 200


@asynccontextmanager
async def services_by_hand(**settings: str) -> AsyncIterator[ByHand]:
    with temporary_folder() as folder:
        platform = ByHand(folder, settings)
        try:
            await platform.start()
            yield platform
        finally:
            await platform.stop()
