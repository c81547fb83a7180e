"""The verbs of bookings: request (in batches), pay again, abort, and what the messages of others set in motion."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from asyncpg import UniqueViolationError

from boxoffice import messages
from boxoffice.bookings import store
from boxoffice.bookings.decide import (
    AttemptStatus,
    Captured,
    Decision,
    Happening,
    Requested,
    RetryRequested,
    Saga,
    TimerDue,
    decide,
)
from boxoffice.bookings.executor import Executor, public_status, recheck_sold_out
from boxoffice.bookings.inventory import sales, seats
from boxoffice.bookings.inventory.domain import claim_until, new_reference
from boxoffice.bookings.inventory.holding import SeatsTaken
from boxoffice.bookings.inventory.holds import Hold, Holds, Known, consumed, require_live
from boxoffice.bookings.saga import State
from boxoffice.bookings.store import Booking, Line, NewBooking, Step
from boxoffice.doors.peers import Peers
from boxoffice.kernel import idempotency
from boxoffice.kernel.batch import Batcher
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Conflict, NotFound, Refusal
from boxoffice.kernel.idempotency import Done, New, Replay, Wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Received
from boxoffice.kernel.tenancy import Cancellation, Tenant
from boxoffice.kernel.timers import Due, Timer, done
from boxoffice.kernel.valkey import Lost
from boxoffice.seating.parse import PlanInvalid, parse

INVENTORY = "bookings.inventory"
OfPayment = (
    messages.PaymentFailed | messages.PaymentActionRequired | messages.PaymentCancelled | messages.PaymentRefunded
    | messages.RefundFailed
)  # fmt: skip


class Request(NamedTuple):
    """A wish to book what a hold holds; `owner`, signature and method are checked already."""

    hold: Hold
    seats: list[messages.Seat]
    method: str | None
    email: str
    name: str
    wanted: Wanted
    trace: str | None = None  # the traceparent of the request, for what follows goes by it


class Shown(NamedTuple):
    """A booking with its history, and whether an Idempotency-Key brought it back."""

    booking: Booking
    history: list[tuple[datetime, Step]]
    replayed: bool = False


class Bookings:
    """The writes of bookings. `least_payment_seconds` is the least time a claim waits for its payment."""

    def __init__(
        self, database: Database, peers: Peers, holds: Holds, executor: Executor, least_payment_seconds: int
    ) -> None:
        self._database = database
        self._peers = peers
        self._holds = holds
        self._executor = executor
        self._least_payment_seconds = least_payment_seconds
        self.request: Batcher[Request, Shown] = Batcher(self._request_batch)
        self.show: Batcher[tuple[str, UUID], Shown] = Batcher(self.look)

    # ── booking ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _request_batch(self, tenant: Tenant, requests: Sequence[Request]) -> list[Shown | Exception]:
        """Book for many buyers of one tenant in one transaction; as if one after the other, in this order."""
        try:
            return await self._request_all(tenant, requests)
        except UniqueViolationError as violation:
            if len(requests) > 1 or violation.constraint_name != "bookings_owner_idempotency_key_key":
                raise
            return [idempotency.refusal(idempotency.Reused())]  # the same key, a day or more later

    async def _request_all(self, tenant: Tenant, requests: Sequence[Request]) -> list[Shown | Exception]:
        known = await self._known(tenant, requests)
        results: dict[int, Shown | Exception] = {}
        async with self._database.transaction(tenant) as tx:
            outcomes = await idempotency.claim(tx, [request.wanted for request in requests])
            fresh: list[tuple[int, Request]] = []
            replayed: dict[int, UUID] = {}
            for place, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
                match outcome:
                    case New():
                        fresh.append((place, request))
                    case Replay(resource=str(resource)):
                        replayed[place] = UUID(resource)
                    case idempotency.InFlight() | idempotency.Reused():
                        results[place] = idempotency.refusal(outcome)
            results |= await self._book(tx, fresh, known)
            shown = await load_shown(tx, list(replayed.values()))
            results |= {place: shown[id]._replace(replayed=True) for place, id in replayed.items()}
            made = [(requests[place].hold, done.booking) for place, done in results.items()
                    if isinstance(done, Shown) and not done.replayed]  # fmt: skip
            tx.after_commit(lambda: self._consume(made))
        return [results[place] for place in range(len(requests))]

    async def _book(
        self, tx: Tx, fresh: Sequence[tuple[int, Request]], known: dict[UUID, Known]
    ) -> dict[int, Shown | Exception]:
        """Claim the seats of those whose holds are good, and write the bookings of those who got them all."""
        results: dict[int, Shown | Exception] = {}
        if not fresh:
            return results
        taken_by = await store.of_holds(tx, [request.hold.id for _, request in fresh])
        on_sale = await sales.lock_shared(tx, sorted({request.hold.event_id for _, request in fresh}))
        wishes: dict[int, seats.Wish] = {}
        for place, request in fresh:
            try:
                require_live(request.hold, known.get(request.hold.id), tx.now)
                sale = on_sale.get(request.hold.event_id)
                if sale is None or sale.status != "ON_SALE":
                    raise Conflict("not_on_sale", "The event is not on sale any more.", sale="cancelled")
            except Refusal as refusal:
                results[place] = refusal
            else:
                if request.hold.id not in taken_by:
                    wishes[place] = self._wish(tx, request.hold)
        claims = await seats.claim(tx, list(wishes.values())) if wishes else seats.Claims({}, {})
        made: list[tuple[int, NewBooking, Decision]] = []
        for place, request in fresh:
            if (booking_id := taken_by.get(request.hold.id)) is not None:
                results[place] = consumed(str(booking_id))
            elif (wish := wishes.get(place)) is not None:
                if wish.booking_id in claims.won:
                    taken_by[request.hold.id] = wish.booking_id
                    tx.begin_trace(wish.booking_id, request.trace)
                    policy = tx.tenant.settings.cancellation
                    made.append((place, *_new_booking(request, wish, claims.won[wish.booking_id], policy)))
                else:
                    results[place] = SeatsTaken(claims.lost[wish.booking_id])
        if made:
            by_place = dict(fresh)
            shown = await self._begin(tx, [(new, decision) for _, new, decision in made], on_sale)
            await idempotency.record(tx, [Done(by_place[place].wanted, 202, str(new.id)) for place, new, _ in made])
            results |= {place: shown[new.id] for place, new, _ in made}
        return results

    def _wish(self, tx: Tx, hold: Hold) -> seats.Wish:
        until = claim_until(hold.expires_at, tx.tenant.settings.hold_seconds, self._least_payment_seconds, tx.now)
        return seats.Wish(uuid7(), hold.event_id, tuple(hold.seat_nos), until, hold.id)

    async def _begin(
        self, tx: Tx, made: Sequence[tuple[NewBooking, Decision]], on_sale: Mapping[UUID, sales.SaleRow]
    ) -> dict[UUID, Shown]:
        """Write bookings and do what the first steps of their sagas ask for."""
        await store.insert(tx, [new for new, _ in made])
        moved = [(_as_booking(new, on_sale[new.event_id].sale, tx.now), decision) for new, decision in made]
        await self._executor.perform(tx, moved)
        steps = [
            Step(booking_id=booking.id, version=1, from_state=State.NEW, trigger=decision.trigger,
                 to_state=public_status(decision.saga.state))
            for booking, decision in moved
        ]  # fmt: skip
        await store.log_steps(tx, steps)
        return {booking.id: Shown(booking, [(tx.now, step)]) for (booking, _), step in zip(moved, steps, strict=True)}

    async def _known(self, tenant: Tenant, requests: Sequence[Request]) -> dict[UUID, Known]:
        """What Valkey knows of the holds; nothing when it does not answer, and then the claim decides."""
        ids = list(dict.fromkeys(request.hold.id for request in requests))
        try:
            return dict(zip(ids, await self._holds.known(tenant.id, ids), strict=True)) if ids else {}
        except Lost:
            return {}

    async def _consume(self, made: Sequence[tuple[Hold, Booking]]) -> None:
        """The claims have consumed the holds: PostgreSQL's clock is the only one from here on."""
        if made:
            await self._holds.end([(hold, f"consumed:{booking.id}") for hold, booking in made])

    # ── showing ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def look(self, tenant: Tenant, asked: Sequence[tuple[str, UUID]]) -> list[Shown | Exception]:
        """Bookings by owner and id; another's is as unknown as none."""
        async with self._database.transaction(tenant) as tx:
            shown = await load_shown(tx, [booking_id for _, booking_id in asked])
        return [
            shown[booking_id] if booking_id in shown and shown[booking_id].booking.owner == owner else not_found()
            for owner, booking_id in asked
        ]

    async def page(self, tenant: Tenant, owner: str, before: UUID | None, limit: int) -> list[Shown]:
        """An owner's bookings, newest first, older than `before`."""
        async with self._database.transaction(tenant) as tx:
            ids = await store.page_of_owner(tx, owner, before, limit)
            shown = await load_shown(tx, ids)
        return [shown[booking_id] for booking_id in ids]

    async def consumer_of(self, tenant: Tenant, owner: str, hold_id: UUID) -> UUID | None:
        """The owner's booking that consumed a hold."""
        async with self._database.transaction(tenant) as tx:
            booking_id = (await store.of_holds(tx, [hold_id])).get(hold_id)
            booking = (await store.load(tx, [booking_id])).get(booking_id) if booking_id else None
        return booking.id if booking is not None and booking.owner == owner else None

    # ── the buyer's later wishes ───────────────────────────────────────────────────────────────────────────────────
    async def pay_again(self, tx: Tx, owner: str, booking_id: UUID, method: str) -> None:
        """A new attempt after a retryable decline. Raises Conflict `no_retry`."""
        booking = await own(tx, owner, booking_id)
        saga = booking.saga
        over = saga.state is not State.PENDING_PAYMENT or saga.open_attempts or tx.now >= booking.hold_until
        if over or saga.attempts[-1].status not in (AttemptStatus.DECLINED, AttemptStatus.CANCELLED):
            raise Conflict("no_retry", "There is no payment to repeat.")
        await self._executor.advance(tx, [(booking_id, RetryRequested(method))])

    # ── what payments say, and the clock ───────────────────────────────────────────────────────────────────────────
    async def captured(self, tx: Tx, batch: Sequence[Received[messages.PaymentCompleted]]) -> None:
        """Money was taken. The refund it may need is named by the capture, so that a repeat names the same one."""
        await self._executor.advance(
            tx,
            [
                (m.body.booking_id, Captured(m.body, uuid5(m.body.booking_id, f"capture {m.body.attempt}")))
                for m in batch
            ],
        )

    async def heard(self, tx: Tx, batch: Sequence[Received[OfPayment]]) -> None:
        await self._executor.advance(tx, [(m.body.booking_id, m.body) for m in batch])

    async def due(self, tx: Tx, timers: Sequence[Due]) -> None:
        happenings: list[tuple[UUID, Happening]] = [(timer.id, TimerDue()) for timer in timers]
        await self._executor.advance(tx, happenings)

    async def recheck(self, tx: Tx, timers: Sequence[Due]) -> None:
        await recheck_sold_out(tx, [timer.id for timer in timers])

    # ── what events say ────────────────────────────────────────────────────────────────────────────────────────────
    async def publishing(self, tx: Tx, batch: Sequence[Received[messages.EventPublishing]]) -> None:
        """Note the sale; its inventory is made outside this transaction, for the plan must be fetched."""
        for m in batch:
            await sales.prepare(tx, m.body.sale)
            tx.later(Timer(id=m.body.event_id, kind=INVENTORY, at=tx.now))

    async def make_inventory(self, database: Database, tenant: Tenant, timers: Sequence[Due]) -> None:
        """Fetch the plans of events being published, and make a row for every seat."""
        for timer in timers:
            async with database.transaction(tenant) as tx:
                row = await sales.load(tx, timer.id)
            if row is None:
                continue
            path = f"/internal/plans/{row.sale.plan_hash}"
            document = (await self._peers.call("events", "GET", path, tenant=tenant)).content
            async with database.transaction(tenant) as tx:
                await self._fill(tx, row.sale, document)
                await done(tx, timer)

    async def _fill(self, tx: Tx, sale: messages.Sale, document: bytes) -> None:
        try:
            plan = parse(document)
        except PlanInvalid as invalid:
            await sales.abandon(tx, sale.event_id)
            tx.publish(messages.InventoryRefused(event_id=sale.event_id, reason=invalid.detail))
            return
        await open_with_inventory(tx, sale, plan.document, plan.seats)
        tx.publish(messages.InventoryReady(event_id=sale.event_id, seats=plan.seats))

    async def changed(self, tx: Tx, batch: Sequence[Received[messages.EventChanged]]) -> None:
        for m in batch:
            await sales.change(tx, m.body.sale)

    async def methods_changed(self, tx: Tx, batch: Sequence[Received[messages.PaymentMethodsChanged]]) -> None:
        await sales.keep_payment_methods(tx, batch[-1].body.methods)


