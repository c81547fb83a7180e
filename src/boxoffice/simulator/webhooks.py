"""Webhooks: events signed as Stripe signs them, and sent again, with growing pauses, until they are taken."""

import asyncio
import contextlib
import hashlib
import hmac
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from boxoffice.simulator.api import Simulator
from boxoffice.simulator.books import Books, Delivery

TIMEOUT = aiohttp.ClientTimeout(total=10)
ATTEMPTS_MOST = 20
LONGEST_PAUSE_SECONDS = 600.0
POLL_SECONDS = 0.05
log = structlog.get_logger("simulator")


def signature(secret: str, body: bytes, now: float) -> str:
    """The value of `Stripe-Signature`."""
    stamp = int(now)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def session(trust: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=_Resolver(), ssl=trust or True)
    return aiohttp.ClientSession(timeout=TIMEOUT, connector=connector)


async def deliver_due(books: Books, http: aiohttp.ClientSession, now: float) -> int:
    """Send what is due, in order; returns how much that was."""
    due = books.deliveries(now)
    for delivery in due:
        taken = await _send(books, http, delivery)
        pause = min(2.0 ** min(delivery.attempts, 16), LONGEST_PAUSE_SECONDS)
        given_up = delivery.attempts + 1 >= ATTEMPTS_MOST
        books.tried(delivery, None if taken or given_up else now + pause)
    return len(due)


async def _send(books: Books, http: aiohttp.ClientSession, delivery: Delivery) -> bool:
    event, endpoint = books.object(delivery.event), books.object(delivery.endpoint)
    if event is None or endpoint is None or endpoint["status"] != "enabled":
        return True
    body = msgspec.json.encode(event)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(endpoint["secret"], body, time.time()),
        "User-Agent": "boxoffice-simulator",
    }
    try:
        async with http.post(endpoint["url"], data=body, headers=headers, allow_redirects=False) as answer:
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
        host = urlsplit(endpoint["url"]).hostname
        log.info("webhook_not_taken", id=event["id"], host=host, attempts=delivery.attempts, fault=repr(fault))
        return False


class _Resolver(AbstractResolver):
    """Names under localhost are this machine (RFC 6761), which not every system's resolver knows."""

    def __init__(self) -> None:
        self._others: Any = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host == "localhost" or host.endswith(".localhost"):
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]
        if self._others is None:
            self._others = aiohttp.ThreadedResolver()
        found: list[ResolveResult] = await self._others.resolve(host, port, family)
        return found

    async def close(self) -> None:
        if self._others is not None:
            await self._others.close()


async def run(simulator: Simulator, stop: asyncio.Event, trust: ssl.SSLContext | None = None) -> None:
    """Let time pass for the books and send what is due, until `stop`. `trust`: whose certificates are good."""
    async with session(trust) as http:
        while not stop.is_set():
            simulator.tick()
            if not await deliver_due(simulator.books, http, simulator.clock()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), POLL_SECONDS)
