"""A member of a group in a process of its own, which a test can halt or kill; told what to do by lines on stdin."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from boxoffice.kafka.access import Access
from boxoffice.kernel.bus.port import Fenced, Portion
from boxoffice.kernel.database import Database
from tests.support.brokers import open_bus
from tests.support.messaging import read, values


class Elsewhere:
    """The other process as a test sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def read(self, count: int) -> list[str]:
        """The values of the next messages; they stay in its hand until `commit`."""
        found: list[str] = json.loads(await self._ask(f"read {count}"))
        return found

    async def commit(self) -> str:
        """`committed` or `fenced`."""
        return await self._ask("commit")

    async def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def member_elsewhere(
    adapter: str, access: Access | None, url: str, platform_role: str, group: str, topics: Sequence[str]
) -> AsyncIterator[Elsewhere]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.bus_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        servers = "" if access is None else access.servers
        process.stdin.write(json.dumps([adapter, servers, url, platform_role, group, list(topics)]).encode() + b"\n")
        yield Elsewhere(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def main() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    adapter, servers, url, platform_role, group, topics = json.loads(await lines.readline())
    database = await Database.connect(url, platform_role=platform_role)
    bus = open_bus(adapter, database, Access(servers) if servers else None)
    running = asyncio.create_task(bus.run(asyncio.Event()))
    member = await bus.join(group, topics)
    in_hand: list[Portion] = []
    while line := (await lines.readline()).decode().split():
        if line[0] == "read":
            in_hand = await read(member, int(line[1]), within=30)
            answer = json.dumps(values(in_hand))
        else:
            try:
                await member.commit(in_hand)
                answer = "committed"
            except Fenced:
                answer = "fenced"
        print(answer, flush=True)  # noqa: T201
    running.cancel()


if __name__ == "__main__":
    asyncio.run(main())
