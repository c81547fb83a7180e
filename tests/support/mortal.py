"""A platform whose one process dies where it is told to, and is born again; its clients ask until they are answered."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import migrate
from tests.support.platform import OPERATOR, PASSWORD, Platform, Reply
from tests.support.servers import FLEETING
from tests.support.waiting import eventually

KILLED = 137
ANSWER_SECONDS = 10.0
TRY_AGAIN = {"in_flight", "unavailable", "overloaded"}


class Mortal(Platform):
    """Web and worker in one process. `deaths` are the points at which it died, in their order."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder, settings)
        self.deaths: list[str] = []
        self._servers = EmbeddedServers(self.data, max_connections=200, postgres_options=FLEETING)
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=200)
        self._pid = 0
        self._ended = asyncio.Event()

    async def start(self) -> None:
        await self._servers.start()
        logins = await asyncio.to_thread(migrate.bootstrap, self._servers.database_url, self.data / "secrets")
        await asyncio.to_thread(migrate.upgrade, logins.migrator)
        self.environment |= {
            "BOXOFFICE_DATABASE_URL": self._servers.database_url, "BOXOFFICE_VALKEY_URL": self._servers.valkey_url,
        }  # fmt: skip
        await self.command("operator", "create", OPERATOR, "--password", PASSWORD)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )
        with self.output.open("ab") as output:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.nursery", str(self._listening.fileno()),
                env=self.environment | {"PYTHONPATH": f"{Path('src').absolute()}:{Path().absolute()}"},
                pass_fds=[self._listening.fileno()], start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
            )  # fmt: skip
        await self.live()

    async def stop(self) -> None:
        await self.die()
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        await self._nursery.wait()
        if self._session is not None:
            await self._session.close()
        self._listening.close()
        await self._servers.stop()

    async def live(self, failpoint: str = "", **settings: str) -> None:
        """Be born, to die at a point; then to be born again, and to live. Who ends in good order has yet to die."""
        own = {f"BOXOFFICE_{name.upper()}": value for name, value in settings.items()}
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(
            json.dumps({**self.environment, **own, "BOXOFFICE_FAILPOINT": failpoint}).encode() + b"\n"
        )
        self._pid = int(await self._nursery.stdout.readline())
        self._ended = ended = asyncio.Event()
        self._life = asyncio.create_task(self._watch(failpoint, settings, ended))

    async def _watch(self, failpoint: str, settings: dict[str, str], ended: asyncio.Event) -> None:
        assert self._nursery.stdout is not None
        code = int(await self._nursery.stdout.readline())
        ended.set()
        if code == KILLED:
            self.deaths.append(failpoint)
            await self.live(**settings)
        elif code == 0:
            await self.live(failpoint, **settings)

    def interrupt(self) -> None:
        """Ask it to end, in good order; it is born again."""
        os.kill(self._pid, signal.SIGTERM)

    async def die(self) -> None:
        """kill -9, for good."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        await self._ended.wait()

    async def ask(self, method: str, path: str, **wanted: Any) -> Reply:
        """Ask until there is an answer, each time with the same words and the same key, as a good client does."""
        if method == "POST":
            wanted["key"] = wanted.get("key") or uuid4().hex

        async def answered() -> Reply | None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    reply = await Platform.ask(self, method, path, **wanted)
                    return None if reply.code in TRY_AGAIN else reply
            return None

        reply = await eventually(answered, within=30)
        assert reply is not None
        return reply
