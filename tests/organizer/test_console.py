"""The organizer's pages over the answers of the services: what is asked, as whom, what is shown, what a button does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.doors.router import Router
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.route import Answer
from boxoffice.organizer.console import Console
from boxoffice.organizer.service import pages, renderer
from boxoffice.pages.assets import Assets
from tests.storefront.shop import Shop, event_answer, html_of

EVENT, BOOKING, KEY = str(uuid7()), str(uuid7()), str(uuid7())
ORDER: dict[str, Any] = {
    "id": BOOKING, "reference": "BX-7Q2K9", "status": "CONFIRMED", "total_minor": 17_800, "currency": "EUR",
    "contact": {"email": "bea@buyers.example", "name": "<b>Bea</b>"}, "created_at": "2026-11-22T18:00:00Z",
    "seats": [
        {"seat_no": 7, "label": "Row A, seat 8", "category": "gold", "price_minor": 8_900, "state": "VALID"},
        {"seat_no": 8, "label": "Row A, seat 9", "category": "gold", "price_minor": 8_900, "state": "REFUNDED"},
    ],
    "payment": {"status": "captured", "amount_minor": 17_800, "currency": "EUR"},
    "refund": {"status": "done", "amount_minor": 8_900, "currency": "EUR"},
}  # fmt: skip
COUNTS = {"counts": {"available": 90, "held": 3, "sold": 7, "blocked": 0}}
SALES = {"opens_at": "2026-11-01T09:00:00Z", "closes_at": "2026-12-04T18:00:00Z"}


class Desk(Shop):
    """The organizer's pages in front of services whose answers a test sets down; the visitor is signed in."""

    def __init__(self, folder: Path, role: str = "ORGANIZER") -> None:
        super().__init__(Router())
        names = ("auth", "bookings", "events")
        peers = Peers("organizer", apps=dict.fromkeys(names, self.app), keyring=Keyring(folder), domain="localhost")
        for route in pages(Console(peers, renderer(Assets(folder)))):
            self.pages.add(route.method, route.path, route)
        self.tell("GET /api/auth/me", {"email": "oda@acme.example", "role": role})

    def with_event(self, **changes: Any) -> None:
        self.tell(f"GET /api/events/{EVENT}", event_answer(id=EVENT, **{"sales": SALES, **changes}))
        self.tell(f"GET /api/events/{EVENT}/availability", COUNTS)
        self.tell(f"GET /api/events/{EVENT}/bookings", {"items": [ORDER], "next_cursor": "next"})

    async def open(self, path: str) -> str:
        answer = await self.visit(path, access="organizer")
        assert answer.status == 200, answer
        return html_of(answer)

    async def press(self, path: str, form: str = "") -> Answer:
        return await self.visit(path, "POST", form, access="organizer")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_stranger_is_asked_to_sign_in(desk: Desk) -> None:
    desk.answers.clear()
    desk.refuse("GET /api/auth/me", 401, "unauthenticated")

    answer = await desk.visit("/organizer")

    assert (answer.status, answer.headers["Location"]) == (303, "/login?next=%2Forganizer")


@pytest.mark.parametrize("role", ["CUSTOMER", "SCANNER"])
async def test_whose_account_sells_nothing_sees_nothing(tmp_path: Path, role: str) -> None:
    desk = Desk(tmp_path, role)

    answers = [await desk.visit(path, access="buyer") for path in ("/organizer", f"/organizer/events/{EVENT}")]

    assert [answer.status for answer in answers] == [403, 403]
    assert {asked.line for asked in desk.asked} == {"GET /api/auth/me"}


async def test_events_to_come_and_past_are_two_lists(desk: Desk) -> None:
    desk.tell("GET /api/events", {"items": [event_answer(sales=SALES, status="DRAFT")], "next_cursor": "next"})

    coming = await desk.open("/organizer")
    past = await desk.open("/organizer?past=true")

    asked = [each.line for each in desk.asked if "/api/events?" in each.line]
    assert "from=" in asked[0]
    assert "to=" in asked[1]
    assert 'badge-closed">Draft<' in coming
    assert 'href="/organizer?past=true&amp;cursor=next"' in past


