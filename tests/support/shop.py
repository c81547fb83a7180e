"""A tenant's shop over HTTP in this process: its services behind their own doors, messages and due work by hand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from boxoffice.auth import service as auth
from boxoffice.bookings import service as bookings
from boxoffice.doors import http
from boxoffice.doors.identity import Issuer, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import ASGIApp, Peers
from boxoffice.events import service as events
from boxoffice.gateway.routes import TENANT_ROUTES
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Message, decode
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.kernel.wake import Wake
from boxoffice.payments import service as payments
from tests.support.asgi import Response, request
from tests.support.traffic import KINDS, armed, deliver

DOMAIN = "localhost"
NAMES = ("auth", "events", "bookings", "payments")
NEW_MESSAGES = "SELECT id, type, value FROM platform.outbox WHERE tenant_id = $1 AND id > $2 ORDER BY id"
SENDING = ("bookings.inventory", "payments.charge", "payments.refund")
Headers = Mapping[str, str]


@dataclass
class Shop:
    """Requests go to the service that the gateway would ask; `settle` does what a worker would do meanwhile."""

    database: Database
    tenant: Tenant
    apps: dict[str, ASGIApp]
    services: dict[str, Service]
    issuer: Issuer
    peers: Peers
    carried: int = field(default=0)

    async def ask(
        self, method: str, path: str, json: Any = None, *, who: Headers | None = None, key: str | None = None,
        headers: Headers | None = None, query: str = "", until: asyncio.Event | None = None,
    ) -> Response:  # fmt: skip
        """One request; its client goes away at `until`, and without it stays."""
        rule = TENANT_ROUTES.find(path)
        assert rule is not None, path
        sent = {**(who or {}), **({"idempotency-key": key} if key else {}), **(headers or {})}
        host = f"{self.tenant.slug}.{DOMAIN}"
        answer = await request(
            self.apps[rule.service], method, path, host=host, headers=sent, json=json, query=query,
            until=until or asyncio.Event(),
        )  # fmt: skip
        assert answer is not None
        return answer

    def user(self, role: str = "CUSTOMER") -> Headers:
        """The credential of somebody new with this role."""
        token = self.issuer.access(
            tenant=self.tenant, user_id=uuid7(), role=role, sid=uuid7(), now=datetime.now(UTC)
        )  # fmt: skip
        return {"authorization": f"Bearer {token}"}

    def guest(self) -> Headers:
        """The credential of a new guest."""
        return {"guest-token": self.issuer.guest(tenant=self.tenant, guest_id=uuid7(), now=datetime.now(UTC))}

    async def settle(self) -> None:
        """Carry messages to whoever subscribes to them and do what senders have to do, until nothing is left."""
        while await self._carry() or await self._send():
            pass

    async def _carry(self) -> bool:
        async with self.database.platform() as tx:
            rows = await tx.db.fetch(NEW_MESSAGES, self.tenant.id, self.carried)
        for row in rows:
            self.carried = row["id"]
            for name in self.services:
                await self.hear(name, decode(KINDS[row["type"]], row["value"]))
        return bool(rows)

    async def hear(self, service: str, *messages: Message) -> None:
        """Hand messages to those handlers of a service that subscribe to them, each in a transaction."""
        for message in messages:
            for subscription in self.services[service].subscriptions:
                if subscription.message is type(message):
                    await deliver(self.database, self.tenant, subscription.handler, message)

    async def _send(self) -> bool:
        worked = False
        for service in self.services.values():
            for kind in SENDING:
                if kind in service.senders:
                    async with self.database.platform() as tx:
                        due = await armed(tx, self.tenant, kind)
                    if due:
                        await service.senders[kind](self.database, self.tenant, due)
                        worked = True
        return worked

    async def fire(self, kind: str) -> None:
        """The tenant's timers of a kind, as if their time had come."""
        async with self.database.platform() as tx:
            due = await armed(tx, self.tenant, kind)
        for service in self.services.values():
            if kind in service.timers and due:
                async with self.database.transaction(self.tenant) as tx:
                    await service.timers[kind](tx, due)

    async def draft(self, organizer: Headers, **fields: Any) -> UUID:
        """A new event's id."""
        answer = await self.ask("POST", "/api/events", event_body(**fields), who=organizer)
        assert answer.status == 201, answer.content
        return UUID(answer.json["id"])

    async def publish(self, plan: Any, **fields: Any) -> UUID:
        """An event on sale: drafted, given its seat plan, published, its inventory made."""
        organizer = self.user("ORGANIZER")
        event_id = await self.draft(organizer, **fields)
        for method, path, body in (("PUT", "seat-plan", plan), ("POST", "publication", None)):
            answer = await self.ask(method, f"/api/events/{event_id}/{path}", body, who=organizer)
            assert answer.status in (200, 202), answer.content
        await self.settle()
        return event_id


def event_body(**fields: Any) -> dict[str, Any]:
    """What an organizer writes to draft an event, with `fields` otherwise."""
    body = {
        "name": "An evening with strings",
        "venue": "Town Hall",
        "starts_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "categories": [
            {"key": "gold", "name": "Gold", "price_minor": 4_500},
            {"key": "silver", "name": "Silver", "price_minor": 2_500},
        ],
    }
    return {name: value for name, value in (body | fields).items() if value is not ...}


def open_shop(
    database: Database, directory: Directory, tenant: Tenant, valkey: Redis, keyring: Keyring,
    worker: Database | None = None,
) -> Shop:  # fmt: skip
    """The services of a tenant, their doors on `database`; messages and due work go through `worker`'s connections."""
    apps: dict[str, ASGIApp] = {}
    peers = {name: Peers(name, apps=apps, keyring=keyring, domain=DOMAIN) for name in (*NAMES, "gateway")}
    services = {
        "auth": auth.build(database=database, directory=directory, valkey=valkey, keyring=keyring, bcrypt_cost=4),
        "events": events.build(database=database, peers=peers["events"], keyring=keyring),
        "bookings": bookings.build(
            database=database, directory=directory, peers=peers["bookings"], valkey=valkey, keyring=keyring,
            news=Wake(), cancel_grace_seconds=120, least_payment_seconds=180,
        ),
        "payments": payments.build(
            database=database, bank=database, directory=directory, keyring=keyring, domain=DOMAIN,
            public_url="http://{slug}.localhost:8000", internal_url="http://127.0.0.1:1",
        ),
    }  # fmt: skip
    for name, service in services.items():
        verifier = Verifier(fetch_jwks=peers[name].jwks, keyring=keyring, directory=directory)
        apps[name] = http.application(service, directory=directory, verifier=verifier, domain=DOMAIN)
    return Shop(worker or database, tenant, apps, services, Issuer(keyring), peers["gateway"])
