"""Completes the settings with servers that answer: named by them, running here already, or freshly started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from boxoffice.embedded.broker import Broker
from boxoffice.embedded.servers import EmbeddedServers, is_running
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

POSTGRESQL_LEAST = 18
REDIS_LEAST = 7
CONNECT_SECONDS_MAX = 10.0


@asynccontextmanager
async def reachable_servers(
    settings: Settings, *, share: bool = False, connections: int = 100
) -> AsyncIterator[tuple[Settings, EmbeddedServers | None]]:
    """Yield complete settings, and the servers if they are ours to watch.

    `share`: a short command uses the servers of a running `boxoffice up` instead of being refused, and needs no broker.
    `connections`: how many a database of ours has to allow.
    """
    if settings.database_url:
        await _check_database(settings.database_url)
    if settings.valkey_url:
        await _check_valkey(settings.valkey_url)
    broker = None
    if settings.bus == "kafka" and not settings.kafka and not share:
        broker = Broker(settings.data, settings.kafka_port, settings.lease_seconds)
    if settings.database_url and settings.valkey_url and broker is None:
        _check_folder(settings.data)
        yield _completed(settings, None), None
        return
    servers = EmbeddedServers(
        settings.data, with_postgres=not settings.database_url, with_valkey=not settings.valkey_url,
        max_connections=connections, broker=broker,
    )  # fmt: skip
    if share and servers.attach():
        yield _completed(settings, servers), None
        return
    async with servers:
        yield _completed(settings, servers), servers


async def with_broker(settings: Settings, servers: EmbeddedServers | None) -> Settings:
    """Settings that lead to Kafka, which messages travel by: to the embedded broker, unless they name one."""
    if settings.kafka:
        return settings
    if servers is None:
        raise StartupProblem("messages travel by Kafka: set BOXOFFICE_KAFKA to its brokers")
    await servers.add_broker(Broker(settings.data, settings.kafka_port, settings.lease_seconds))
    return _completed(settings, servers)


def _completed(settings: Settings, servers: EmbeddedServers | None) -> Settings:
    """With the addresses of what runs here, a broker too."""
    found: dict[str, object] = {}
    if servers is not None:
        found["database_url"] = settings.database_url or servers.database_url
        found["valkey_url"] = settings.valkey_url or servers.valkey_url
    if not settings.kafka and is_running(settings.data / "kafka"):
        found |= {
            "bus": settings.bus or "kafka",
            "kafka": f"127.0.0.1:{settings.kafka_port}",
            "kafka_copies": 1,
            "kafka_copies_least": 1,
        }
    return settings.model_copy(update=found)


def _check_folder(data: Path) -> None:
    """Secrets and metrics live there even when the servers are elsewhere."""
    try:
        data.mkdir(mode=0o755, parents=True, exist_ok=True)
        (data / "secrets").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartupProblem(f"cannot use the data directory {data}: {error.strerror or error}") from error


async def _check_database(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
    except asyncpg.InvalidCatalogNameError:
        return  # it is made by the first migration
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartupProblem(f"BOXOFFICE_DATABASE_URL: cannot connect to PostgreSQL: {_words(error)}") from error
    major = connection.get_server_version().major
    await connection.close()
    if major < POSTGRESQL_LEAST:
        raise StartupProblem(f"BOXOFFICE_DATABASE_URL: this is PostgreSQL {major}, {POSTGRESQL_LEAST} is the least")


async def _check_valkey(url: str) -> None:
    try:
        async with Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS_MAX) as valkey:
            version = str((await valkey.info("server"))["redis_version"])
    except (OSError, ValueError, RedisError) as error:
        raise StartupProblem(f"BOXOFFICE_VALKEY_URL: cannot connect to Valkey: {_words(error)}") from error
    if int(version.partition(".")[0]) < REDIS_LEAST:
        raise StartupProblem(f"BOXOFFICE_VALKEY_URL: this speaks Redis {version}, {REDIS_LEAST} is the least")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
