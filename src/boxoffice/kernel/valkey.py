"""How processes talk to Valkey: quickly or not at all, since nothing correct depends on its answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

ANSWER_SECONDS = 0.5
TOTAL_SECONDS = 1.0
PROBE_SECONDS = 1.0
CONNECTIONS_MAX = 64
# RuntimeError is how uvloop tells of a connection that was reset while nobody looked ("the handler is closed").
FAULTS = (RedisError, OSError, RuntimeError)
Answer = TypeVar("Answer")
log = structlog.get_logger("valkey")


def connect(url: str) -> Redis:
    """A client that gives up after half a second and once tries a connection that had gone stale again.

    A crowd waits for its connections: that all are in use is no sign that Valkey is lost.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1, (ConnectionError,)),  # but who does not answer is not asked again
        max_connections=CONNECTIONS_MAX,
        health_check_interval=0,
    )
    return Redis.from_pool(pool)  # and closes it


class Lost(Exception):
    """Valkey did not answer; whoever asked goes on without it."""


class Breaker:
    """Asks Valkey until it fails once. From then on nobody waits for it: while questions come, a probe beside them
    looks once a second whether it is well again."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._lost = False
        self._probe_at = 0.0
        self._probing: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer. Raises Lost, at once while Valkey is known to be lost."""
        if self._lost:
            if self._probing is None and time.monotonic() >= self._probe_at:
                self._probing = asyncio.create_task(self._probe())
            raise Lost
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await question()
        except FAULTS as fault:  # a time-out is an OSError too
            if not self._lost:
                log.warning("valkey_lost", fault=repr(fault))
            self._lost, self._probe_at = True, time.monotonic() + PROBE_SECONDS
            raise Lost from fault

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await self._valkey.ping()
            self._lost = False
            log.info("valkey_back")
        except FAULTS:
            self._probe_at = time.monotonic() + PROBE_SECONDS
        finally:
            self._probing = None
