"""Webhooks, the bank's page and the doors for other services, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from boxoffice.doors import http
from boxoffice.doors.identity import Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.messages import PaymentCompleted
from boxoffice.payments import service
from boxoffice.payments.actions import SETTLE
from boxoffice.payments.api import Account, AccountPage, Crooked, Methods, PaymentsView
from boxoffice.payments.charging import Charging
from boxoffice.payments.deliveries import Deliveries
from boxoffice.payments.domain import Status, charge_key
from boxoffice.payments.simulated import BEHAVIOURS, SIGNATURE_HEADER, Delays, Simulator
from tests.payments.conftest import AMOUNT, Desk
from tests.support.asgi import Response, request
from tests.support.listening import listening
from tests.support.servers import temporary_folder
from tests.support.traffic import run_due
from tests.support.waiting import eventually

DUE_NOW = "SELECT exists (SELECT FROM platform.timers WHERE tenant_id = $1 AND kind = $2 AND fire_at <= now())"
WEBHOOK = "/api/payments/webhooks/simulated"


@dataclass(frozen=True)
class Doors:
    """The service's application, and a desk at the same bank."""

    app: Any
    desk: Desk
    service: Service
    directory: Directory
    peers: Peers

    @property
    def host(self) -> str:
        return f"{self.desk.tenant.slug}.localhost"

    async def post(self, path: str, body: bytes, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await request(self.app, "POST", path, host=self.host, headers=named, body=body)
        assert answer is not None
        return answer

    async def get(self, path: str) -> Response:
        answer = await request(self.app, "GET", path, host=self.host)
        assert answer is not None
        return answer


@pytest.fixture
async def doors(database: Database, directory: Directory, tenant: Tenant) -> AsyncIterator[Doors]:
    with temporary_folder() as folder:
        keyring = Keyring(folder / "keys")
        built = service.build(
            database=database, bank=database, directory=directory, keyring=keyring, domain="localhost",
            public_url="http://{slug}.localhost:8000", internal_url="http://127.0.0.1:1",
        )  # fmt: skip
        apps: dict[str, Any] = {}
        peers = Peers("bookings", apps=apps, keyring=keyring, domain="localhost")
        verifier = Verifier(fetch_jwks=peers.jwks, keyring=keyring, directory=directory)
        apps["payments"] = http.application(built, directory=directory, verifier=verifier, domain="localhost")
        keyring.signing("service-bookings", share=True)
        simulator = Simulator(database, keyring.secret("webhook"), Delays(timedelta(0), timedelta(0)))
        charging = Charging({"simulated": lambda tenant: simulator}, timedelta(hours=1), "http://{slug}.localhost:8000")
        yield Doors(apps["payments"], Desk(database, tenant, simulator, charging), built, directory, peers)


def notice(key: str) -> bytes:
    return msgspec.json.encode({"id": str(uuid7()), "type": "payment.captured", "key": key, "extra": [1, 2]})


async def asked_at_once(doors: Doors) -> bool:
    """Whether a question to the provider is due now, as a webhook makes it."""
    async with doors.desk.database.platform() as tx:
        due: bool = await tx.db.fetchval(DUE_NOW, doors.desk.tenant.id, SETTLE)
    return due


@asynccontextmanager
async def delivering(doors: Doors, url: str) -> AsyncIterator[None]:
    """The bank's loop, delivering to `url`."""
    stop = asyncio.Event()
    running = asyncio.create_task(Deliveries(doors.desk.simulator, doors.directory, url, "localhost").run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def test_a_signed_webhook_has_the_payment_looked_up(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_slow")
    await doors.desk.simulator.capture_due()
    body = notice(charge_key(doors.desk.tenant.id, booking_id, 1))
    signature = doors.desk.simulator.signature(body, datetime.now(UTC))

    answers = [await doors.post(WEBHOOK, body, simulated_signature=signature) for _ in range(3)]
    await doors.desk.settle()

    assert [(answer.status, answer.json) for answer in answers] == [(200, {"received": True})] * 3
    assert (await doors.desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await doors.desk.told(PaymentCompleted)) == 1


async def test_a_webhook_that_lies_about_an_open_payment_changes_nothing(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_never")
    body = notice(charge_key(doors.desk.tenant.id, booking_id, 1))
    signature = doors.desk.simulator.signature(body, datetime.now(UTC))

    answer = await doors.post(WEBHOOK, body, simulated_signature=signature)
    await doors.desk.settle()

    assert answer.status == 200
    assert (await doors.desk.payment(booking_id)).status is Status.UNKNOWN


@pytest.mark.parametrize("case", ["none", "empty", "other secret", "old", "future", "cut", "other body", "not ascii"])
async def test_a_webhook_with_a_bad_signature_is_refused(doors: Doors, case: str) -> None:
    body, now = notice("x"), datetime.now(UTC)
    good = doors.desk.simulator.signature(body, now)
    forged = Simulator(doors.desk.database, b"another secret" * 3, Delays()).signature(body, now)
    signatures = {
        "empty": "", "other secret": forged, "cut": good[:-1], "not ascii": good[:-1] + "é",
        "old": doors.desk.simulator.signature(body, now - timedelta(seconds=301)),
        "future": doors.desk.simulator.signature(body, now + timedelta(seconds=301)),
        "other body": doors.desk.simulator.signature(body + b" ", now),
    }  # fmt: skip
    headers = {"simulated_signature": signatures[case]} if case in signatures else {}

    answer = await doors.post(WEBHOOK, body, **headers)

    assert (answer.status, answer.code) == (400, "bad_signature")


async def test_a_signed_body_that_is_no_notice_is_malformed(doors: Doors) -> None:
    signature = doors.desk.simulator.signature(b"[", datetime.now(UTC))

    answer = await doors.post(WEBHOOK, b"[", simulated_signature=signature)

    assert (answer.status, answer.code) == (400, "malformed_body")


@pytest.mark.parametrize("key", ["nonsense", f"{uuid7()}:{uuid7()}:1:charge"])
async def test_a_notice_about_something_unknown_is_accepted_and_ignored(doors: Doors, key: str) -> None:
    body = notice(key)

    answer = await doors.post(
        WEBHOOK, body, simulated_signature=doors.desk.simulator.signature(body, datetime.now(UTC))
    )

    assert answer.status == 200
    assert await run_due(doors.desk.database, doors.desk.tenant, SETTLE, doors.desk.charging.settle) == []


async def test_an_unknown_provider_is_not_found(doors: Doors) -> None:
    answer = await doors.post("/api/payments/webhooks/paypal", b"{}")

    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_duplicate_webhook_is_really_posted_twice_and_counts_once(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_duplicate_webhook")
    posted: list[str] = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"])[b"host"] == doors.host.encode():  # the bank has other merchants too
            posted.append(scope["path"])
        await doors.app(scope, receive, send)

    async with listening(counting) as url, delivering(doors, url):
        await eventually(lambda: len(posted) >= 2)
    await doors.desk.settle()

    assert posted == [WEBHOOK] * 2
    assert (await doors.desk.payment(booking_id)).status is Status.CAPTURED
    assert len(await doors.desk.told(PaymentCompleted)) == 1


async def test_a_webhook_that_nobody_takes_is_delivered_later(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_slow")
    assert not await asked_at_once(doors)
    async with aiohttp.ClientSession() as session:
        await Deliveries(doors.desk.simulator, doors.directory, "http://127.0.0.1:1", "localhost").once(session)

    async with listening(doors.app) as url, delivering(doors, url):
        await eventually(lambda: asked_at_once(doors))
    await doors.desk.settle()

    assert (await doors.desk.payment(booking_id)).status is Status.CAPTURED


async def test_the_bank_page_asks_the_buyer_and_sends_them_back(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_action")
    path = f"/api/payments/simulated/{(await doors.desk.payment(booking_id)).provider_ref}"

    page = await doors.get(path)
    decision = await doors.post(path, b"decision=approve")
    afterwards = await doors.get(path)
    await doors.desk.settle()

    assert page.status == 200
    assert b"45.00 EUR" in page.content
    assert b'value="approve"' in page.content
    assert decision.status == 303
    assert decision.headers["location"] == f"http://{doors.desk.tenant.slug}.localhost:8000/orders/{booking_id}"
    assert b'value="approve"' not in afterwards.content
    assert (await doors.desk.payment(booking_id)).status is Status.CAPTURED


async def test_a_decision_is_final(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_action")
    path = f"/api/payments/simulated/{(await doors.desk.payment(booking_id)).provider_ref}"

    await doors.post(path, b"decision=decline")
    await doors.post(path, b"decision=approve")
    await doors.desk.settle()

    assert (await doors.desk.payment(booking_id)).status is Status.DECLINED


async def test_a_bank_page_of_nothing_is_not_found(doors: Doors) -> None:
    answers = [await doors.get("/api/payments/simulated/sim_x"), await doors.post("/api/payments/simulated/sim_x", b"")]

    assert [answer.status for answer in answers] == [404, 404]


async def test_bookings_may_ask_which_methods_are_accepted(doors: Doors) -> None:
    answer = await doors.peers.call("payments", "GET", "/internal/payments/methods", tenant=doors.desk.tenant)

    assert answer.decode(Methods) == Methods(methods=list(BEHAVIOURS))


async def test_nobody_else_may_ask(doors: Doors) -> None:
    answer = await doors.get("/internal/payments/methods")

    assert answer.status == 401


async def test_a_booking_payments_are_told_beside_the_providers_own_words(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_sim_lost_reply")
    await doors.desk.ask_refund(booking_id, uuid7(), 1_000)
    await doors.desk.refund()

    path = f"/internal/payments?booking={booking_id}"
    view = (await doors.peers.call("payments", "GET", path, tenant=doors.desk.tenant)).decode(PaymentsView)

    assert [(payment.status, payment.provider_status) for payment in view.payments] == [("UNKNOWN", "CAPTURED")]
    assert [(refund.status, refund.amount_minor) for refund in view.refunds] == [("DONE", 1_000)]


async def test_the_ledger_stands_beside_the_providers_books(doors: Doors) -> None:
    paid, lost = await doors.desk.pay("pm_card_visa"), await doors.desk.pay("pm_sim_lost_reply")
    open_ = await doors.desk.pay("pm_sim_never")
    await doors.desk.ask_refund(paid, uuid7(), 1_000)
    await doors.desk.refund()
    path, items = "/internal/payments/ledger?limit=2", []

    while path:
        answer = await doors.peers.call("payments", "GET", path, tenant=doors.desk.tenant)
        page = answer.decode(AccountPage)
        items += page.items
        path = f"/internal/payments/ledger?limit=2&cursor={page.next_cursor}" if page.next_cursor else ""

    assert items == [
        Account(booking_id=booking_id, captured_minor=captured, refunded_minor=refunded,
                provider_captured_minor=provider_captured, provider_refunded_minor=provider_refunded)
        for booking_id, captured, refunded, provider_captured, provider_refunded in sorted([
            (paid, AMOUNT, 1_000, AMOUNT, 1_000), (lost, 0, 0, AMOUNT, 0), (open_, 0, 0, None, None),
        ])
    ]  # fmt: skip


async def test_a_balanced_ledger_has_no_crooked_transaction(doors: Doors) -> None:
    booking_id = await doors.desk.pay("pm_card_visa")
    answer = await doors.peers.call("payments", "GET", "/internal/payments/ledger/crooked", tenant=doors.desk.tenant)

    path = f"/internal/payments?booking={booking_id}"
    view = (await doors.peers.call("payments", "GET", path, tenant=doors.desk.tenant)).decode(PaymentsView)

    assert answer.decode(Crooked).transactions == []
    assert (view.captured_minor, view.refunded_minor, view.balanced) == (AMOUNT, 0, True)


def test_the_signature_header_is_in_the_lower_case_that_endpoints_see() -> None:
    assert SIGNATURE_HEADER.islower()
