"""Who and what the contract is tried with: people in every role at two tenants, real events, holds and bookings."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from boxoffice import app
from boxoffice.auth import actions
from boxoffice.auth.domain import Person, Role
from boxoffice.auth.passwords import Passwords
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.settings import Settings
from tests.support.platform import PASSWORD, Platform
from tests.support.waiting import eventually

Headers = dict[str, str]
ROWS, SEATS_IN_A_ROW = 40, 50


@dataclass
class Shop:
    """A tenant with an event on sale, a draft, and for each of its people a credential."""

    id: str
    slug: str
    event: str
    draft: str
    plan_hash: str
    who: dict[str, Headers]  # role → the headers that say so


@dataclass
class World:
    """`acme` is where everything is tried, `globex` a stranger to it, `spare` may be broken."""

    platform: Platform
    parts: app.Process  # the platform's own keys and database, as its worker has them
    acme: Shop
    globex: Shop
    spare: Shop
    operator: Headers
    confirmed: str  # a customer's booking with tickets
    declined: str  # a customer's booking that waits for another payment
    mail: str
    asset: str

    seats = ROWS * SEATS_IN_A_ROW

    def roles(self, host: str) -> Mapping[str, Headers]:
        """Everybody who may knock at a host: its own people, and those who do not belong there."""
        if host == "platform":
            return {"anonymous": {}, "operator": self.operator, "admin": self.acme.who["admin"]}
        strangers = {"foreigner": self.globex.who["admin"], "operator": self.operator}
        return {"anonymous": {}, **self.acme.who, **strangers}


@asynccontextmanager
async def populate(platform: Platform) -> AsyncIterator[World]:
    async with inside(platform) as parts:
        acme, globex, spare = [await shop(platform, parts) for _ in range(3)]
        mails = await platform.ask("GET", "/dev/mail", headers={"Accept": "application/json"})
        page = await platform.ask("GET", "/", slug=acme.slug)
        found = re.search(rb"/assets/([^\"]+)", page.body)
        yield World(
            platform, parts, acme, globex, spare, bearer(await platform.operator()),
            confirmed=await booked(platform, acme, 1_998, "pm_card_visa", "captured"),
            declined=await booked(platform, acme, 1_999, "pm_card_insufficientFunds", "declined"),
            mail=mails.json["items"][0]["id"], asset=found[1].decode() if found else "none",
        )  # fmt: skip


async def booked(platform: Platform, at: Shop, seat: int, method: str, ends: str) -> str:
    """A customer's booking whose payment ended like this."""
    token = at.who["customer"]["Authorization"].removeprefix("Bearer ")
    held = await platform.hold(at.slug, at.event, [seat], token=token)
    made = await platform.book(at.slug, held.json["token"], method=method, token=token)
    booking: str = made.json["id"]

    async def ended() -> bool:
        seen = await platform.ask("GET", f"/api/bookings/{booking}", slug=at.slug, token=token)
        return bool(seen.json["payment"]["status"] == ends)

    await eventually(ended)
    return booking


@asynccontextmanager
async def inside(platform: Platform) -> AsyncIterator[app.Process]:
    """The parts of the running platform, connected to from here."""
    servers = EmbeddedServers(platform.data)
    assert servers.attach()
    settings = Settings(
        data=platform.data, database_url=servers.database_url, valkey_url=servers.valkey_url, demo=False,
        port=platform.port, bcrypt_cost=4,
    )  # fmt: skip
    async with app.process(settings, "worker") as parts:
        yield parts


async def shop(platform: Platform, parts: app.Process) -> Shop:
    slug = await platform.tenant()
    await enrol(parts, slug, Role.ORGANIZER, Role.SCANNER)
    event = await platform.event(slug, rows=ROWS, seats=SEATS_IN_A_ROW)
    admin = await platform.token_of(slug, f"admin@{slug}.example")
    drafted = await platform.ask("POST", "/api/events", slug=slug, json=DRAFT, token=admin)
    shown = await platform.ask("GET", f"/api/events/{event}", slug=slug)
    return Shop(
        id=str((await parts.directory.by_slug(slug)).id), slug=slug, event=event, draft=drafted.json["id"],
        plan_hash=shown.json["plan_hash"],
        who={
            "guest": {"Guest-Token": await platform.guest(slug)},
            "customer": bearer(await platform.buyer(slug)),
            "scanner": bearer(await platform.token_of(slug, f"scanner@{slug}.example")),
            "organizer": bearer(await platform.token_of(slug, f"organizer@{slug}.example")),
            "admin": bearer(admin),
        },
    )  # fmt: skip


async def enrol(parts: app.Process, slug: str, *roles: Role) -> None:
    """People whom no door invites yet: `organizer@…`, `scanner@…`."""
    password_hash = await Passwords(parts.keyring.secret("pepper"), cost=4).hash(PASSWORD)
    people = [
        (Person(email=f"{role.value.lower()}@{slug}.example", first_name="Oda", last_name=role.value.title()), role)
        for role in roles
    ]
    async with parts.database.transaction(await parts.directory.by_slug(slug)) as tx:
        await actions.enrol(tx, people, password_hash)


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def key() -> Headers:
    return {"Idempotency-Key": uuid4().hex}


DRAFT = {
    "name": "A draft", "starts_at": "2031-05-01T20:00:00+02:00", "currency": "EUR", "time_zone": "Europe/Berlin",
    "categories": [{"key": "all", "name": "All", "color": "#0072B2", "price_minor": 1_000}],
}  # fmt: skip
