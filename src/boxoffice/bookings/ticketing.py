"""Tickets as their holders see them: rows signed on read with the tenant's own key, which is made at its first use."""

from uuid import UUID

import msgspec

from boxoffice.bookings import store
from boxoffice.bookings.saga import State
from boxoffice.bookings.store import Booking, TicketKey
from boxoffice.bookings.views import Tickets, TicketSeat, TicketView
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.tenancy import Tenant
from boxoffice.tickets.code import Ticket, sign
from boxoffice.tickets.keys import SigningKey, generate, jwks, unwrap, wrap
from boxoffice.tickets.qr import qr_svg


class Ticketing:
    """Signs tickets. `master_key` opens the tenants' keys; the opened ones stay in this process only."""

    def __init__(self, database: Database, master_key: bytes) -> None:
        self._database = database
        self._master_key = master_key
        self._keys: dict[UUID, list[SigningKey]] = {}

    async def tickets(self, tenant: Tenant, booking: Booking) -> Tickets:
        """The tickets of a booking. Raises Conflict `not_confirmed`."""
        if booking.saga.state is not State.CONFIRMED:
            raise Conflict("not_confirmed", "There are no tickets before the booking is confirmed.")
        keys = await self._signing_keys(tenant)
        async with self._database.transaction(tenant) as tx:
            rows = await store.tickets_of(tx, booking.id)
        lines = {line.seat_no: line for line in booking.lines}
        return Tickets(items=[_view(row, lines[row.seat_no], keys[0]) for row in rows])

    async def public_keys(self, tenant: Tenant) -> dict[str, list[dict[str, str]]]:
        """The JWKS by which anybody verifies the tenant's tickets."""
        return jwks(key.private.public_key() for key in await self._signing_keys(tenant))

    async def _signing_keys(self, tenant: Tenant) -> list[SigningKey]:
        known = self._keys.get(tenant.id)
        if known is None:
            async with self._database.transaction(tenant) as tx:
                known = [
                    unwrap(key.sealed_key, self._master_key, tenant.id) for key in await self._kept_or_made(tx, tenant)
                ]
            self._keys[tenant.id] = known
        return known

    async def _kept_or_made(self, tx: Tx, tenant: Tenant) -> list[TicketKey]:
        kept = await store.ticket_keys(tx)
        if not kept:
            made = generate()
            public = made.private.public_key().public_bytes_raw()
            sealed = wrap(made, self._master_key, tenant.id)
            await store.add_ticket_key(tx, TicketKey(kid=made.kid, public_key=public, sealed_key=sealed))
            kept = await store.ticket_keys(tx)
        return kept


def _view(row: store.Ticket, line: store.Line, key: SigningKey) -> TicketView:
    code = sign(key, Ticket(id=row.id, event_id=row.event_id, seat_no=row.seat_no, booking_id=row.booking_id))
    return TicketView(
        code=code, qr_svg=qr_svg(code),
        seat=msgspec.convert(line, TicketSeat, from_attributes=True),
        state="void" if row.voided else "used" if row.used else "valid",
    )  # fmt: skip