async def test_an_event_s_page_counts_its_seats_and_lists_its_orders(desk: Desk) -> None:
    desk.with_event()

    html = await desk.open(f"/organizer/events/{EVENT}?q=bea")

    assert dict(re.findall(r"<span>(\w+)</span> <b>([^<]+)</b>", html)) == {"Sold": "7", "Held": "3", "Free": "90"}
    assert any(asked.line.endswith("/bookings?limit=20&q=bea") for asked in desk.asked)
    assert "&lt;b&gt;Bea&lt;/b&gt;" in html
    assert "€89.00 returned" in html
    assert re.findall(r'name="(seat-\d+)"', html) == ["seat-7"]
    assert 'href="?q=bea&amp;cursor=next#orders"' in html
    assert "Call off The Tempest" in html


async def test_a_draft_has_neither_orders_nor_anything_to_call_off(desk: Desk) -> None:
    desk.tell(f"GET /api/events/{EVENT}", event_answer(id=EVENT, sales=SALES, status="DRAFT"))

    html = await desk.open(f"/organizer/events/{EVENT}")

    assert "Nobody has ordered yet." in html
    assert "Call off" not in html


async def test_the_page_of_a_cancelled_event_shows_how_far_it_has_got(desk: Desk) -> None:
    desk.with_event(status="CANCELLED")
    progress = {"total": 5, "handled": 2, "by_status": {"CANCELLED": 1, "REFUND_STUCK": 1, "CONFIRMED": 3},
                "started_at": "2026-11-22T18:00:00Z", "finished_at": None}  # fmt: skip
    desk.tell(f"GET /api/events/{EVENT}/cancellation", progress)

    html = await desk.open(f"/organizer/events/{EVENT}")

    assert f'data-progress-of="{EVENT}"' in html
    assert '<progress max="5" value="2"' in html
    assert "2 of 5 orders" in html
    assert re.findall(r"<dt>([^<]+)</dt><dd>(\d)</dd>", html) == [
        ("Paid", "3"), ("Refund needs a person", "1"), ("Given back", "1"),
    ]  # fmt: skip


async def test_an_event_is_called_off_only_with_a_word_of_confirmation(desk: Desk) -> None:
    desk.tell(f"POST /api/events/{EVENT}/cancellation", {}, 202)

    unsure = await desk.press(f"/organizer/events/{EVENT}/cancellation")
    sure = await desk.press(f"/organizer/events/{EVENT}/cancellation", "sure=yes")

    assert unsure.headers["Location"] == f"/organizer/events/{EVENT}?problem=not_confirmed_by_hand"
    assert sure.headers["Location"] == f"/organizer/events/{EVENT}?done=cancelled"
    assert [asked.line for asked in desk.asked] == [f"POST /api/events/{EVENT}/cancellation"]


async def test_seats_are_returned_under_the_form_s_own_key(desk: Desk) -> None:
    desk.tell(f"POST /api/bookings/{BOOKING}/refunds", {}, 202)

    answer = await desk.press(
        f"/organizer/events/{EVENT}/refunds", f"booking={BOOKING}&key={KEY}&seat-7=on&reason=+Broken+seat"
    )

    (asked,) = desk.asked
    assert answer.headers["Location"] == f"/organizer/events/{EVENT}?done=refunded"
    assert (asked.headers["idempotency-key"], asked.headers["authorization"]) == (KEY, "Bearer organizer")
    assert json.loads(asked.body) == {"seats": [7], "reason": "Broken seat"}


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (f"booking={BOOKING}&key={KEY}&reason=x", "no_seat_chosen"),
        (f"booking=../events&key={KEY}&seat-7=on&reason=x", "invalid_body"),
        (f"booking={BOOKING}&key={KEY}&seat-7x=on&reason=x", "no_seat_chosen"),
        (f"booking={BOOKING}&key={KEY}&seat-7=on&reason=x", "cancellation_closed"),
    ],
)
async def test_a_refund_that_cannot_be_leads_back_and_says_why(desk: Desk, form: str, problem: str) -> None:
    desk.with_event()
    desk.refuse(f"POST /api/bookings/{BOOKING}/refunds", 409, "cancellation_closed")

    answer = await desk.press(f"/organizer/events/{EVENT}/refunds", form)
    html = await desk.open(answer.headers["Location"])

    assert answer.headers["Location"] == f"/organizer/events/{EVENT}?problem={problem}"
    assert 'role="alert"' in html
