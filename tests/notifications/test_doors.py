"""The mailbox of a platform without a mail server, the templates, and what was given up, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from boxoffice.doors import http
from boxoffice.doors.identity import Issuer, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.notifications import service
from boxoffice.notifications.actions import SEND
from boxoffice.notifications.mailbox import Emptying
from boxoffice.notifications.store import Kept
from tests.notifications.conftest import PostRoom
from tests.support.asgi import Response, request
from tests.support.mail_server import TinyMailServer
from tests.support.servers import temporary_folder
from tests.support.traffic import run_due
from tests.support.waiting import eventually

PLATFORM = "platform.localhost"
JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Doors:
    """The service's application, and tokens for it."""

    app: Any
    issuer: Issuer
    post: PostRoom
    send: Any

    @property
    def host(self) -> str:
        return f"{self.post.tenant.slug}.localhost"

    def token(self, role: str) -> dict[str, str]:
        access = self.issuer.access(
            tenant=self.post.tenant, user_id=uuid7(), role=role, sid=uuid7(), now=datetime.now(UTC)
        )
        return {"Authorization": f"Bearer {access}"}

    async def ask(self, method: str, path: str, host: str, headers: dict[str, str], query: str = "") -> Response:
        answer = await request(self.app, method, path, host=host, headers=headers, query=query)
        assert answer is not None
        return answer


@pytest.fixture
async def doors(database: Database, directory: Directory, kept_post: PostRoom) -> AsyncIterator[Doors]:
    with temporary_folder() as folder:
        yield build(database, directory, kept_post, Keyring(folder / "keys"), "")


def build(database: Database, directory: Directory, post: PostRoom, keyring: Keyring, smtp_url: str) -> Doors:
    issuer = Issuer(keyring)
    peers = Peers("notifications", apps={}, keyring=keyring, domain="localhost")
    built = service.build(
        database=database, directory=directory, peers=peers, public_url="http://{slug}.localhost:8000",
        smtp_url=smtp_url, keyring=keyring,
    )  # fmt: skip

    async def jwks(tenant: Tenant | None) -> dict[str, Any]:
        return issuer.jwks(tenant)

    verifier = Verifier(fetch_jwks=jwks, keyring=keyring, directory=directory)
    app = http.application(built, directory=directory, verifier=verifier, domain="localhost")
    return Doors(app, issuer, post, built.senders[SEND])


async def only(post: PostRoom, address: str) -> list[Kept]:
    """The address's mailbox, once a single mail is in it."""
    kept = await post.mailbox(address)
    return kept if len(kept) == 1 else []


async def test_the_mailbox_shows_what_would_have_been_sent(doors: Doors, address: str) -> None:
    message = await doors.post.confirm(address)
    await doors.post.send()

    answer = await doors.ask("GET", "/dev/mail", PLATFORM, JSON, query=f"to={address}")

    [mail] = answer.json["items"]
    assert answer.status == 200
    assert set(mail) == {"id", "to", "subject", "text", "html", "at"}
    assert mail["to"] == address
    assert mail["subject"] == "Your tickets for An evening with strings (K7QX2M)"
    assert f"http://{doors.post.tenant.slug}.localhost:8000/orders/{message.booking_id}" in mail["text"]


async def test_the_mailbox_is_a_page_for_people(doors: Doors, address: str) -> None:
    await doors.post.confirm(address, "<script>alert(1)</script>")
    await doors.post.send()
    listed = await doors.ask("GET", "/dev/mail", PLATFORM, JSON, query=f"to={address}")
    path = f"/dev/mail/{listed.json['items'][0]['id']}"

    page = await doors.ask("GET", "/dev/mail", PLATFORM, {"Accept": "text/html"}, query=f"to={address}")
    mail = await doors.ask("GET", path, PLATFORM, {"Accept": "text/html"})

    assert page.headers["content-type"].startswith("text/html")
    assert path.encode() in page.content
    assert b'srcdoc="&lt;!doctype html&gt;' in mail.content
    assert b"<script" not in mail.content
    assert "script-src" not in mail.headers["content-security-policy"]


