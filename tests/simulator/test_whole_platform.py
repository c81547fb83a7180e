"""The platform and the simulator as two processes: people pay at it, webhooks come back, no card number is anywhere."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest
import stripe

from tests.support.crowd import database_url
from tests.support.platform import OPERATOR, PASSWORD, Platform, free_ports, running_platform
from tests.support.servers import temporary_folder
from tests.support.stripe_simulator import choose_stripe, start_simulator
from tests.support.waiting import eventually

CARD = "4111 1111 1111 1111"
TABLES = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


@dataclass
class Town:
    """A platform, one tenant that takes payments by Stripe, and the simulator that is Stripe to it."""

    platform: Platform
    slug: str
    event: str
    stripe: stripe.StripeClient
    browser: aiohttp.ClientSession

    async def book(self, guest: str, seat: int, method: str) -> str:
        """The id of a booking; waits until the provider's methods are known."""
        held = await self.platform.hold(self.slug, self.event, [seat], guest=guest)
        assert held.status == 201, held

        async def booked() -> Any:
            reply = await self.platform.book(self.slug, held.json["token"], method=method, guest=guest)
            return reply if reply.status == 202 else None

        id: str = (await eventually(booked)).json["id"]
        return id

    async def until_stripe_is_asked(self) -> None:
        """The choice of a provider travels by message; a method that only Stripe has tells that it has arrived."""
        guest = await self.platform.guest(self.slug)
        await self.action(await self.book(guest, 39, "checkout"), guest)

    async def action(self, booking: str, guest: str) -> str:
        """Where the buyer is sent to."""

        async def url() -> str:
            shown = await self.platform.ask("GET", f"/api/bookings/{booking}", slug=self.slug, guest=guest)
            next_action = shown.json["next_action"]
            return str(next_action["url"]) if next_action else ""

        return await eventually(url)


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    with temporary_folder() as folder:
        simulator = start_simulator(port, folder / "books.sqlite")
        try:
            async with (
                running_platform(stripe_url=url) as platform,
                aiohttp.ClientSession() as session,
                aiohttp.ClientSession() as browser,
            ):
                await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
                slug = await platform.tenant()
                client = stripe.StripeClient(
                    f"sk_test_{slug}", base_addresses={"api": url}, http_client=stripe.AIOHTTPClient(session=session)
                )
                await choose_stripe(platform, slug, client)
                town = Town(platform, slug, await platform.event(slug), client, browser)
                await town.until_stripe_is_asked()
                yield town
        finally:
            simulator.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(simulator.wait, 20)
    assert code == 0


async def test_a_buyer_pays_and_is_paid_back(town: Town) -> None:
    guest = await town.platform.guest(town.slug)

    booking = await town.book(guest, 0, "pm_card_visa")
    paid = await town.platform.until(town.slug, booking, "CONFIRMED", guest=guest)
    await town.platform.ask("POST", f"/api/bookings/{booking}/cancellation", slug=town.slug, guest=guest, json={})
    await town.platform.until(town.slug, booking, "CANCELLED", guest=guest)

    refunds = (await town.stripe.v1.refunds.list_async()).data
    assert paid["payment"]["status"] == "captured"
    assert [refund.amount for refund in refunds] == [paid["total_minor"]]


async def test_a_webhook_tells_of_an_approval_at_the_bank(town: Town) -> None:
    guest = await town.platform.guest(town.slug)
    booking = await town.book(guest, 1, "pm_card_authenticationRequired")
    url = await town.action(booking, guest)

    answer = await town.browser.post(url, data={"decision": "approve"}, allow_redirects=False)
    await town.platform.until(town.slug, booking, "CONFIRMED", guest=guest)

    assert answer.headers["location"].startswith(f"http://{town.slug}.localhost:{town.platform.port}/orders/{booking}")


async def test_a_buyer_pays_on_the_providers_own_page(town: Town) -> None:
    guest = await town.platform.guest(town.slug)
    booking = await town.book(guest, 2, "checkout")
    url = await town.action(booking, guest)

    await town.browser.post(url, data={"payment_method": "pm_card_chargeDeclined"}, allow_redirects=False)
    await town.browser.post(url, data={"payment_method": "pm_card_visa"}, allow_redirects=False)

    await town.platform.until(town.slug, booking, "CONFIRMED", guest=guest)


async def test_a_declined_card_frees_the_seat(town: Town) -> None:
    guest = await town.platform.guest(town.slug)
    booking = await town.book(guest, 3, "pm_card_chargeDeclined")

    await town.platform.until(town.slug, booking, "FAILED", guest=guest)

    assert (await town.platform.hold(town.slug, town.event, [3], guest=guest)).status == 201


async def test_a_page_that_is_abandoned_is_closed_when_the_booking_expires(town: Town) -> None:
    guest = await town.platform.guest(town.slug)
    booking = await town.book(guest, 4, "checkout")
    url = await town.action(booking, guest)
    await town.platform.ask("POST", f"/api/bookings/{booking}/cancellation", slug=town.slug, guest=guest, json={})

    await town.platform.until(town.slug, booking, "CANCELLED", "EXPIRED", guest=guest)

    session = await town.stripe.v1.checkout.sessions.retrieve_async(url.rsplit("/", 1)[1])
    assert session.status == "expired"


async def test_a_webhook_with_another_secret_is_refused(town: Town) -> None:
    body = b'{"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": {}}}'
    signed = stripe.WebhookSignature.generate_signature_header(body.decode(), "whsec_somebody")

    answer = await town.platform.ask(
        "POST", "/api/payments/webhooks/stripe", slug=town.slug, data=body, headers={"Stripe-Signature": signed}
    )

    assert (answer.status, answer.code) == (400, "bad_signature")


async def test_a_card_number_is_refused_and_is_in_no_log_row_or_message(town: Town) -> None:
    guest = await town.platform.guest(town.slug)
    held = await town.platform.hold(town.slug, town.event, [9], guest=guest)
    body = {
        "hold_token": held.json["token"], "payment_method": CARD, "contact": {"email": "a@b.example", "name": CARD},
    }  # fmt: skip

    refused = [
        await town.platform.ask("POST", "/api/bookings", slug=town.slug, json=body, guest=guest, key=f"c{number}")
        for number in range(3)
    ]
    named = await town.platform.ask(
        "POST", "/api/auth/register", slug=town.slug,
        json={"email": "a@b.example", "password": PASSWORD, "first_name": CARD, "last_name": "x"},
    )  # fmt: skip

    assert {(reply.status, reply.json["errors"][0]["code"]) for reply in [*refused, named]} == {(422, "card_number")}
    assert await traces(town.platform, CARD) == []
    assert await traces(town.platform, town.slug) != []


async def traces(platform: Platform, text: str) -> list[str]:
    """Where `text`, with or without its blanks, is written: logs, and rows of any table as text or as bytes."""
    wanted = {text, re.sub(r"\W", "", text)}
    logs = [platform.output, *(platform.data / "log").glob("*")]
    found = [log.name for log in logs if any(each in log.read_text(errors="replace") for each in wanted)]
    db = await asyncpg.connect(database_url(platform))
    try:
        for row in await db.fetch(TABLES):
            for each in wanted:
                query = f"SELECT count(*) FROM {row[0]} AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0"
                if await db.fetchval(query, each, each.encode().hex()):
                    found.append(row[0])
    finally:
        await db.close()
    return found
