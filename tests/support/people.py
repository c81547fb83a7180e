"""Auth and tenants as applications in this process, and the requests that people make of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from boxoffice.auth import actions
from boxoffice.auth import service as auth
from boxoffice.auth.domain import Account, Person
from boxoffice.auth.passwords import Passwords
from boxoffice.doors import http
from boxoffice.doors.identity import Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import ASGIApp, Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.roles import Roles
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.tenants import service as tenants
from tests.support.asgi import Response, request

DOMAIN = "localhost"
PLATFORM = f"platform.{DOMAIN}"
PASSWORD = "a long enough secret"
CHEAP = 4  # bcrypt's least cost: these tests are about what passes, not about how slowly


@dataclass
class House:
    """Auth and tenants with their keys. Hosts are given as tenants; None is the platform's."""

    database: Database
    directory: Directory
    keyring: Keyring
    apps: dict[str, ASGIApp]
    services: dict[str, Service]

    async def ask(
        self, service: str, method: str, path: str, tenant: Tenant | None = None, json: Any = None, *,
        token: str | None = None, headers: Mapping[str, str] | None = None, query: str = "",
    ) -> Response:  # fmt: skip
        given = dict(headers or {})
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        host = PLATFORM if tenant is None else f"{tenant.slug}.{DOMAIN}"
        answer = await request(self.apps[service], method, path, host=host, json=json, headers=given, query=query)
        assert answer is not None
        return answer

    async def auth(
        self, method: str, path: str, tenant: Tenant | None = None, json: Any = None, *, token: str | None = None
    ) -> Response:
        return await self.ask("auth", method, path, tenant, json, token=token)

    async def register(self, tenant: Tenant, email: str = "ada@example.org") -> dict[str, str]:
        body = {"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Byron"}
        answer = await self.auth("POST", "/api/auth/register", tenant, body)
        assert answer.status == 201, answer.content
        user: dict[str, str] = answer.json
        return user

    async def login(
        self, tenant: Tenant | None, email: str = "ada@example.org", password: str = PASSWORD
    ) -> dict[str, str]:
        answer = await self.auth("POST", "/api/auth/login", tenant, {"email": email, "password": password})
        assert answer.status == 200, answer.content
        tokens: dict[str, str] = answer.json
        return tokens

    async def operator(self) -> str:
        """The access token of a new operator."""
        email = f"{uuid7()}@platform.example"
        password_hash = await Passwords(self.keyring.secret("pepper"), cost=CHEAP).hash(PASSWORD)
        person = Person(email=email, first_name="Olga", last_name="Operator")
        async with self.database.platform() as tx:
            account: Account = await actions.create_operator(tx, person, password_hash)
        assert account.email == email
        return (await self.login(None, email))["access_token"]


def build_house(
    database: Database, directory: Directory, folder: Path, database_name: str, *, valkey: Redis | None = None,
    migrator_url: str | None = None, settle_seconds: float = 1.0,
) -> House:  # fmt: skip
    keyring = Keyring(folder)
    apps: dict[str, ASGIApp] = {}
    services = {
        "auth": auth.build(
            database=database, directory=directory, valkey=valkey, keyring=keyring, bcrypt_cost=CHEAP
        ),
        "tenants": tenants.build(
            database=database, peers=Peers("tenants", apps=apps, keyring=keyring, domain=DOMAIN), valkey=valkey,
            keyring=keyring, roles=Roles(database_name), migrator_url=migrator_url, settle_seconds=settle_seconds,
        ),
    }  # fmt: skip
    for name, service in services.items():
        peers = Peers(name, apps=apps, keyring=keyring, domain=DOMAIN)
        verifier = Verifier(fetch_jwks=peers.jwks, keyring=keyring, directory=directory)
        apps[name] = http.application(service, directory=directory, verifier=verifier, domain=DOMAIN)
    return House(database, directory, keyring, apps, services)
