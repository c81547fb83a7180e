"""The doors of giving back: a buyer's preview and cancellation, an organizer's refund, an event's progress."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import structlog

from boxoffice.bookings import store
from boxoffice.bookings.actions import not_found
from boxoffice.bookings.api import PRIVATE, answer_once
from boxoffice.bookings.giving_back import actions, policy
from boxoffice.bookings.giving_back.actions import GivingBack
from boxoffice.bookings.saga import State
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.route import Answer, Call, path_id
from boxoffice.kernel.tenancy import Tenant

Made = tuple[int, UUID | str | None]
log = structlog.get_logger("giving_back")
SEAT_NUMBERS = "^[0-9]{1,9}(,[0-9]{1,9})*$"


class CancellationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the booking, or some of its seats."""

    seats: list[int] | None = None


class CancellationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`seats`: seat numbers with commas between; absent: all."""

    seats: Annotated[str, msgspec.Meta(max_length=2000, pattern=SEAT_NUMBERS)] | None = None


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take back all seats or these, and return what was paid for them, or `amount_minor` of it."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    seats: list[int] | None = None
    amount_minor: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What giving these seats back would return now."""

    refund_minor: int
    kept_minor: int
    currency: str
    seats: list[int]
    free_until: datetime


class GivingBackApi:
    """`fingerprint_secret` fingerprints idempotent requests."""

    def __init__(self, database: Database, giving_back: GivingBack, fingerprint_secret: bytes) -> None:
        self._database = database
        self._giving_back = giving_back
        self._fingerprint_secret = fingerprint_secret

    async def preview(self, call: Call) -> Answer:
        async with self._database.transaction(call.tenant) as tx:
            booking = (await store.load(tx, [path_id(call, "booking_id")])).get(path_id(call, "booking_id"))
        if booking is None or booking.owner != call.caller.key:
            raise not_found()
        chosen = _seats(call.query)
        if booking.saga.state is State.PENDING_PAYMENT:
            terms = policy.terms_before_payment(booking, chosen)
        else:
            terms = policy.buyers_terms(booking, chosen, tx.now)
        preview = Preview(
            refund_minor=terms.refund_minor, kept_minor=terms.kept_minor, currency=terms.currency, seats=terms.seats,
            free_until=terms.free_until,
        )  # fmt: skip
        return Answer(200, preview, headers=dict(PRIVATE))

    async def cancel(self, call: Call) -> Answer:
        booking_id = path_id(call, "booking_id")

        async def work(tx: Tx) -> Made:
            await self._giving_back.cancel(tx, call.caller.key, booking_id, call.body.seats)
            return 202, booking_id

        return await answer_once(self._database, call, self._fingerprint_secret, work)

    async def refund(self, call: Call) -> Answer:
        booking_id = path_id(call, "booking_id")
        body: RefundRequest = call.body

        async def work(tx: Tx) -> Made:
            await self._giving_back.refund(tx, booking_id, body.seats, body.amount_minor)
            return 202, booking_id

        answer = await answer_once(self._database, call, self._fingerprint_secret, work)
        log.info("organizer_refunded", booking=str(booking_id), organizer=call.caller.key, reason=body.reason)
        return answer

    async def progress(self, call: Call) -> Answer:
        """For events, whose organizers ask how far a cancellation has got."""
        return Answer(200, await self._progress(call.tenant, path_id(call, "event_id")))

    async def _progress(self, tenant: Tenant, event_id: UUID) -> actions.Progress:
        async with self._database.transaction(tenant) as tx:
            progress = await actions.progress(tx, event_id)
        if progress is None:
            raise NotFound("cancellation_not_found", "This event is not being cancelled.")
        return progress


def _seats(query: CancellationQuery) -> list[int] | None:
    return None if query.seats is None else [int(part) for part in query.seats.split(",")]
