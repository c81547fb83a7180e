"""People before a platform that may fail: they hold, book, pay, give up, give back, ask again, and note what they saw.

Every purchase has one Idempotency-Key, and a buyer who got no answer asks again with it. What is still open when the
buyers go home is asked for once more when all is well: then the answer is final.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp

from tests.support.history import Recorder
from tests.support.platform import Platform, Reply
from tests.support.waiting import lasting

PATIENCE_SECONDS = 6.0
ASKED_MOST = 5
ROWS, SEATS_A_ROW = 6, 14
BANK_METHODS = (
    *("pm_card_visa",) * 6, "pm_card_chargeDeclined", "pm_card_insufficientFunds", "pm_sim_slow", "pm_sim_lost_reply",
    "pm_sim_captured_late", "pm_sim_duplicate_webhook", "pm_sim_never", "pm_sim_refund_fails_twice", "pm_sim_action",
)  # fmt: skip
STRIPE_METHODS = (
    *("pm_card_visa",) * 5, "pm_card_mastercard", "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedProcessingError", "pm_card_authenticationRequired", "checkout",
)  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ENDED = ("CONFIRMED", "FAILED", "EXPIRED", "CANCELLED")


@dataclass
class Shop:
    """A tenant's sale as buyers know it."""

    slug: str
    methods: Sequence[str]
    events: list[str] = field(default_factory=list)


@dataclass
class Purchase:
    """One wish to book; `op` is its claim in the history, `booking` is set once somebody was told."""

    shop: Shop
    event: str
    seats: Sequence[int]
    guest: str
    key: str
    body: Mapping[str, Any]
    op: int
    booking: str | None = None
    refused: bool = False