async def test_the_newest_mail_comes_first(doors: Doors, address: str) -> None:
    for _ in range(3):
        await doors.post.confirm(address)
        await doors.post.send()

    answer = await doors.ask("GET", "/dev/mail", PLATFORM, JSON, query=f"to={address}&limit=2")

    times = [mail["at"] for mail in answer.json["items"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 2


async def test_the_mailbox_forgets_after_a_week(doors: Doors, address: str) -> None:
    for _ in range(2):
        await doors.post.confirm(address)
    await doors.post.send()
    old, new = await doors.post.mailbox(address)
    async with doors.post.database.platform() as tx:
        await tx.db.execute("UPDATE platform.dev_mail SET at = now() - interval '8 days' WHERE id = $1", old.id)
    stop = asyncio.Event()

    emptying = asyncio.create_task(Emptying(doors.post.database).run(stop))
    left = await eventually(lambda: only(doors.post, address))
    stop.set()
    await emptying

    assert [mail.id for mail in left] == [new.id]


async def test_a_mail_that_does_not_exist_is_not_found(doors: Doors) -> None:
    answers = [await doors.ask("GET", f"/dev/mail/{name}", PLATFORM, JSON) for name in (uuid7(), "x")]

    assert [answer.status for answer in answers] == [404, 404]


async def test_the_mailbox_is_not_on_a_tenants_host(doors: Doors) -> None:
    answer = await doors.ask("GET", "/dev/mail", doors.host, JSON)

    assert answer.status == 404


async def test_there_is_no_mailbox_where_a_mail_server_sends(
    database: Database, directory: Directory, kept_post: PostRoom, mail_server: TinyMailServer, address: str
) -> None:
    with temporary_folder() as folder:
        doors = build(database, directory, kept_post, Keyring(folder / "keys"), mail_server.url)
        await kept_post.confirm(address)

        await run_due(database, kept_post.tenant, SEND, doors.send)
        answer = await doors.ask("GET", "/dev/mail", PLATFORM, JSON)

    assert len(mail_server.to(address)) == 1
    assert (answer.status, answer.code) == (404, "not_found")


async def test_an_organizer_reads_the_templates(doors: Doors) -> None:
    answer = await doors.ask("GET", "/api/notifications/templates", doors.host, doors.token("ORGANIZER"))

    found = {template["name"]: template for template in answer.json["items"]}
    assert answer.status == 200
    assert {"booking_confirmed", "booking_cancelled", "payment_declined", "welcome"} <= set(found)
    assert "order_url" in found["booking_confirmed"]["values"]
    assert answer.json["next_cursor"] is None


@pytest.mark.parametrize(("role", "status"), [("CUSTOMER", 403), ("SCANNER", 403), ("ADMIN", 200)])
async def test_templates_are_for_organizers(doors: Doors, role: str, status: int) -> None:
    answer = await doors.ask("GET", "/api/notifications/templates", doors.host, doors.token(role))

    assert answer.status == status


async def test_an_organizer_sees_what_was_given_up_and_sends_it_again(doors: Doors, address: str) -> None:
    await doors.post.confirm(address)
    mails = "/api/notifications/dead"
    async with doors.post.database.transaction(doors.post.tenant) as tx:
        await tx.db.execute("UPDATE notifications SET status = 'DEAD', attempts = 40, last_error = '550 full'")

    listed = await doors.ask("GET", mails, doors.host, doors.token("ORGANIZER"))
    [dead] = listed.json["items"]
    organizer = doors.token("ORGANIZER")
    redrive = f"{mails}/{dead['id']}/redrive"
    redriven = await doors.ask("POST", redrive, doors.host, {**organizer, "Idempotency-Key": "once"})
    repeated = await doors.ask("POST", redrive, doors.host, {**organizer, "Idempotency-Key": "once"})
    again = await doors.ask("POST", redrive, doors.host, organizer)
    await doors.post.send()

    assert (dead["recipient"], dead["last_error"], dead["attempts"]) == (address, "550 full", 40)
    assert (redriven.status, repeated.status, again.status) == (202, 202, 404)
    assert repeated.headers["idempotency-replayed"] == "true"
    assert len(await doors.post.mailbox(address)) == 1
