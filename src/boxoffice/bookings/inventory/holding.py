"""The verbs of holding: take seats, best available or places in an area; replace, extend, release, look up."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from boxoffice.bookings.inventory import seats
from boxoffice.bookings.inventory.catalogue import Catalogue
from boxoffice.bookings.inventory.domain import Sale, extended_until, problem
from boxoffice.bookings.inventory.holds import HeldSeat, Hold, Holds, Known
from boxoffice.bookings.inventory.live import Live
from boxoffice.kernel.batch import Batcher
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.valkey import Lost
from boxoffice.seating.availability import HELD
from boxoffice.seating.choice import Shortage, alternatives, best_available, standing

CHOICES = 6  # how often a choice or a change is made anew when others were quicker
SPREAD_MAX = 24
Quantity = Annotated[int, msgspec.Meta(ge=1)]


class Area(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Places in a standing zone."""

    zone: str
    quantity: Quantity


class Best(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The best seats together that are left."""

    quantity: Quantity
    category: str | None = None
    accessible: bool = False


class Put(NamedTuple):
    """A hold to take (expected 0) or to replace at a revision, and the seats it drops."""

    hold: Hold
    expected: int
    dropped: Sequence[int]


ConsumerOf = Callable[[Tenant, str, UUID], Awaitable[UUID | None]]
"""Which of an owner's bookings, if any, consumed a hold."""


class SeatsTaken(Exception):
    """These seats are another's, held or claimed."""

    def __init__(self, seat_nos: Sequence[int]) -> None:
        super().__init__(f"{len(seat_nos)} seats are taken")
        self.seat_nos = sorted(seat_nos)


class Outdated(Exception):
    """The hold was changed or has ended since it was read."""


class Holding:
    """Soft holds for all tenants."""

    def __init__(
        self, database: Database, holds: Holds, catalogue: Catalogue, live: Live, consumer_of: ConsumerOf
    ) -> None:
        self._database = database
        self._holds = holds
        self._catalogue = catalogue
        self._live = live
        self._consumer_of = consumer_of
        self._put = Batcher(self._put_batch)

    async def take(self, tenant: Tenant, owner: str, event_id: UUID, wish: Sequence[int] | Best | list[Area]) -> Hold:
        """Hold seats, all or nothing. Raises Conflict `seat_unavailable` (with alternatives), `no_adjacent_seats`,
        `sold_out`, `not_on_sale`, or Invalid for a wish that no sale could grant."""
        sale = await self._catalogue.sale(tenant, event_id)
        now = datetime.now(UTC)
        sale.require_open(now)
        limit = seat_limit(tenant, sale)
        match wish:
            case Best():
                _require_quantity(wish.quantity, limit, "best_available.quantity")
                if wish.category is not None and wish.category not in sale.prices:
                    raise _invalid("invalid_body", "The event has no such category.", "best_available.category")
                return await self._choose(tenant, owner, sale, wish, now)
            case [Area(), *_]:
                _require_quantity(sum(area.quantity for area in wish if isinstance(area, Area)), limit, "areas")
                return await self._choose(tenant, owner, sale, [a for a in wish if isinstance(a, Area)], now)
        chosen = [seat_no for seat_no in wish if isinstance(seat_no, int)]
        sale.require_seats(chosen, limit)
        try:
            return await self._put(tenant, Put(_new_hold(tenant, owner, sale, chosen, now), 0, ()))
        except SeatsTaken as taken:
            raise await self.unavailable(tenant, sale, chosen, taken.seat_nos) from None

    async def _choose(self, tenant: Tenant, owner: str, sale: Sale, wish: Best | list[Area], now: datetime) -> Hold:
        """Choose for the buyer, and choose again when another was quicker."""
        for attempt in range(CHOICES):
            snapshot = await self._live.snapshot(tenant, sale)
            spread = spread_among(snapshot.states, attempt)
            chosen = choose(sale, snapshot.states, wish, secrets.randbits(16), spread)
            try:
                return await self._put(tenant, Put(_new_hold(tenant, owner, sale, chosen, now), 0, ()))
            except SeatsTaken:
                continue
        raise Unavailable("overloaded", "Seats are going very fast right now; try again in a moment.")

    async def replace(self, tenant: Tenant, owner: str, hold_id: UUID, chosen: list[int]) -> Hold:
        """The same hold with other seats, all or nothing; its clock is unchanged."""

        def with_others(hold: Hold, sale: Sale) -> Hold:
            sale.require_open(datetime.now(UTC))
            sale.require_seats(chosen, seat_limit(tenant, sale))
            kept = {seat.seat_no: seat for seat in hold.seats}
            others = tuple(kept.get(seat_no) or _held(sale, seat_no) for seat_no in sorted(chosen))
            return msgspec.structs.replace(hold, revision=hold.revision + 1, seats=others)

        return await self._change(tenant, owner, hold_id, with_others)

    async def extend(self, tenant: Tenant, owner: str, hold_id: UUID) -> Hold:
        """The same hold until its length from now, at most 30 min from its first seat."""

        def with_more_time(hold: Hold, _: Sale) -> Hold:
            until = extended_until(hold.first_at, tenant.settings.hold_seconds, datetime.now(UTC), hold.expires_at)
            return msgspec.structs.replace(hold, expires_at=until)

        return await self._change(tenant, owner, hold_id, with_more_time)

    async def _change(self, tenant: Tenant, owner: str, hold_id: UUID, change: Callable[[Hold, Sale], Hold]) -> Hold:
        """Changes of one hold at once happen one after the other, each to the hold as it is by then."""
        for _ in range(CHOICES):
            hold = await self.find(tenant, owner, hold_id)
            sale = await self._catalogue.sale(tenant, hold.event_id)
            changed = change(hold, sale)
            dropped = set(hold.seat_nos).difference(changed.seat_nos)
            try:
                return await self._put(tenant, Put(changed, hold.revision, sorted(dropped)))
            except Outdated:
                continue
            except SeatsTaken as taken:
                raise await self.unavailable(tenant, sale, changed.seat_nos, taken.seat_nos) from None
        raise Unavailable("overloaded", "This hold is being changed elsewhere; try again in a moment.")

    async def release(self, tenant: Tenant, hold: Hold) -> None:
        """Give the seats back now; without Valkey they come back by themselves."""
        try:
            await self._holds.end([(hold, "released")])
        except Lost:
            return

    async def find(self, tenant: Tenant, owner: str, hold_id: UUID) -> Hold:
        """An owner's live hold. Raises NotFound `hold_gone` or `hold_consumed` (with the booking's id)."""
        known = await self._known(tenant, hold_id)
        if known.hold is not None and known.hold.owner != owner:
            raise hold_gone()
        if known.status == "live" and known.hold is not None and known.hold.expires_at > datetime.now(UTC):
            return known.hold
        booking_id = await self._consumer_of(tenant, owner, hold_id)
        if booking_id is not None:
            raise NotFound("hold_consumed", "These seats are booked already.", booking_id=str(booking_id))
        raise hold_gone()

    async def _known(self, tenant: Tenant, hold_id: UUID) -> Known:
        try:
            return (await self._holds.known(tenant.id, [hold_id]))[0]
        except Lost:
            raise Unavailable("unavailable", "Holds cannot be looked up for the moment.") from None

    async def unavailable(self, tenant: Tenant, sale: Sale, wanted: Sequence[int], taken: Sequence[int]) -> Conflict:
        """The refusal that names the seats taken and what is free instead."""
        states = (await self._live.glance(tenant, sale)).states
        return Conflict(
            "seat_unavailable",
            "A seat was just taken." if len(taken) == 1 else "Some of these seats were just taken.",
            seats=list(taken),
            alternatives=alternatives(sale.plan, states, wanted, sale.prices),
        )

    async def _put_batch(self, tenant: Tenant, puts: Sequence[Put]) -> list[Hold | Exception]:
        """Refuse what PostgreSQL knows to be claimed, then ask Valkey for the rest in one round trip."""
        results: dict[int, Hold | Exception] = dict(await self._claimed(tenant, dict(enumerate(puts))))
        asked = [place for place in range(len(puts)) if place not in results]
        try:
            answers = await self._holds.put([puts[place] for place in asked]) if asked else []
        except Lost:
            for place in asked:
                results[place] = _without_valkey(puts[place])
            return [results[place] for place in range(len(puts))]
        for place, answer in zip(asked, answers, strict=True):
            put = puts[place]
            if not answer:
                results[place] = put.hold
            else:
                results[place] = Outdated() if answer == [-1] else SeatsTaken(answer)
        results |= await self._overtaken(
            tenant, {place: puts[place] for place in asked if results[place] is puts[place].hold}
        )
        return [results[place] for place in range(len(puts))]

    async def _claimed(self, tenant: Tenant, puts: Mapping[int, Put]) -> dict[int, SeatsTaken]:
        """Those of the puts that want seats which are claimed already."""
        wanted = {(put.hold.event_id, seat_no) for put in puts.values() for seat_no in put.hold.seat_nos}
        async with self._database.transaction(tenant) as tx:
            claimed = await seats.unavailable(tx, sorted(wanted))
        mine = {
            place: [seat_no for seat_no in put.hold.seat_nos if (put.hold.event_id, seat_no) in claimed]
            for place, put in puts.items()
        }
        return {place: SeatsTaken(taken) for place, taken in mine.items() if taken}

    async def _overtaken(self, tenant: Tenant, granted: Mapping[int, Put]) -> dict[int, SeatsTaken]:
        """Those of the new holds whose seats were claimed since the first look, by a hold that ended before our put.

        They end again, and all do when we cannot look: whoever is refused then would find his seat taken by himself. A
        change that is overtaken stands: the claim will refuse it, which only comes later.
        """
        new = {place: put for place, put in granted.items() if not put.expected}
        refused: Collection[int] = new
        try:
            refused = late = await self._claimed(tenant, new) if new else {}
            return late
        finally:
            if refused:
                with suppress(Lost):
                    await self._holds.end([(new[place].hold, "released") for place in refused])


def spread_among(states: bytes, attempt: int) -> int:
    """Of how many good choices one is drawn: the very best for a buyer alone, many for a crowd that would collide."""
    return SPREAD_MAX if attempt else min(SPREAD_MAX, 1 + states.count(HELD) // 2)


def choose(sale: Sale, states: bytes, wish: Best | list[Area], seed: int, spread: int) -> list[int]:
    """Seats for a wish that leaves the choice to us. Raises Conflict `sold_out` or `no_adjacent_seats`."""
    if isinstance(wish, Best):
        chosen = best_available(
            sale.plan, states, wish.quantity, category=wish.category, accessible=wish.accessible,
            seed=seed, spread=spread,
        )  # fmt: skip
        if isinstance(chosen, Shortage):
            raise _shortage(chosen)
        return chosen
    free = bytearray(states)
    everything: list[int] = []
    for position, area in enumerate(wish):
        zone = sale.plan.zone(area.zone)
        if zone is None or zone.kind != "standing":
            raise _invalid("unknown_seat", "No standing area has this key.", f"areas[{position}].zone")
        places = standing(sale.plan, free, zone, area.quantity, seed)
        if isinstance(places, Shortage):
            raise _shortage(places)
        for seat_no in places:
            free[seat_no] = 1
        everything.extend(places)
    return everything


def seat_limit(tenant: Tenant, sale: Sale) -> int:
    return min(sale.max_seats, tenant.settings.max_seats_per_booking)


def hold_gone() -> NotFound:
    return NotFound("hold_gone", "This hold has ended.")


def _require_quantity(quantity: int, limit: int, path: str) -> None:
    if quantity > limit:
        raise _invalid("too_many_seats", f"At most {limit} seats can be booked at once.", path)


def _invalid(code: str, detail: str, path: str) -> Invalid:
    return Invalid(code, detail, [problem(path, code, detail)])


def _shortage(shortage: Shortage) -> Conflict:
    if shortage is Shortage.SOLD_OUT:
        return Conflict("sold_out", "There are not enough free seats left.")
    return Conflict("no_adjacent_seats", "There are not enough free seats side by side.")


def _held(sale: Sale, seat_no: int) -> HeldSeat:
    return HeldSeat(seat_no, sale.prices[sale.plan.category_key(seat_no)])


def _new_hold(tenant: Tenant, owner: str, sale: Sale, chosen: Sequence[int], now: datetime) -> Hold:
    return Hold(
        id=uuid7(), revision=1, tenant_id=tenant.id, owner=owner, event_id=sale.event_id,
        seats=tuple(_held(sale, seat_no) for seat_no in sorted(chosen)), currency=sale.currency,
        first_at=now, expires_at=now + timedelta(seconds=tenant.settings.hold_seconds),
    )  # fmt: skip


def _without_valkey(put: Put) -> Hold | Exception:
    """A new hold goes on without exclusiveness, for the claim decides; a change of one needs Valkey."""
    if put.expected:
        return Unavailable("unavailable", "Holds cannot be changed for the moment.")
    return msgspec.structs.replace(put.hold, exclusive=False)
