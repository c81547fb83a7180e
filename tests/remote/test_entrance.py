"""A service's own port: it answers our own processes and nobody else, whatever headers somebody else sends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from boxoffice.doors import deadline
from boxoffice.doors.http import application
from boxoffice.doors.identity import Issuer, Verifier, service_token
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer, Call, Route, Who
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.remote.entrance import Entrance
from tests.support.asgi import Response, request

FORGED = {"x-user-id": "1", "x-user-role": "ADMIN", "x-tenant-id": "acme", "x-forwarded-for": "127.0.0.1"}


async def seconds_left(call: Call) -> Answer:
    return Answer(value={"seconds": deadline.seconds_left(1_000.0), "caller": call.caller.key})


class World:
    def __init__(self, folder: Path, directory: Directory, tenant: Tenant) -> None:
        self.tenant = tenant
        self.keyring = Keyring(folder)
        self.issuer = Issuer(self.keyring)
        verifier = Verifier(fetch_jwks=self.jwks, keyring=self.keyring, directory=directory)
        route = Route("GET", "/api/time", seconds_left, Who.ANYONE, "", {200: dict})
        served = application(
            Service("events", [route]), directory=directory, verifier=verifier, domain="tickets.example"
        )
        self.healthy = True
        self.entrance = Entrance("events", served, verifier, {"healthy": self.is_healthy})

    async def is_healthy(self) -> bool:
        return self.healthy

    async def jwks(self, tenant: Tenant | None) -> dict[str, object]:
        return self.issuer.jwks(tenant)

    def token(self, caller: str = "gateway", callee: str = "events") -> str:
        return service_token(self.keyring, caller=caller, callee=callee, tenant=None, now=datetime.now(UTC))

    async def ask(self, path: str = "/api/time", **headers: str) -> Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await request(self.entrance, "GET", path, host=f"{self.tenant.slug}.tickets.example", headers=sent)
        assert answer is not None
        return answer


@pytest.fixture
async def world(tmp_path: Path, directory: Directory, tenant: Tenant) -> World:
    await directory.refresh()
    return World(tmp_path, directory, tenant)


async def test_a_call_with_our_own_pass_is_served_and_knows_its_deadline(world: World) -> None:
    answer = await world.ask(service_token=world.token(), x_deadline_ms="1500")

    assert answer.status == 200
    assert 1.0 < answer.json["seconds"] <= 1.5


async def test_nobody_else_is_served_whatever_he_says_he_is(world: World) -> None:
    user = world.issuer.access(tenant=world.tenant, user_id=uuid7(), role="ADMIN", sid=uuid7(), now=datetime.now(UTC))
    operator = world.issuer.access(tenant=None, user_id=uuid7(), role="OPERATOR", sid=uuid7(), now=datetime.now(UTC))
    attempts: list[dict[str, str]] = [
        {}, FORGED, {"authorization": f"Bearer {user}"}, {"service_token": user}, {"service_token": operator},
        {"service_token": world.token(callee="bookings")}, {"service_token": "x.y.z"},
        {"authorization": f"Bearer {world.token()}"},
    ]  # fmt: skip

    answers = [await world.ask(**attempt) for attempt in attempts]

    assert [each.status for each in answers] == [401] * len(attempts)


async def test_a_pass_opens_the_door_and_gives_no_rights_in_the_house(world: World) -> None:
    answer = await world.ask(service_token=world.token(), **FORGED)

    assert answer.json["caller"] == "anonymous"


async def test_its_health_is_told_to_whoever_stands_before_it(world: World) -> None:
    ready = await world.ask("/health/ready")
    world.healthy = False
    unready = await world.ask("/health/ready")

    assert (ready.status, unready.status) == (200, 503)
    assert (await world.ask("/health/live")).status == 200
