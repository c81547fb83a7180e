"""Webhooks go by TLS, to hosts whose certificate an authority of one's own has signed."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import stripe

from boxoffice.embedded.certificates import certificates
from tests.support.listening import is_open, listening
from tests.support.platform import free_ports
from tests.support.stripe_simulator import Mailbox, start_simulator
from tests.support.waiting import eventually


async def test_a_webhook_reaches_a_host_whose_authority_the_simulator_was_told_to_trust(tmp_path: Path) -> None:
    ours, mailbox, port = certificates(tmp_path, "shops.localhost"), Mailbox(), free_ports(1)[0]
    simulator = start_simulator(port, tmp_path / "books.sqlite", ours.authority)
    try:
        await eventually(lambda: is_open(port), within=20)
        async with (
            listening(mailbox, ssl_certfile=str(ours.certificate), ssl_keyfile=str(ours.key)) as address,
            aiohttp.ClientSession() as session,
        ):
            client = stripe.StripeClient(
                "sk_test_acme",
                base_addresses={"api": f"http://127.0.0.1:{port}"},
                http_client=stripe.AIOHTTPClient(session=session),
            )
            url = f"https://acme.shops.localhost:{urlsplit(address).port}/"
            await client.v1.webhook_endpoints.create_async({"url": url, "enabled_events": ["*"]})
            await client.v1.payment_intents.create_async({"amount": 1_000, "currency": "eur"})

            await eventually(lambda: mailbox.got)
    finally:
        simulator.terminate()
        await asyncio.to_thread(simulator.wait, 20)
