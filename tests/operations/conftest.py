"""An operator's desk: the service operations beside the services of a shop whose words it compares."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from boxoffice.doors import http
from boxoffice.doors.identity import Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import retries
from boxoffice.kernel import valkey as kernel_valkey
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Envelope
from boxoffice.kernel.retries import Policy
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.operations import service as operations
from boxoffice.pages.assets import Assets
from tests.seating import plans
from tests.support.asgi import Response, request
from tests.support.shop import DOMAIN, Headers, Shop, open_shop

HALL = plans.document(plans.zone(plans.row("1..10", "A"), plans.row("1..10", "B", "silver"), key="Hall"))
LETTERS = "SELECT id FROM platform.dead_letters WHERE grp = $1 ORDER BY id"


@dataclass
class Desk:
    """Requests to operations on the platform's host."""

    shop: Shop
    operator_id: UUID
    operator: Headers

    async def ask(
        self, method: str, path: str, json: Any = None, *, who: Headers | None = None, key: str | None = None,
        query: str = "", service: str = "operations",
    ) -> Response:  # fmt: skip
        sent = {**(self.operator if who is None else who), **({"idempotency-key": key} if key else {})}
        answer = await request(
            self.shop.apps[service], method, path, host=f"platform.{DOMAIN}", headers=sent, json=json, query=query
        )
        assert answer is not None
        return answer

    async def bury(self, group: str, *, tenant: Tenant | None = None, value: bytes = b'{"booking_id": 1}') -> UUID:
        """A message that `group` could not handle; answers the dead letter's id."""
        tenant = tenant or self.shop.tenant
        message = Envelope(
            id=uuid7(), type="PaymentCompleted", topic="payment.completed", tenant_id=tenant.id, key=str(tenant.id),
            time=datetime.now(UTC), headers={"subject": str(uuid7())}, value=value,
        )  # fmt: skip
        async with self.shop.database.platform() as tx:
            before = {row["id"] for row in await tx.db.fetch(LETTERS, group)}
            await retries.fail(tx.db, group, message, ValueError("a <b>bad</b> day"), Policy(attempts=1), hold=True)
            (letter,) = {row["id"] for row in await tx.db.fetch(LETTERS, group)} - before
        return UUID(str(letter))


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = kernel_valkey.connect(servers.valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
async def desk(database: Database, web_database: Database, tenant: Tenant, valkey: Redis, tmp_path: Path) -> Desk:
    keyring, directory = Keyring(tmp_path / "keys"), Directory(web_database)
    await directory.refresh()
    shop = open_shop(web_database, directory, tenant, valkey, keyring, worker=database)
    peers = Peers("operations", apps=shop.apps, keyring=keyring, domain=DOMAIN)
    service = operations.build(
        database=web_database, directory=directory, peers=peers, keyring=keyring, assets=Assets(tmp_path), shops={},
        shows_mail=True,
    )  # fmt: skip
    shop.services["operations"] = service
    verifier = Verifier(fetch_jwks=peers.jwks, keyring=keyring, directory=directory)
    shop.apps["operations"] = http.application(service, directory=directory, verifier=verifier, domain=DOMAIN)
    operator_id = uuid7()
    token = shop.issuer.access(
        tenant=None, user_id=operator_id, role="OPERATOR", sid=uuid7(), now=datetime.now(UTC)
    )  # fmt: skip
    return Desk(shop, operator_id, {"authorization": f"Bearer {token}"})


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys")
