"""What a running `boxoffice up` can be asked for, on a socket in its data folder: to replace its processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from boxoffice.embedded.servers import socket_folder
from boxoffice.startup import StartupProblem

Roll = Callable[[Sequence[str]], AsyncIterator[str]]  # what the supervisor does, a sentence for each step done
Say = Callable[[str], None]


class Line(msgspec.Struct):
    """A line of the answer: a step that was done, or why nothing more will be."""

    said: str = ""
    problem: str = ""


@asynccontextmanager
async def answering(data: Path, roll: Roll, say: Say) -> AsyncIterator[None]:
    """Do what is asked for the length of a block; only this user can ask."""
    path = _path(data)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    turn = asyncio.Lock()
    asked: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_answer(reader, writer, roll, say, turn))
        asked.add(task)
        task.add_done_callback(asked.discard)

    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def roll(data: Path, names: Sequence[str], say: Say) -> None:
    """Ask the `up` of this data folder to replace its processes, and wait until it has. Raises StartupProblem."""
    try:
        reader, writer = await asyncio.open_unix_connection(_path(data))
    except OSError:
        raise StartupProblem(f"no `boxoffice up` runs on {data}") from None
    try:
        writer.write(msgspec.json.encode(list(names)) + b"\n")
        while line := await reader.readline():
            told = msgspec.json.decode(line, type=Line)
            if told.problem:
                raise StartupProblem(told.problem)
            if not told.said:
                return
            say(told.said)
    finally:
        writer.close()
    raise StartupProblem("`boxoffice up` ended before all was replaced")


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, roll: Roll, say: Say, turn: asyncio.Lock
) -> None:
    """Who asks and goes away stops it after the step that is being done; the last line is empty."""

    async def tell(line: Line) -> None:
        writer.write(msgspec.json.encode(line) + b"\n")
        await writer.drain()

    with contextlib.suppress(OSError, msgspec.DecodeError):
        try:
            names = msgspec.json.decode(await reader.readline(), type=list[str])
            if turn.locked():
                raise StartupProblem("its processes are being replaced already: wait until that is done")
            async with turn:
                async for said in roll(names):
                    say(said)
                    if reader.at_eof():
                        return
                    await tell(Line(said=said))
            await tell(Line())
        except StartupProblem as problem:
            await tell(Line(problem=str(problem)))
        finally:
            writer.close()


def _path(data: Path) -> Path:
    return socket_folder(data.absolute()) / "control"
