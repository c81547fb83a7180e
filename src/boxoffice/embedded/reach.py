"""Completes the settings with servers that answer: named by them, running here already, or freshly started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.settings import Settings


@asynccontextmanager
async def reachable_servers(
    settings: Settings, *, share: bool = False
) -> AsyncIterator[tuple[Settings, EmbeddedServers | None]]:
    """Yield complete settings, and the servers if they are ours to watch.

    `share`: a short command uses the servers of a running `boxoffice up` instead of being refused.
    """
    if settings.database_url and settings.valkey_url:
        yield settings, None
        return
    servers = EmbeddedServers(settings.data)
    if share and servers.attach():
        yield _completed(settings, servers), None
        return
    async with servers:
        yield _completed(settings, servers), servers


def _completed(settings: Settings, servers: EmbeddedServers) -> Settings:
    return settings.model_copy(
        update={
            "database_url": settings.database_url or servers.database_url,
            "valkey_url": settings.valkey_url or servers.valkey_url,
        }
    )
