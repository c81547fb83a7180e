"""Valkey is lost when it does not answer, and not because many ask at once."""

import asyncio

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.valkey import CONNECTIONS_MAX, Breaker, connect


async def test_a_crowd_larger_than_the_connections_is_answered(servers: EmbeddedServers) -> None:
    client = connect(servers.valkey_url)
    breaker = Breaker(client)

    answers = await asyncio.gather(*(breaker.ask(client.ping) for _ in range(4 * CONNECTIONS_MAX)))

    assert answers == [True] * (4 * CONNECTIONS_MAX)
    await client.aclose()
