"""A server's application: what becomes of those who wait when it is to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from boxoffice.app.process import Process
from boxoffice.app.web import Served
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.wake import Wake
from tests.support.waiting import eventually


async def test_a_server_that_is_about_to_stop_answers_what_waits_for_news(
    database: Database, directory: Directory
) -> None:
    news, waiting, ending = Wake(), asyncio.Event(), asyncio.Event()
    said: list[dict[str, Any]] = []

    @asynccontextmanager
    async def connect() -> AsyncIterator[Process]:
        yield cast(Process, SimpleNamespace(database=database, directory=directory, news=news))

    async def patient(scope: Any, receive: Any, send: Any) -> None:
        with news.passing_bell("booking") as bell:
            waiting.set()
            await bell.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        if said:
            await ending.wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    served = Served("web", connect, lambda _: patient)
    living = asyncio.create_task(served({"type": "lifespan"}, receive, send))
    await eventually(lambda: bool(said))
    asked = asyncio.create_task(served({"type": "http"}, receive, send))
    await waiting.wait()

    served.leave()

    await asyncio.wait_for(asked, 20)
    ending.set()
    await living
    assert [message["type"] for message in said] == [
        "lifespan.startup.complete", "http.response.start", "lifespan.shutdown.complete"
    ]  # fmt: skip
