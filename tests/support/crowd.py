"""A crowd of buyers before a platform that may fail: what each was told, so that it can be held to it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import cycle
from uuid import uuid4

import aiohttp

from boxoffice.embedded.servers import EmbeddedServers
from tests.support import invariants
from tests.support.platform import Platform, Reply
from tests.support.waiting import eventually

METHODS = (
    "pm_card_visa", "pm_card_chargeDeclined", "pm_card_insufficientFunds", "pm_sim_lost_reply",
    "pm_sim_captured_late", "pm_sim_duplicate_webhook",
)  # fmt: skip
ENDS = ("CONFIRMED", "EXPIRED", "FAILED", "CANCELLED")
AT_ONCE = 16


class Buyer:
    """One buyer of one seat, or of a seat and as many `beside` it.

    `booking` is set once a 202 has come back; `refusals` are all other answers.
    """

    def __init__(self, guest: str, email: str, seat: int, method: str, beside: int = 0) -> None:
        self.guest = guest
        self.email = email
        self.seat = seat
        self.seats = list(range(seat, seat + beside + 1))
        self.method = method
        self.key = uuid4().hex
        self.hold_token: str | None = None
        self.exclusive: bool | None = None
        self.booking: str | None = None
        self.refusals: list[Reply] = []


class Crowd:
    """Buyers of one tenant's event, all guests. A connection that breaks is an answer that nobody knows."""

    def __init__(self, platform: Platform, slug: str, event: str, buyers: Sequence[Buyer]) -> None:
        self._platform = platform
        self._slug = slug
        self._event = event
        self.buyers = buyers
        self.unanswered: list[str] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    @classmethod
    async def gather(
        cls, platform: Platform, slug: str, event: str, seats: Iterable[int], methods: Sequence[str] = METHODS,
        beside: int = 0,
    ) -> "Crowd":  # fmt: skip
        """A new guest for each seat, who takes as many `beside` it; the methods of payment go round."""
        wanted = [(seat, method) for seat, method in zip(seats, cycle(methods), strict=False)]
        guests = await asyncio.gather(*(platform.guest(slug) for _ in wanted))
        buyers = [
            Buyer(guest, f"{uuid4().hex[:12]}@crowd.example", seat, method, beside)
            for guest, (seat, method) in zip(guests, wanted, strict=True)
        ]  # fmt: skip
        return cls(platform, slug, event, buyers)

    async def hold(self) -> None:
        """Let everybody hold a seat, some at a time."""
        await asyncio.gather(*(self._told(buyer, self._hold) for buyer in self.buyers))

    async def buy(self) -> None:
        """Let everybody who was not told of a booking yet hold and book, some at a time."""
        waiting = [buyer for buyer in self.buyers if buyer.booking is None]
        await asyncio.gather(*(self._told(buyer, self._buy) for buyer in waiting))

    async def buy_until_all_are_told(self, within: float = 30) -> None:
        """Try again, as people do, until everybody has a booking."""

        async def all_told() -> bool:
            await self.buy()
            return len(self.acknowledged) == len(self.buyers)

        await eventually(all_told, within)

    async def _told(self, buyer: Buyer, act: Callable[[Buyer], Awaitable[Reply | None]]) -> None:
        async with self._gate:
            try:
                refusal = await act(buyer)
            except (aiohttp.ClientError, TimeoutError) as fault:  # nobody knows what became of it
                self.unanswered.append(repr(fault))
                return
            if refusal is not None:
                buyer.refusals.append(refusal)

    async def _hold(self, buyer: Buyer) -> Reply | None:
        held = await self._platform.hold(self._slug, self._event, buyer.seats, guest=buyer.guest)
        if held.status != 201:
            return held
        buyer.hold_token, buyer.exclusive = held.json["token"], held.json["exclusive"]
        return None

    async def _buy(self, buyer: Buyer) -> Reply | None:
        refusal = await self._hold(buyer) if buyer.hold_token is None else None
        if refusal is not None:
            return refusal
        booked = await self.book(buyer)
        if booked.status != 202:
            return booked
        buyer.booking = booked.json["id"]
        return None

    async def book(self, buyer: Buyer) -> Reply:
        """Book what is held; the same buyer always sends the same words and the same key."""
        body = {
            "hold_token": buyer.hold_token, "payment_method": buyer.method,
            "contact": {"email": buyer.email, "name": "Bea Buyer"},
        }  # fmt: skip
        return await self._platform.ask(
            "POST", "/api/bookings", slug=self._slug, json=body, key=buyer.key, guest=buyer.guest
        )

    async def give_back(self, seats: int | None = None) -> None:
        """Let everybody with a booking cancel it, or the first `seats` of it."""

        async def cancel(buyer: Buyer) -> Reply | None:
            answer = await self._platform.ask(
                "POST", f"/api/bookings/{buyer.booking}/cancellation", slug=self._slug, guest=buyer.guest,
                json={} if seats is None else {"seats": buyer.seats[:seats]},
            )  # fmt: skip
            return None if answer.status == 202 else answer

        await asyncio.gather(*(self._told(buyer, cancel) for buyer in self.acknowledged))

    @property
    def refusals(self) -> list[Reply]:
        return [refusal for buyer in self.buyers for refusal in buyer.refusals]

    @property
    def acknowledged(self) -> list[Buyer]:
        return [buyer for buyer in self.buyers if buyer.booking is not None]

    async def statuses(self) -> dict[str, str]:
        """What every booking that was acknowledged has come to, as its buyer sees it."""

        async def of(buyer: Buyer) -> tuple[str, str]:
            async with self._gate:
                shown = await self._platform.ask(
                    "GET", f"/api/bookings/{buyer.booking}", slug=self._slug, guest=buyer.guest
                )
            return str(buyer.booking), shown.json["status"] if shown.status == 200 else repr(shown)

        return dict(await asyncio.gather(*(of(buyer) for buyer in self.acknowledged)))


async def at_rest(platform: Platform, slug: str, *, within: float = 45) -> None:
    """Wait until nothing is left to happen by itself for a tenant; then whatever must be true is true."""
    url = database_url(platform)
    left: list[str] = []

    async def nothing_left() -> bool:
        left[:] = await invariants.unfinished(url, slug, platform.kafka)
        return not left

    try:
        await eventually(nothing_left, within=within)
    except AssertionError:
        raise AssertionError(f"after {within} s there is still to do: {left}") from None
    assert await invariants.violations(url, slug, platform.kafka) == []


def database_url(platform: Platform) -> str:
    """The superuser's address of a running platform's database."""
    servers = EmbeddedServers(platform.data)
    assert servers.attach()
    return servers.database_url
