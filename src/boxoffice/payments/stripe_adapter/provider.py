"""The provider port over one tenant's Stripe account: each question by itself, a bounded number at a time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Protocol, TypeVar

import aiohttp
import stripe
import structlog

from boxoffice.kernel.errors import Malformed
from boxoffice.payments.domain import RefundResult, Result
from boxoffice.payments.provider import Charge, Repayment
from boxoffice.payments.stripe_adapter import checkout, intents, refunding
from boxoffice.payments.stripe_adapter.account import Account, NoAccount
from boxoffice.payments.stripe_adapter.answers import KEY

AT_A_TIME = 20
ALL_ANSWERS_SECONDS = 9.0
ONE_ANSWER = aiohttp.ClientTimeout(total=6)
SIGNATURE_HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
TEST_METHODS = (
    "pm_card_visa", "pm_card_mastercard", "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedExpiredCard", "pm_card_chargeDeclinedProcessingError", "pm_card_authenticationRequired",
)  # fmt: skip
log = structlog.get_logger("stripe")
stripe.enable_telemetry = False

Answer = TypeVar("Answer")


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


Question = TypeVar("Question", bound=_Keyed)


@dataclass(frozen=True)
class StripeProvider:
    """One tenant's. `url` is Stripe's API, or whatever speaks it."""

    account: Account
    url: str
    name: str = "stripe"

    @property
    def methods(self) -> Sequence[str]:
        """Stripe's hosted page, and in test mode its test cards: real cards are entered at Stripe only."""
        return (checkout.METHOD,) if self.account.is_live else (checkout.METHOD, *TEST_METHODS)

    async def charge(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        return await self._each(charges, lambda client, one: _way(one).charge(client, one))

    async def cancel(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        return await self._each(charges, lambda client, one: _way(one).cancel(client, one))

    async def lookup(self, charges: Sequence[Charge]) -> Mapping[str, Result]:
        return await self._each(charges, lambda client, one: _way(one).lookup(client, one))

    async def refund(self, repayments: Sequence[Repayment]) -> Mapping[str, RefundResult]:
        return await self._each(repayments, refunding.refund)

    def read_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> Sequence[str]:
        """The charge that an event is about, if it is one of ours. The SDK checks the signature over the raw body."""
        signature = headers.get(SIGNATURE_HEADER, "")
        for secret in self.account.webhook_secrets if signature.isascii() else ():
            try:
                return _charge_keys(
                    stripe.Webhook.construct_event(raw, signature, secret, TOLERANCE_SECONDS, api_key="unused")
                )
            except (stripe.SignatureVerificationError, UnicodeDecodeError):
                continue
            except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
                raise Malformed("malformed_body", "The body is not an event of Stripe's.") from None
        raise Malformed("bad_signature", "The signature is missing, wrong or too old.")

    async def _each(
        self, questions: Sequence[Question], ask: Callable[[stripe.StripeClient, Question], Awaitable[Answer]]
    ) -> dict[str, Answer]:
        """The answers that came in time; a question whose answer was lost is asked again under the same keys."""
        answers: dict[str, Answer] = {}
        free = asyncio.Semaphore(AT_A_TIME)

        async def answer(client: stripe.StripeClient, question: Question) -> None:
            async with free:
                try:
                    answers[question.key] = await ask(client, question)
                except (stripe.StripeError, aiohttp.ClientError, OSError) as fault:  # it may have heard us
                    code, request = getattr(fault, "code", None), getattr(fault, "request_id", None)
                    log.warning(
                        "stripe_gave_no_answer", key=question.key, kind=type(fault).__name__, code=code, request=request
                    )

        if questions:
            try:
                async with self._client() as client, asyncio.timeout(ALL_ANSWERS_SECONDS), asyncio.TaskGroup() as tasks:
                    for question in questions:
                        tasks.create_task(answer(client, question))
            except TimeoutError:
                log.warning("stripe_is_slow", asked=len(questions), answered=len(answers))
        return answers

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[stripe.StripeClient]:
        if not self.account.key:
            raise NoAccount("this tenant has no key for Stripe")
        connector = aiohttp.TCPConnector(ssl=_trusted(), limit=AT_A_TIME)
        async with aiohttp.ClientSession(connector=connector) as session:
            http = stripe.AIOHTTPClient(timeout=ONE_ANSWER, session=session)
            yield stripe.StripeClient(
                self.account.key, base_addresses={"api": self.url}, http_client=http, max_network_retries=1
            )


class _Way(Protocol):
    """How a charge is made: `intents` and `checkout` are two."""

    async def charge(self, client: stripe.StripeClient, wanted: Charge) -> Result: ...

    async def cancel(self, client: stripe.StripeClient, wanted: Charge) -> Result: ...

    async def lookup(self, client: stripe.StripeClient, wanted: Charge) -> Result: ...


def _way(charge: Charge) -> _Way:
    return checkout if charge.method == checkout.METHOD else intents


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=stripe.ca_bundle_path)


def _charge_keys(event: stripe.Event) -> Sequence[str]:
    key = (event.to_dict()["data"]["object"].get("metadata") or {}).get(KEY)
    return [key] if isinstance(key, str) else []
