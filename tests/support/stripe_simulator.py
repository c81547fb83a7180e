"""A running simulator of Stripe, a merchant's SDK client, and an endpoint that takes its webhooks."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import stripe

from boxoffice.simulator import webhooks
from boxoffice.simulator.api import Simulator
from boxoffice.simulator.books import Books
from boxoffice.simulator.chaos import Chaos
from tests.support.listening import listening
from tests.support.platform import Platform
from tests.support.waiting import known_everywhere

NUMBERS = itertools.count()


@dataclass
class Mailbox:
    """A merchant's webhook endpoint: keeps what it got; refuses the first `refusals` deliveries."""

    refusals: int = 0
    got: list[tuple[bytes, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        status = 200
        if self.refusals:
            self.refusals, status = self.refusals - 1, 500
        else:
            self.got.append((body, headers["stripe-signature"]))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Clock:
    """The simulator's; a test turns it forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Shop:
    """A merchant at the simulator."""

    simulator: Simulator
    url: str
    key: str
    client: stripe.StripeClient
    mailbox: Mailbox
    mailbox_url: str
    secret: str = ""

    def misbehave(self, **chaos: Any) -> None:
        self.simulator.demon.chaos = Chaos(**chaos)

    def an_hour_later(self) -> None:
        assert isinstance(self.simulator.clock, Clock)
        self.simulator.clock.ahead += 3600

    async def listen(self, events: str = "*") -> None:
        """Register the mailbox, and remember its secret."""
        endpoint = await self.client.v1.webhook_endpoints.create_async(
            {"url": self.mailbox_url, "enabled_events": [events]}  # type: ignore[list-item]
        )
        self.secret = str(endpoint.secret)

    def events(self) -> list[stripe.Event]:
        """What the mailbox got, verified by the SDK."""
        return [self.client.construct_event(body, signature, self.secret) for body, signature in self.mailbox.got]


@asynccontextmanager
async def running_simulator(**chaos: Any) -> AsyncIterator[tuple[Simulator, str]]:
    """A simulator with a clock, and its address."""
    stop = asyncio.Event()
    books = Books(":memory:")
    clock = Clock()
    simulator = Simulator(books, "", Chaos(**chaos), clock)
    async with listening(simulator) as url:
        simulator.public_url = url
        running = asyncio.create_task(webhooks.run(simulator, stop))
        try:
            yield simulator, url
        finally:
            stop.set()
            await running
    books.close()


@asynccontextmanager
async def open_shop(**chaos: Any) -> AsyncIterator[Shop]:
    mailbox = Mailbox()
    async with (
        running_simulator(**chaos) as (simulator, url),
        listening(mailbox) as mailbox_url,
        aiohttp.ClientSession() as session,
    ):
        key = f"sk_test_shop{next(NUMBERS)}"
        client = stripe.StripeClient(
            key, base_addresses={"api": url}, http_client=stripe.AIOHTTPClient(session=session), max_network_retries=0
        )
        yield Shop(simulator, url, key, client, mailbox, mailbox_url)


def start_simulator(port: int, books: Path, trust: Path | None = None) -> subprocess.Popen[bytes]:
    """`boxoffice simulator` as a process of its own."""
    trusting = ("--trust", str(trust)) if trust is not None else ()
    return subprocess.Popen(
        [sys.executable, "-m", "boxoffice", "simulator", "--port", str(port), "--file", str(books), *trusting],
        cwd="/", env={"PYTHONPATH": str(Path("src").absolute())},
    )  # fmt: skip


async def choose_stripe(platform: Platform, slug: str, client: stripe.StripeClient) -> None:
    """What an operator does: register a webhook at Stripe, leave the keys, choose the provider."""
    endpoint = await client.v1.webhook_endpoints.create_async(
        {"url": f"{platform.origin(slug)}/api/payments/webhooks/stripe", "enabled_events": ["*"]}
    )
    folder = platform.data / "secrets" / "stripe"
    folder.mkdir(exist_ok=True)
    (folder / f"{slug}.key").write_text(f"sk_test_{slug}\n")
    (folder / f"{slug}.webhook").write_text(f"whsec_an_older_one\n{endpoint.secret}\n")
    operator = await platform.operator()
    listed = await platform.ask("GET", "/api/tenants?limit=100", token=operator)
    id = next(each["id"] for each in listed.json["items"] if each["slug"] == slug)
    changed = await platform.ask(
        "PATCH", f"/api/tenants/{id}", json={"settings": {"payment_provider": "stripe"}}, token=operator
    )
    assert changed.status == 200, changed
    await known_everywhere()