class Buyers:
    """A crowd that buys until it is told to go; `purchases` are all that were tried, `said` counts their answers."""

    def __init__(self, platform: Platform, recorder: Recorder, random: Random) -> None:
        self.purchases: list[Purchase] = []
        self.said: Counter[str] = Counter()
        self.astray: list[str] = []
        self._platform = platform
        self._recorder = recorder
        self._random = random

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def ask(self, method: str, path: str, shop: Shop, **more: Any) -> Reply | None:
        """An answer that says what became of it, or None when nobody knows."""
        reply = None
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                reply = await self._platform.ask(method, path, slug=shop.slug, **more)
        what = f"{method} {path.split('/')[2]}{'…' if path.count('/') > 2 else ''}"
        self.said[f"{what} {reply.status if reply else 'no answer'}"] += 1
        if reply is not None and reply.status == 500:
            self.astray.append(f"{method} {path}: {reply!r}")
        return None if reply is None or reply.status >= 500 else reply

    async def pause(self, most: float) -> None:
        await lasting(most * self._random.random())

    # ── buying ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def buy(self, shop: Shop, gone: asyncio.Event) -> None:
        """One buyer after the other, each with a purchase."""
        guest = None
        while not gone.is_set():
            guest = guest or await self._guest(shop)
            if guest is not None and shop.events:
                await self._one(shop, guest)
            await self.pause(0.8)

    async def watch(self, shop: Shop, gone: asyncio.Event) -> None:
        """Look at the plans on sale."""
        while not gone.is_set():
            for event in list(shop.events):
                op = self._recorder.invoke("availability", event)
                reply = await self.ask("GET", f"/api/events/{event}/availability", shop)
                if reply is None or reply.status != 200:
                    self._recorder.info(op)
                else:
                    taken = dict.fromkeys(reply.json["held"], "1") | dict.fromkeys(reply.json["sold"], "2")
                    self._recorder.ok(op, seats="".join(taken.get(n, "0") for n in range(reply.json["seats"])))
            await self.pause(0.8)

    async def _guest(self, shop: Shop) -> str | None:
        reply = await self.ask("POST", "/api/guests", shop)
        return reply.json["guest_token"] if reply is not None and reply.status == 201 else None

    async def _one(self, shop: Shop, guest: str) -> None:
        event = self._random.choice(shop.events)
        first, many = self._random.randrange(ROWS * SEATS_A_ROW), self._random.randint(1, 5)
        seats = [seat % (ROWS * SEATS_A_ROW) for seat in range(first, first + many)]
        held = await self.ask("POST", f"/api/events/{event}/holds", shop, guest=guest, json={"seats": seats})
        if held is None or held.status != 201:
            return
        if self._random.random() < 0.1:
            await self.ask("DELETE", f"/api/holds/{held.json['id']}", shop, guest=guest)
            return
        await self.pause(0.3)
        key = UUID(int=self._random.getrandbits(128)).hex
        body = {
            "hold_token": held.json["token"], "payment_method": self._random.choice(shop.methods),
            "contact": {"email": f"{key[:12]}@buyers.example", "name": "Bea Buyer"},
        }  # fmt: skip
        op = self._recorder.invoke("claim", event, seats=seats, key=key)
        purchase = Purchase(shop, event, seats, guest, key, body, op)
        self.purchases.append(purchase)
        await self.book(purchase)
        if purchase.booking is not None:
            await self._live_with(purchase)

    async def book(self, purchase: Purchase, *, at_last: bool = False) -> None:
        """Ask until somebody knows. `at_last`: all is well and nothing is on its way, so that a refusal is final."""
        doubtful = False
        for _ in range(ASKED_MOST):
            twice = 2 if self._random.random() < 0.2 and not at_last else 1
            replies = await asyncio.gather(*(self._book(purchase) for _ in range(twice)))
            told = {reply.json["id"] for reply in replies if reply is not None and reply.status == 202}
            if told:
                self._granted(purchase, told)
                return
            if all(reply is not None and _is_refusal(reply) for reply in replies) and (at_last or not doubtful):
                self._recorder.fail(purchase.op)
                purchase.refused = True
                return
            doubtful = True
            self._recorder.info(purchase.op)
            await self.pause(0.8)

    async def _book(self, purchase: Purchase) -> Reply | None:
        return await self.ask(
            "POST", "/api/bookings", purchase.shop, json=purchase.body, key=purchase.key, guest=purchase.guest
        )

    def _granted(self, purchase: Purchase, told: set[str]) -> None:
        if len(told | ({purchase.booking} if purchase.booking else set())) > 1:
            self.astray.append(f"one key, several bookings: {told} {purchase.booking}")
        if purchase.booking is None:
            purchase.booking = told.pop()
            self._recorder.ok(purchase.op, booking=purchase.booking)

    # ── after the booking ──────────────────────────────────────────────────────────────────────────────────────
    async def _live_with(self, purchase: Purchase) -> None:
        """What people do with a booking: give it up at once, follow it, pay again, give back all or a seat of it."""
        if self._random.random() < 0.1:
            await self._give_back(purchase, None)
        for _ in range(self._random.randint(1, 12)):
            shown = await self.look(purchase)
            if shown is not None:
                if shown["status"] in ENDED:
                    break
                await self._act(purchase, shown)
            await self.pause(0.8)
        if shown is None or shown["status"] != "CONFIRMED" or self._random.random() < 0.4:
            return
        some = len(purchase.seats) > 1 and self._random.random() < 0.4
        await self._give_back(purchase, [self._random.choice(purchase.seats)] if some else None)
        await self.pause(1.5)
        await self.look(purchase)

    async def _act(self, purchase: Purchase, shown: Mapping[str, Any]) -> None:
        wanted = shown["next_action"]
        path = f"/api/bookings/{purchase.booking}"
        if self._random.random() < 0.05:
            await self._give_back(purchase, None)
        elif wanted is not None and wanted["type"] == "retry_payment" and self._random.random() < 0.7:
            await self.ask(
                "POST", f"{path}/payments", purchase.shop, json={"payment_method": "pm_card_visa"},
                guest=purchase.guest, key=UUID(int=self._random.getrandbits(128)).hex,
            )  # fmt: skip
        elif wanted is not None and wanted["type"] == "redirect" and self._random.random() < 0.8:
            await self._decide(purchase.shop, wanted["url"])

    async def _decide(self, shop: Shop, url: str) -> None:
        """Approve or decline on the provider's page, or leave it; the simulated bank's page is one of ours."""
        choice = {"decision": self._random.choice(["approve", "approve", "decline"]), "payment_method": "pm_card_visa"}
        origin = self._platform.origin(shop.slug)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as browser:
                if url.startswith(origin):
                    await self._platform.ask(
                        "POST", url.removeprefix(origin), slug=shop.slug, data=urlencode(choice).encode(), headers=FORM
                    )
                else:
                    async with browser.post(url, data=choice, allow_redirects=False):
                        pass

    async def _give_back(self, purchase: Purchase, seats: list[int] | None) -> None:
        key, body = UUID(int=self._random.getrandbits(128)).hex, {} if seats is None else {"seats": seats}
        twice = 2 if self._random.random() < 0.3 else 1
        path = f"/api/bookings/{purchase.booking}/cancellation"
        await asyncio.gather(
            *(self.ask("POST", path, purchase.shop, json=body, guest=purchase.guest, key=key) for _ in range(twice))
        )

    async def look(self, purchase: Purchase) -> Mapping[str, Any] | None:
        """The booking as it is; noted in the history."""
        op = self._recorder.invoke("look", purchase.event, booking=purchase.booking)
        shown = await self.ask("GET", f"/api/bookings/{purchase.booking}", purchase.shop, guest=purchase.guest)
        if shown is not None and shown.status == 200:
            lines = {str(line["seat_no"]): line["state"] for line in shown.json["seats"]}
            self._recorder.ok(op, steps=[step["to"] for step in shown.json["history"]], lines=lines)
            found: Mapping[str, Any] = shown.json
            return found
        if shown is not None and shown.code == "booking_not_found":
            self._recorder.fail(op)
        else:
            self._recorder.info(op)
        return None


def _is_refusal(reply: Reply) -> bool:
    return 400 <= reply.status < 500 and reply.status != 429 and reply.code != "in_flight"
