"""Every batch has the outcome of its calls served one after the other: random batches over few seats, run both ways."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boxoffice.bookings.actions import Request, Shown, open_with_inventory
from boxoffice.bookings.inventory.holding import Put, SeatsTaken
from boxoffice.bookings.inventory.holds import HeldSeat, Hold, Holds
from boxoffice.bookings.views import seats_of
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.idempotency import Wanted
from boxoffice.kernel.ids import uuid7
from boxoffice.seating.parse import parse
from tests.bookings.conftest import HALL, Office, sale_of

SEATS = range(4)
OWNERS = range(3)
PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ROWS = """
    SELECT s.seat_no, s.status, s.fence, s.hold_until IS NOT NULL AS waits, b.hold_id, b.status AS booking,
           b.total_minor, g.version, g.payload, l.fence AS line_fence, l.live,
           (SELECT count(*) FROM saga_log WHERE booking_id = b.id) AS steps,
           (SELECT count(*) FROM platform.timers t WHERE t.id = b.id) AS timers,
           (SELECT count(*) FROM tickets t WHERE t.booking_id = b.id) AS tickets
      FROM seat_inventory s
      LEFT JOIN booking_seats l ON (l.event_id, l.seat_no, l.booking_id) = (s.event_id, s.seat_no, s.booking_id)
      LEFT JOIN bookings b ON b.id = s.booking_id
      LEFT JOIN saga_state g ON g.id = b.id
     WHERE s.event_id = $1 AND s.seat_no = ANY($2::int4[]) ORDER BY s.seat_no