async def open_with_inventory(tx: Tx, sale: messages.Sale, document: bytes, count: int) -> None:
    """Keep the plan, make a row for every seat and let claims in; done again, it changes nothing."""
    await sales.prepare(tx, sale)
    await sales.keep_plan(tx, sale.plan_hash, document)
    await seats.fill(tx, sale.event_id, count)
    await sales.open_sale(tx, sale.event_id, count)


def not_found() -> NotFound:
    return NotFound("booking_not_found", "There is no such booking.")


async def own(tx: Tx, owner: str, booking_id: UUID) -> Booking:
    """A caller's booking, its saga locked. Another's is as unknown as none."""
    booking = (await store.load(tx, [booking_id], lock=True)).get(booking_id)
    if booking is None or booking.owner != owner:
        raise not_found()
    return booking


async def load_shown(tx: Tx, booking_ids: Sequence[UUID]) -> dict[UUID, Shown]:
    if not booking_ids:
        return {}
    bookings, logs = await store.load(tx, booking_ids), await store.history(tx, booking_ids)
    return {booking_id: Shown(booking, logs[booking_id]) for booking_id, booking in bookings.items()}


def _new_booking(
    request: Request, wish: seats.Wish, fences: dict[int, int], policy: Cancellation
) -> tuple[NewBooking, Decision]:
    total = request.hold.total_minor
    decision = decide(Saga(total_minor=total), Requested(request.method if total else None))
    new = NewBooking(
        id=wish.booking_id, reference=new_reference(), owner=request.hold.owner, hold_id=request.hold.id,
        idempotency_key=request.wanted.key, event_id=wish.event_id, status=public_status(decision.saga.state),
        contact_email=request.email, contact_name=request.name, total_minor=total,
        currency=request.hold.currency, hold_until=wish.hold_until, policy=policy, seats=request.seats, fences=fences,
        saga=decision.saga,
    )  # fmt: skip
    return new, decision


def _as_booking(new: NewBooking, sale: messages.Sale, now: datetime) -> Booking:
    return Booking(
        id=new.id, reference=new.reference, owner=new.owner, hold_id=new.hold_id, event_id=new.event_id,
        event_name=sale.name, venue=sale.venue, time_zone=sale.time_zone, starts_at=sale.starts_at,
        contact_email=new.contact_email, contact_name=new.contact_name, total_minor=new.total_minor,
        currency=new.currency, hold_until=new.hold_until, created_at=now, policy=new.policy, saga=new.saga, version=1,
        lines=[
            Line(seat_no=seat.seat_no, label=seat.label, category=seat.category, price_minor=seat.price_minor,
                 state="VALID", live=True)
            for seat in new.seats
        ],
    )  # fmt: skip
