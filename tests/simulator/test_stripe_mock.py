"""A second peer: what our adapter sends is accepted by stripe-mock, which knows every parameter that Stripe describes.

Its answers are fixtures that remember nothing, so this says only that no request is one that Stripe does not know.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.payments.provider import Charge, Repayment
from boxoffice.payments.stripe_adapter.account import Account
from boxoffice.payments.stripe_adapter.provider import StripeProvider
from tests.support.listening import is_open, listening
from tests.support.platform import free_ports
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove
KEY = "sk_test_123"
PINNED = Path(__file__).parent / "stripe_mock"


@dataclass
class Recorder:
    """Hands every request on to `peer`, and keeps what became of it."""

    peer: str
    seen: list[tuple[str, str, int]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name != b"host"}
        url = f"{self.peer}{scope['path']}?{scope['query_string'].decode()}".rstrip("?")
        async with (
            aiohttp.ClientSession() as session,
            session.request(scope["method"], url, data=body, headers=headers) as answer,
        ):
            told = await answer.json()
        if told.get("object") == "payment_intent":
            told["last_payment_error"] = None  # the fixture's had failed before; ours has yet to be tried
        content = json.dumps(told).encode()
        self.seen.append((scope["method"], scope["path"], answer.status))
        kept = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
async def peer() -> AsyncIterator[str]:
    """The address of a running stripe-mock, built from the sources that go.sum names."""
    port, https_port = free_ports(2)
    with temporary_folder() as folder:
        program = folder / "stripe-mock"
        build = await asyncio.create_subprocess_exec(
            "go", "build", "-o", str(program), "github.com/stripe/stripe-mock", cwd=PINNED
        )
        assert await build.wait() == 0
        process = await asyncio.create_subprocess_exec(
            str(program), "-http-port", str(port), "-https-port", str(https_port), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await eventually(lambda: is_open(port), within=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def recorded(peer: str) -> AsyncIterator[tuple[StripeProvider, Recorder]]:
    recorder = Recorder(peer)
    async with listening(recorder) as url:
        yield StripeProvider(Account(KEY, ()), url), recorder


def charge(method: str, reference: str | None = None) -> Charge:
    tenant = uuid7()
    return Charge(
        key=f"{tenant}:{uuid7()}:1:charge", tenant_id=tenant, amount_minor=4_500, currency="EUR", method=method,
        description="K7QX2M", return_url="http://acme.localhost:8000/orders/1", reference=reference,
    )  # fmt: skip


def repayment(reference: str) -> Repayment:
    tenant = uuid7()
    return Repayment(
        key=f"{tenant}:{uuid7()}", charge_key=f"{tenant}:{uuid7()}:1:charge", charge_reference=reference,
        amount_minor=100, currency="EUR",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "reference", "asked"),
    [
        ("pm_card_visa", "pi_123", {"payment_intents", "payment_intents/search", "confirm", "cancel"}),
        ("checkout", "cs_123", {"checkout/sessions", "expire"}),
    ],
)
async def test_no_request_of_ours_is_one_that_stripe_does_not_know(
    peer: str, method: str, reference: str, asked: set[str]
) -> None:
    async with recorded(peer) as (provider, recorder):
        for known in (None, reference):
            await provider.charge([charge(method, known)])
            await provider.lookup([charge(method, known)])
            await provider.cancel([charge(method, known)])
        await provider.refund([repayment(reference)])

    assert {(verb, path) for verb, path, status in recorder.seen if status != 200} == set()
    assert asked <= {part for _, path, _ in recorder.seen for part in (path.removeprefix("/v1/"), path.split("/")[-1])}


async def test_a_parameter_that_stripe_does_not_know_would_be_noticed(peer: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}

    async with aiohttp.ClientSession(headers=headers) as session:
        form = {"amount": "4500", "currency": "eur", "seat": "7"}
        async with session.post(f"{peer}/v1/payment_intents", data=form) as answer:
            status = answer.status

    assert status == 400
