"""A post room in which tests tell people things."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from boxoffice.messages import BookingConfirmed, Purchase
from boxoffice.notifications import domain, store
from boxoffice.notifications.actions import SEND, telling
from boxoffice.notifications.rendering import Templates
from boxoffice.notifications.sender import MailServer
from boxoffice.notifications.sending import Sending
from boxoffice.notifications.store import Dead, Kept
from tests.support.mail_server import TinyMailServer
from tests.support.purchases import purchase
from tests.support.traffic import deliver, run_due

SENDER = "tickets@example.org"


@dataclass(frozen=True)
class PostRoom:
    """One tenant's notifications, by mail server or by mailbox."""

    database: Database
    tenant: Tenant
    sending: Sending
    purchases: dict[UUID, Purchase] = field(default_factory=dict)

    async def confirm(self, email: str = "ada@example.org", name: str = "Ada Lovelace") -> BookingConfirmed:
        bought = purchase(email=email, name=name)
        message = BookingConfirmed(booking_id=bought.booking_id, purchase=bought)
        await deliver(self.database, self.tenant, telling(domain.booking_confirmed), message)
        return message

    async def send(self) -> int:
        return len(await run_due(self.database, self.tenant, SEND, self.sending.send))

    async def mailbox(self, recipient: str) -> list[Kept]:
        async with self.database.platform() as tx:
            kept = await store.kept(tx, recipient, 100)
        return [mail for mail in kept if mail.tenant_id == self.tenant.id]

    async def dead(self) -> list[Dead]:
        async with self.database.transaction(self.tenant) as tx:
            return await store.dead(tx, 100)

    async def waiting(self) -> int:
        async with self.database.transaction(self.tenant) as tx:
            count: int = await tx.db.fetchval("SELECT count(*) FROM notifications WHERE status = 'QUEUED'")
        return count


def post_room(database: Database, tenant: Tenant, server: MailServer | None, attempts_max: int = 5) -> PostRoom:
    purchases: dict[UUID, Purchase] = {}

    async def find_purchase(tenant: Tenant, booking_id: UUID) -> Purchase:
        if booking_id not in purchases:
            raise NotFound("not_found", "There is no such booking.")
        return purchases[booking_id]

    sending = Sending(
        Templates(), server, find_purchase, "http://{slug}.localhost:8000", attempts_max, timedelta(milliseconds=1)
    )  # fmt: skip
    return PostRoom(database, tenant, sending, purchases)


@pytest.fixture
def kept_post(database: Database, tenant: Tenant) -> PostRoom:
    """Without a mail server."""
    return post_room(database, tenant, None)


@pytest.fixture
async def mail_server() -> AsyncIterator[TinyMailServer]:
    server = TinyMailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def sent_post(database: Database, tenant: Tenant, mail_server: TinyMailServer) -> PostRoom:
    """With a mail server."""
    return post_room(database, tenant, MailServer(mail_server.url, SENDER))


@pytest.fixture
def address() -> str:
    """An address of this test's own."""
    return f"{uuid7().hex[-12:]}@example.org"
