"""How processes talk to Valkey: quickly or not at all, since nothing correct depends on its answer."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ANSWER_SECONDS = 0.5
CONNECTIONS_MAX = 64


def connect(url: str) -> Redis:
    """A client that gives up after half a second and once tries a connection that had gone stale again."""
    return Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),
        max_connections=CONNECTIONS_MAX,
        health_check_interval=0,
    )
