"""Buyers who keep coming while something befalls the platform; whoever gets no answer asks again, until told."""

import asyncio
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp

from tests.support import invariants
from tests.support.crowd import Buyer, Crowd, at_rest, database_url
from tests.support.platform import Platform
from tests.support.waiting import eventually, lasting

AT_ONCE = 3
THOUGHT_SECONDS = 0.5
PATIENCE_SECONDS = 90.0
METHODS = ("pm_card_visa", "pm_sim_lost_reply", "pm_card_visa", "pm_card_chargeDeclined", "pm_sim_duplicate_webhook")
ENDS = dict.fromkeys(METHODS, "CONFIRMED") | {"pm_card_chargeDeclined": "FAILED"}


class Rush:
    """`async with` lets them come; each wants a seat of his own. `unanswered`: why some had to ask again."""

    def __init__(self, platform: Platform, slug: str, event: str) -> None:
        self._platform = platform
        self._slug = slug
        self._event = event
        self._seats = count()
        self._over = False
        self.unanswered: list[str] = []
        self._buyers: list[Buyer] = []
        self._buying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._buying = asyncio.create_task(self._buy())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._buying is not None
        self._over = True
        if error is not None:
            self._buying.cancel()
        await asyncio.gather(self._buying, return_exceptions=True)

    @property
    def told(self) -> list[Buyer]:
        """Who knows of a booking."""
        return [buyer for buyer in self._buyers if buyer.booking is not None]

    async def more(self, bookings: int) -> None:
        """Wait until so many further ones were acknowledged."""
        wanted = len(self.told) + bookings
        assert self._buying is not None
        buying = self._buying
        await eventually(lambda: len(self.told) >= wanted or buying.done(), within=PATIENCE_SECONDS)
        if buying.done():
            await buying

    async def carries_on(self, bookings: int = 3) -> None:
        """Wait until people who come now have had their bookings and what these end in."""
        before = len(self.told)
        await self.more(bookings + AT_ONCE)
        late = self.told[before + AT_ONCE :]
        crowd = Crowd(self._platform, self._slug, self._event, late)

        async def ended() -> bool:
            with suppress(aiohttp.ClientError, TimeoutError):
                return set((await crowd.statuses()).values()) <= set(ENDS.values())
            return False

        await eventually(ended, within=PATIENCE_SECONDS)

    async def ends_well(self) -> None:
        """Let nobody else in; then every booking that was acknowledged ends as its payment says, and all is sound."""
        assert self._buying is not None
        self._over = True
        await self._buying
        told = [str(buyer.booking) for buyer in self.told]
        await at_rest(self._platform, self._slug, within=120)
        assert await invariants.unknown(database_url(self._platform), self._slug, told) == []
        statuses = await Crowd(self._platform, self._slug, self._event, self.told).statuses()
        assert statuses == {str(buyer.booking): ENDS[buyer.method] for buyer in self.told}
        assert len(set(told)) == len(self._buyers)

    async def _buy(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(AT_ONCE):
                lanes.create_task(self._one_after_the_other())

    async def _one_after_the_other(self) -> None:
        while not self._over:
            seat = next(self._seats)
            guest = await eventually(self._guest, within=PATIENCE_SECONDS)
            buyer = Buyer(str(guest), f"{uuid4().hex[:12]}@rush.example", seat, METHODS[seat % len(METHODS)])
            self._buyers.append(buyer)
            crowd = Crowd(self._platform, self._slug, self._event, [buyer])
            try:
                await eventually(partial(self._served, buyer, crowd), within=PATIENCE_SECONDS)
            except AssertionError:
                raise AssertionError(f"no booking of {seat}: {buyer.refusals[-3:]}, {crowd.unanswered[-3:]}") from None
            self.unanswered += crowd.unanswered
            await lasting(THOUGHT_SECONDS)

    async def _served(self, buyer: Buyer, crowd: Crowd) -> bool:
        """Ask once; a seat that a hold has taken whose answer was lost is left alone for the next."""
        await crowd.buy()
        if crowd.unanswered and buyer.hold_token is None and buyer.refusals and buyer.refusals[-1].status == 409:
            buyer.seat = next(self._seats)
            buyer.seats = [buyer.seat]
        return buyer.booking is not None

    async def _guest(self) -> str | None:
        try:
            reply = await self._platform.ask("POST", "/api/guests", slug=self._slug)
        except (aiohttp.ClientError, TimeoutError) as fault:
            self.unanswered.append(repr(fault))
            return None
        return str(reply.json["guest_token"]) if reply.status == 201 else None