"""


class DrawnHold(msgspec.Struct, frozen=True):
    """A hold as its token says it, and what Valkey knows by now. `twin` has the id of an earlier one."""

    owner: int
    seats: frozenset[int]
    fate: str
    twin: int | None = None


class DrawnRequest(msgspec.Struct, frozen=True):
    hold: int
    key: int


holds = st.builds(
    DrawnHold,
    owner=st.sampled_from(OWNERS),
    seats=st.frozensets(st.sampled_from(SEATS), min_size=1, max_size=3),
    fate=st.sampled_from(["live", "live", "live", "expired", "released", "changed", "inexclusive"]),
    twin=st.none() | st.integers(0, 1),
)
requests = st.builds(DrawnRequest, hold=st.integers(0, 3), key=st.integers(0, 3))


@dataclass
class Side:
    """One event and the holds on it: the batch runs on one side, the same calls one by one on the other."""

    office: Office
    valkey: Holds
    event_id: UUID
    owners: list[str] = field(default_factory=lambda: [f"guest:{uuid7()}" for _ in OWNERS])
    holds: list[Hold] = field(default_factory=list)

    @classmethod
    async def open(cls, office: Office, valkey: Holds, blocked: frozenset[int], gold: int) -> "Side":
        plan, event_id = parse(HALL), uuid7()
        async with office.database.transaction(office.tenant) as tx:
            await open_with_inventory(tx, sale_of(event_id, plan.hash, gold), plan.document, plan.seats)
            await tx.db.execute(
                "UPDATE seat_inventory SET status = 'BLOCKED' WHERE event_id = $1 AND seat_no = ANY($2::int4[])",
                event_id, list(blocked),
            )  # fmt: skip
        return cls(office, valkey, event_id)

    async def add(self, drawn: DrawnHold, price: int) -> None:
        now = datetime.now(UTC)
        first = self.holds[drawn.twin] if drawn.twin is not None and drawn.twin < len(self.holds) else None
        hold = Hold(
            id=first.id if first else uuid7(), revision=1, tenant_id=self.office.tenant.id,
            owner=first.owner if first else self.owners[drawn.owner], event_id=self.event_id,
            seats=tuple(HeldSeat(n, price) for n in sorted(drawn.seats)), currency="EUR", first_at=now,
            expires_at=now + timedelta(seconds=-1 if drawn.fate == "expired" else 600),
            exclusive=drawn.fate != "inexclusive",
        )  # fmt: skip
        self.holds.append(hold)
        if drawn.fate == "released":
            await self.valkey.end([(hold, "released")])
        if drawn.fate == "changed":
            await self.valkey.put([(msgspec.structs.replace(hold, revision=2), 0, ())])

    async def request(self, drawn: DrawnRequest) -> Request:
        hold = self.holds[drawn.hold % len(self.holds)]
        sale = await self.office.catalogue.sale(self.office.tenant, self.event_id)
        wanted = Wanted(f"{hold.owner} POST /api/bookings", f"k{drawn.key}", repr(hold).encode())
        method = "pm_card_visa" if hold.total_minor else None
        return Request(hold, seats_of(hold, sale), method, "ada@example.org", "Ada", wanted)

    async def ask(self, drawn: Sequence[DrawnRequest]) -> list[Any]:
        """One batch; its outcomes in words that mean the same on both sides."""
        requests = [await self.request(each) for each in drawn]
        outcomes = await self.office.bookings._request_batch(self.office.tenant, requests)
        return [await self.told(outcome) for outcome in outcomes]

    async def told(self, outcome: Any) -> Any:
        match outcome:
            case Shown(booking, _, replayed):
                lines = [(line.seat_no, line.price_minor) for line in booking.lines]
                return "booked", replayed, self.place(booking.hold_id), booking.saga.state, lines
            case SeatsTaken():
                return "taken", outcome.seat_nos
            case Refusal(code="hold_consumed"):
                booking = await self.office.booking(UUID(outcome.members["booking_id"]))
                return "hold_consumed", self.place(booking.hold_id)
            case Refusal():
                return (outcome.code,)
        return repr(outcome)

    def place(self, hold_id: UUID | None) -> int | None:
        return next((place for place, hold in enumerate(self.holds) if hold.id == hold_id), None)

    async def rows(self) -> list[Any]:
        async with self.office.database.transaction(self.office.tenant) as tx:
            rows = await tx.db.fetch(ROWS, self.event_id, list(SEATS))
        return [{**row, "hold_id": self.place(row["hold_id"])} for row in rows]


@pytest.mark.parametrize("price", [4_500, 0], ids=["paid", "free"])
@PROPERTY
@given(
    drawn=st.lists(holds, min_size=1, max_size=4), before=st.lists(requests, max_size=2),
    batch=st.lists(requests, min_size=1, max_size=7), blocked=st.frozensets(st.sampled_from(SEATS), max_size=1),
)  # fmt: skip
async def test_a_batch_of_bookings_equals_its_requests_one_after_the_other(
    office: Office, valkey: Any, price: int, drawn: list[DrawnHold], before: list[DrawnRequest],
    batch: list[DrawnRequest], blocked: frozenset[int],
) -> None:  # fmt: skip
    together, apart = [await Side.open(office, Holds(valkey), blocked, price) for _ in range(2)]
    for side in (together, apart):
        for hold in drawn:
            await side.add(hold, price)
        for request in before:
            await side.ask([request])

    outcomes = await together.ask(batch)
    served = [(request, told) for request, told in zip(batch, outcomes, strict=True) if told != ("in_flight",)]
    one_by_one = [(await apart.ask([request]))[0] for request, _ in served]

    assert [told for _, told in served] == one_by_one
    assert await together.rows() == await apart.rows()


@PROPERTY
@given(data=st.data())
async def test_a_batch_of_holds_equals_its_wishes_one_after_the_other(
    office: Office, valkey: Any, data: st.DataObject
) -> None:
    blocked = data.draw(st.frozensets(st.sampled_from(SEATS), max_size=1))
    sides = [await Side.open(office, Holds(valkey), blocked, 4_500) for _ in range(2)]
    for hold in data.draw(st.lists(holds, max_size=3)):
        for side in sides:
            await side.add(hold, 4_500)
            if hold.fate in ("live", "expired"):
                await side.valkey.put([(side.holds[-1], 0, ())])
    known = len(sides[0].holds)
    choices = st.tuples(
        st.integers(0, known + 2), st.integers(1, 2), st.frozensets(st.sampled_from(SEATS), min_size=1, max_size=3)
    )
    wishes = data.draw(st.lists(choices, min_size=1, max_size=6))
    new = [[uuid7() for _ in range(3)] for _ in sides]

    outcomes = [
        [put_told(outcome) for outcome in await run([put(side, new[place], *wish) for wish in wishes])]
        for place, (side, run) in enumerate(zip(sides, (at_once(office), each_alone(office)), strict=True))
    ]

    assert outcomes[0] == outcomes[1]
    seen = [await side.valkey.held(office.tenant.id, side.event_id) for side in sides]
    assert sorted(seen[0]) == sorted(seen[1])


def put(side: Side, new: list[UUID], place: int, revision: int, seats: frozenset[int]) -> Put:
    """A new hold, or a change of a known one that was read at `revision`."""
    wanted = tuple(HeldSeat(n, 4_500) for n in sorted(seats))
    now = datetime.now(UTC)
    if place < len(side.holds):
        hold = side.holds[place]
        dropped = sorted(set(hold.seat_nos) - seats)
        changed = msgspec.structs.replace(
            hold, revision=revision + 1, seats=wanted, expires_at=now + timedelta(hours=1)
        )
        return Put(changed, revision, dropped)
    hold = Hold(
        id=new[place - len(side.holds)], revision=1, tenant_id=side.office.tenant.id, owner=side.owners[0],
        event_id=side.event_id, seats=wanted, currency="EUR", first_at=now, expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    return Put(hold, 0, ())


def put_told(outcome: Hold | Exception) -> Any:
    if isinstance(outcome, Hold):
        return "held", outcome.revision, outcome.seat_nos
    return ("taken", outcome.seat_nos) if isinstance(outcome, SeatsTaken) else type(outcome).__name__


Run = Callable[[Sequence[Put]], Awaitable[Sequence[Hold | Exception]]]


def at_once(office: Office) -> Run:
    return lambda puts: office.holding._put_batch(office.tenant, puts)


def each_alone(office: Office) -> Run:
    async def run(puts: Sequence[Put]) -> list[Hold | Exception]:
        return [(await office.holding._put_batch(office.tenant, [each]))[0] for each in puts]

    return run
