"""Bookings, payments, seats and the provider compared: what agrees is passed over, what was broken is found."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from boxoffice.doors import paging
from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import Page
from boxoffice.doors.peers import Peers, Receive, Scope, Send
from boxoffice.doors.request import QueryReader
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.tenancy import Tenant
from boxoffice.operations.comparing import Comparing, Disagreement
from tests.operations.conftest import HALL, Desk
from tests.support.shop import DOMAIN
from tests.support.tenancy import NewTenant

AGE = """
    UPDATE saga_state SET updated_at = updated_at - interval '1 hour';
"""
CONTACT = {"email": "ada@example.org", "name": "Ada"}


async def sold(desk: Desk, *seats: int) -> UUID:
    """A confirmed booking, an hour old as far as reconciliation can tell."""
    shop, buyer = desk.shop, desk.shop.guest()
    event_id = await shop.publish(HALL)
    held = await shop.ask("POST", f"/api/events/{event_id}/holds", {"seats": list(seats)}, who=buyer)
    body = {"hold_token": held.json["token"], "contact": CONTACT, "payment_method": "pm_card_visa"}
    booking = await shop.ask("POST", "/api/bookings", body, who=buyer, key=str(uuid7()))
    assert booking.status == 202, booking.content
    await shop.settle()
    await alter(desk, AGE)
    return UUID(booking.json["id"])


async def alter(desk: Desk, sql: str) -> None:
    async with desk.shop.database.transaction(desk.shop.tenant) as tx:
        await tx.db.execute(sql)


async def disagreements(desk: Desk) -> list[dict[str, Any]]:
    answer = await desk.ask("GET", "/api/reconciliation", query=f"tenant={desk.shop.tenant.slug}")
    assert answer.status == 200, answer.content
    assert answer.json["next_cursor"] is None
    items: list[dict[str, Any]] = answer.json["items"]
    return items


async def test_what_was_sold_and_paid_agrees(desk: Desk) -> None:
    await sold(desk, 3, 4)

    assert await disagreements(desk) == []


@pytest.mark.parametrize(
    ("defect", "kind"),
    [
        ("UPDATE seat_inventory SET status = 'AVAILABLE', booking_id = NULL WHERE seat_no = 3", "seat_differs"),
        ("UPDATE seat_inventory SET status = 'HELD' WHERE seat_no = 3", "seat_differs"),
        ("DELETE FROM ledger_entries", "booking_without_capture"),
        ("UPDATE saga_state SET payload = jsonb_set(payload, '{attempts,0,status}', '\"declined\"')",
         "captured_without_booking"),
        ("UPDATE ledger_entries SET amount_minor = amount_minor * 2", "captured_without_booking"),
        ("UPDATE saga_state SET payload = payload || '{\"refunds\": [{\"id\": \"0192f000-0000-7000-8000-000000000001\","
         " \"attempt\": 1, \"amount_minor\": 4500, \"done\": true}]}'; UPDATE booking_seats SET state = 'REFUNDED'"
         " WHERE seat_no = 3", "refund_missing"),
    ],
)  # fmt: skip
async def test_a_defect_is_found_and_told_with_everybody_s_word(desk: Desk, defect: str, kind: str) -> None:
    booking_id = await sold(desk, 3, 4)
    await alter(desk, defect)

    (found,) = await disagreements(desk)

    assert found["booking_id"] == str(booking_id)
    assert found["tenant"] == {"id": str(desk.shop.tenant.id), "slug": desk.shop.tenant.slug}
    assert kind in found["kinds"]
    assert found["kind"] == found["kinds"][0]
    assert found["provider"] == {"captured_minor": 9_000, "refunded_minor": 0}
    assert found["age_seconds"] >= 3_600


async def test_a_booking_that_vanished_leaves_its_money(desk: Desk) -> None:
    booking_id = await sold(desk, 3)
    await alter(desk, """
        UPDATE seat_inventory SET status = 'AVAILABLE', booking_id = NULL WHERE booking_id IS NOT NULL;
        DELETE FROM tickets; DELETE FROM saga_log; DELETE FROM saga_state; DELETE FROM booking_seats;
        DELETE FROM bookings;
    """)  # fmt: skip

    fresh = await disagreements(desk)
    old_id = UUID(int=booking_id.int - (3_600_000 << 80))
    await alter(desk, f"""
        UPDATE payments SET booking_id = '{old_id}'; UPDATE ledger_entries SET booking_id = '{old_id}';
    """)  # fmt: skip
    (found,) = await disagreements(desk)

    assert fresh == []
    assert (found["kind"], found["booking_id"]) == ("captured_without_booking", str(old_id))
    assert (found["reference"], found["bookings"], found["seats"]) == (None, None, None)
    assert found["payments"] == {"captured_minor": 4_500, "refunded_minor": 0}


async def test_all_tenants_are_compared_and_one_can_be_asked_for(desk: Desk, new_tenant: NewTenant) -> None:
    await sold(desk, 3)
    await alter(desk, "DELETE FROM ledger_entries")
    other = await new_tenant()

    everywhere = await all_that_disagree(desk)
    elsewhere = await desk.ask("GET", "/api/reconciliation", query=f"tenant={other.slug}")

    assert desk.shop.tenant.slug in {found["tenant"]["slug"] for found in everywhere}
    assert elsewhere.json == {"items": [], "next_cursor": None}


async def all_that_disagree(desk: Desk) -> list[Any]:
    """Every page: one answer compares for about a second, and the session has many tenants."""
    found: list[Any] = []
    query = "limit=100"
    while True:
        page = (await desk.ask("GET", "/api/reconciliation", query=query)).json
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        query = f"limit=100&cursor={page['next_cursor']}"


# ── paging, with services that say what a test set down ──────────────────────────────────────────────────────────────
class Told:
    """Bookings and payments of many tenants: bookings by id, all paid twice as much as they know of."""

    def __init__(self, tenants: list[Tenant], bookings: int) -> None:
        self.ids = {f"{tenant.slug}.{DOMAIN}": sorted(old_id(n) for n in range(bookings)) for tenant in tenants}
        self.asked = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        host = next(value.decode() for name, value in scope["headers"] if name == b"host")
        query = QueryReader(Query).read(scope["query_string"])
        rows = [self._row(scope["path"], id) for id in self.ids[host] if query.place < id]
        shown = rows[: query.limit]
        more = cursor_after(UUID(shown[-1]["booking_id"])) if len(rows) > query.limit else None
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.json.encode({"items": shown, "next_cursor": more})})

    def _row(self, path: str, id: UUID) -> dict[str, Any]:
        if path.startswith("/internal/payments"):
            return {"booking_id": str(id), "captured_minor": 200, "refunded_minor": 0}
        return {
            "booking_id": str(id), "reference": "R", "status": "CONFIRMED", "awaiting": False, "currency": "EUR",
            "captured_minor": 100, "refunded_minor": 0, "refunding_minor": 0, "by_hand_minor": 0, "kept_minor": 0,
            "valid_minor": 100, "lines": 1, "held": 0, "sold": 1, "hold_until": "2026-01-01T00:00:00Z",
            "changed_at": "2026-01-01T00:00:00Z",
        }  # fmt: skip


class Query(msgspec.Struct):
    limit: int
    cursor: str

    @property
    def place(self) -> UUID:
        found = paging.after(self.cursor, UUID)
        assert found is not None
        return found[1]


def old_id(number: int) -> UUID:
    return UUID(int=(1_700_000_000_000 + number) << 80)


def cursor_after(id: UUID) -> str:
    return paging.cursor(id, id)


async def all_pages(comparing: Comparing, tenants: list[Tenant], limit: int) -> list[Page[Disagreement]]:
    pages = [await comparing.page(tenants, None, limit)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await comparing.page(tenants, cursor, limit))
    return pages


@pytest.mark.parametrize(("limit", "piece"), [(1, 10.0), (7, 10.0), (100, 10.0), (100, 0.0)])
async def test_every_disagreement_is_on_one_page(
    desk: Desk, new_tenant: NewTenant, keyring: Keyring, limit: int, piece: float
) -> None:
    tenants = [desk.shop.tenant, await new_tenant()]
    told = Told(tenants, bookings=130 if piece else 5)
    apps = dict.fromkeys(("bookings", "payments"), told.app)
    peers = Peers("operations", apps=apps, keyring=keyring, domain=DOMAIN)

    pages = await all_pages(Comparing(peers, timedelta(seconds=piece)), tenants, limit)

    found = [(each.tenant.id, each.booking_id) for page in pages for each in page.items]
    assert found == [
        (tenant.id, id)
        for tenant in sorted(tenants, key=lambda each: each.id)
        for id in told.ids[f"{tenant.slug}.{DOMAIN}"]
    ]
    assert all(len(page.items) <= limit for page in pages)
