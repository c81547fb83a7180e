"""The operator's pages over the answers of the services: what is asked, as whom, what is shown, what a button does."""

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
from boxoffice.operations.console import Console
from boxoffice.operations.service import pages, renderer
from boxoffice.pages.assets import Assets
from tests.storefront.shop import Shop, html_of

BOOKING = str(uuid7())
TENANT = {"id": str(uuid7()), "slug": "acme"}
NOTHING: dict[str, Any] = {"items": [], "next_cursor": None}
SAGA = {
    "booking_id": BOOKING, "tenant": TENANT, "reference": "BX-7Q2K9", "status": "REFUNDING",
    "since": "2026-11-22T18:00:00Z", "due_at": "2026-11-22T18:30:00Z", "late_seconds": 3_725,
}  # fmt: skip
DETAIL = {
    "tenant": TENANT, "state": "REFUNDING", "reason": "LATE_PAYMENT", "kept_minor": 0,
    "attempts": [{"method": "pm_card_visa", "status": "captured", "reason": None, "url": None}],
    "refunds": [{"id": str(uuid7()), "attempt": 1, "amount_minor": 8_900, "seats": [], "done": False, "tries": 2}],
    "booking": {
        "id": BOOKING, "reference": "BX-7Q2K9", "status": "REFUNDING", "total_minor": 8_900, "currency": "EUR",
        "event": {"id": str(uuid7()), "name": "The Tempest", "starts_at": "2026-12-04T18:30:00Z"},
        "seats": [{"seat_no": 7, "label": "Row A, seat 8", "category": "gold", "price_minor": 8_900, "state": "VALID"}],
        "hold_until": "2026-11-22T18:10:00Z",
        "history": [
            {"at": "2026-11-22T18:00:00Z", "from": None, "trigger": "REQUESTED", "to": "PENDING_PAYMENT"},
            {"at": "2026-11-22T18:20:00Z", "from": "FAILED", "trigger": "RECLAIM_FAILED", "to": "REFUNDING"},
        ],
    },
}  # fmt: skip
LETTER = {
    "id": str(uuid7()), "tenant": TENANT, "group": "bookings", "topic": "payment.completed", "type": "PaymentCompleted",
    "subject": BOOKING, "attempts": 12, "error": "<script>alert(1)</script>", "died_at": "2026-11-22T18:00:00Z",
    "headers": {"subject": BOOKING}, "value": {"contact": "</pre><b>bold"},
}  # fmt: skip
DIFFERENCE = {
    "tenant": TENANT, "booking_id": BOOKING, "reference": "BX-7Q2K9", "status": "CONFIRMED",
    "kind": "booking_without_capture", "kinds": ["booking_without_capture", "seat_differs"], "currency": "EUR",
    "bookings": {"captured_minor": 8_900, "refunded_minor": 0, "refunding_minor": 0, "by_hand_minor": 0,
                 "kept_minor": 0, "valid_minor": 8_900},
    "payments": None, "provider": None, "seats": {"lines": 2, "held": 0, "sold": 1},
    "changed_at": "2026-11-22T18:00:00Z", "age_seconds": 7_260,
}  # fmt: skip


def tenant_answer(status: str) -> dict[str, Any]:
    return {**TENANT, "name": "Acme & Co", "plan": "standard", "status": status, "created_at": "2026-11-01T09:00:00Z"}


class Desk(Shop):
    """The platform's pages in front of services whose answers a test sets down; the visitor is signed in."""

    def __init__(self, folder: Path, shops: dict[str, str] | None = None, shows_mail: bool = True) -> None:
        super().__init__(Router())
        names = ("auth", "bookings", "tenants", "operations")
        peers = Peers("operations", apps=dict.fromkeys(names, self.app), keyring=Keyring(folder), domain="localhost")
        for route in pages(Console(peers, renderer(Assets(folder)), shops or {}, shows_mail)):
            self.pages.add(route.method, route.path, route)

    async def open(self, path: str) -> str:
        answer = await self.visit(path, access="operator")
        assert answer.status == 200, answer
        return html_of(answer)

    async def press(self, path: str, form: str = "") -> Answer:
        return await self.visit(path, "POST", form, access="operator")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def stats(html: str) -> dict[str, str]:
    return dict(re.findall(r"<span>([^<]+)</span> <b>([^<]+)</b>", html))


async def test_a_stranger_is_shown_where_to_go(tmp_path: Path) -> None:
    full = html_of(await Desk(tmp_path, shops={"Acme & Co": "http://acme.localhost:8000/"}).visit("/"))
    bare = html_of(await Desk(tmp_path, shows_mail=False).visit("/"))

    links = [re.findall(r'<li><a class="panel" href="([^"]+)"', html) for html in (full, bare)]
    assert links[0] == ["http://acme.localhost:8000/", "/login", "/dev/mail", "/api/docs", "/api/openapi.json"]
    assert links[1] == ["/login", "/api/docs", "/api/openapi.json"]
    assert "Acme &amp; Co" in full


@pytest.mark.parametrize("path", ["/sagas", "/dead-letters", "/reconciliation", "/tenants", "/audit"])
async def test_a_stranger_to_any_other_page_is_asked_to_sign_in(desk: Desk, path: str) -> None:
    for service_path in ("sagas", "dead-letters", "reconciliation", "tenants", "audit"):
        desk.refuse(f"GET /api/{service_path}", 401, "unauthenticated")

    answer = await desk.visit(path)

    assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={path.replace('/', '%2F')}")


async def test_signing_in_leads_to_the_overview(desk: Desk) -> None:
    desk.tell("POST /api/auth/login", {"access_token": "a", "refresh_token": "r"})

    answer = await desk.visit("/login", "POST", "email=olga%40platform.example&password=secret")

    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert {cookie.split("=")[0] for cookie in answer.cookies} == {"__Host-access", "__Host-refresh"}


async def test_the_overview_counts_what_wants_attention(desk: Desk) -> None:
    desk.tell("GET /api/auth/me", {"email": "olga@platform.example"})
    desk.tell("GET /api/sagas", {"items": [SAGA, SAGA], "next_cursor": None})
    desk.tell("GET /api/dead-letters", {"items": [LETTER] * 100, "next_cursor": "more"})
    desk.refuse("GET /api/reconciliation", 503, "unavailable")
    desk.tell("GET /api/tenants", {"items": [tenant_answer("SUSPENDED")]})

    html = await desk.open("/")

    assert stats(html) == {
        "Live sagas": "2", "Late sagas": "2", "Stuck sagas": "2", "Dead letters": "100+", "Disagreements": "–",
    }  # fmt: skip
    assert html.count("stat-alert") == 3
    assert "Acme &amp; Co" in html
    assert '<span class="badge badge-few">SUSPENDED</span>' in html
    assert "olga@platform.example" in html
    assert {asked.headers["authorization"] for asked in desk.asked} == {"Bearer operator"}


async def test_sagas_are_asked_for_as_chosen_and_lead_to_their_page(desk: Desk) -> None:
    desk.tell("GET /api/sagas", {"items": [SAGA], "next_cursor": "next"})

    html = await desk.open("/sagas?status=late&tenant=acme")

    assert desk.asked[0].line == "GET /api/sagas?tenant=acme&limit=50&status=late"
    assert f'href="/sagas/{BOOKING}"' in html
    assert "1 hour 2 minutes" in html
    assert 'href="/sagas?tenant=acme&amp;status=late&amp;cursor=next"' in html
    assert 'href="/sagas" aria-current="page"' in html


async def test_a_saga_s_page_tells_its_story(desk: Desk) -> None:
    desk.tell(f"GET /api/sagas/{BOOKING}", DETAIL)

    html = await desk.open(f"/sagas/{BOOKING}")

    for words in ("BX-7Q2K9", "The Tempest", "Row A, seat 8", "€89.00", "pm_card_visa", "refused 2 times",
                  "LATE_PAYMENT", "RECLAIM_FAILED", "FAILED → REFUNDING", "22 Nov 2026, 18:20:00 UTC"):  # fmt: skip
        assert words in html


@pytest.mark.parametrize(
    ("button", "form", "body", "done"),
    [
        ("retry", "", None, "retried"),
        ("compensation", "reason=The+hall+burned", {"reason": "The hall burned"}, "compensated"),
        ("refund-evidence", "refund_id=7&evidence=wire+42", {"refund_id": "7", "evidence": "wire 42"}, "recorded"),
    ],
)
async def test_a_saga_s_buttons_are_calls_of_the_api(desk: Desk, button: str, form: str, body: Any, done: str) -> None:
    desk.tell(f"POST /api/sagas/{BOOKING}/{button}", DETAIL, 202)

    answer = await desk.press(f"/sagas/{BOOKING}/{button}", form)

    assert (answer.status, answer.headers["Location"]) == (303, f"/sagas/{BOOKING}?done={done}")
    assert desk.asked[0].headers["authorization"] == "Bearer operator"
    assert (json.loads(desk.asked[0].body) if desk.asked[0].body else None) == body


async def test_a_refused_act_leads_back_and_says_why(desk: Desk) -> None:
    desk.refuse(f"POST /api/sagas/{BOOKING}/retry", 409, "nothing_to_retry")
    desk.tell(f"GET /api/sagas/{BOOKING}", DETAIL)

    answer = await desk.press(f"/sagas/{BOOKING}/retry")
    html = await desk.open(answer.headers["Location"])

    assert answer.headers["Location"] == f"/sagas/{BOOKING}?problem=nothing_to_retry"
    assert "There is no open refund to ask for." in html


async def test_nobody_can_put_words_into_a_notice(desk: Desk) -> None:
    desk.tell("GET /api/dead-letters", NOTHING)

    html = await desk.open("/dead-letters?problem=Call+0900-SCAM&done=Pay+me")

    assert "SCAM" not in html
    assert "Pay me" not in html
    assert "That did not work." in html


async def test_dead_letters_show_what_they_say_as_text(desk: Desk) -> None:
    desk.tell("GET /api/dead-letters", {"items": [LETTER], "next_cursor": None})

    html = await desk.open("/dead-letters?tenant=acme")

    assert desk.asked[0].line == "GET /api/dead-letters?tenant=acme&limit=50"
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "</pre><b>" not in html


@pytest.mark.parametrize(
    ("button", "asked", "done"),
    [
        (
            f"/dead-letters/{BOOKING}/redrive",
            f"POST /api/dead-letters/{BOOKING}/redrive",
            "/dead-letters?done=redriven",
        ),
        (f"/dead-letters/{BOOKING}/discard", f"DELETE /api/dead-letters/{BOOKING}", "/dead-letters?done=discarded"),
        (f"/tenants/{BOOKING}/suspension", f"POST /api/tenants/{BOOKING}/suspension", "/tenants?done=suspended"),
        (f"/tenants/{BOOKING}/activation", f"DELETE /api/tenants/{BOOKING}/suspension", "/tenants?done=activated"),
    ],
    ids=["redrive", "discard", "suspension", "activation"],
)
async def test_the_other_buttons_are_calls_of_the_api_too(desk: Desk, button: str, asked: str, done: str) -> None:
    desk.tell(asked, None, 204)

    answer = await desk.press(button)

    assert [each.line for each in desk.asked] == [asked]
    assert (answer.status, answer.headers["Location"]) == (303, done)


async def test_reconciliation_names_the_kinds_and_everybody_s_word(desk: Desk) -> None:
    desk.tell("GET /api/reconciliation", {"items": [DIFFERENCE], "next_cursor": None})

    html = await desk.open("/reconciliation")

    for words in ("Booking without money", "Seats differ", "€89.00 / €0.00", "2 claimed, 0 held, 1 sold",
                  "2 hours 1 minute"):  # fmt: skip
        assert words in html


async def test_a_short_page_that_goes_on_does_not_say_that_all_agree(desk: Desk) -> None:
    desk.tell("GET /api/reconciliation", {"items": [], "next_cursor": "more"})
    desk.tell("GET /api/reconciliation", NOTHING)

    html, last = await desk.open("/reconciliation"), await desk.open("/reconciliation?cursor=more")

    assert "Nothing found so far." in html
    assert 'href="/reconciliation?cursor=more"' in html
    assert "All agree." in last


@pytest.mark.parametrize(
    ("status", "offered"), [("ACTIVE", ["suspension"]), ("SUSPENDED", ["activation"]), ("PROVISIONING", [])]
)
async def test_a_tenant_can_be_suspended_or_activated(desk: Desk, status: str, offered: list[str]) -> None:
    desk.tell("GET /api/tenants", {"items": [tenant_answer(status)]})

    html = await desk.open("/tenants")

    assert re.findall(rf'action="/tenants/{TENANT["id"]}/(\w+)"', html) == offered


async def test_the_audit_tells_who_did_what(desk: Desk) -> None:
    entry: dict[str, Any] = {"id": str(uuid7()), "at": "2026-11-22T18:00:00Z", "operator": str(uuid7()),
             "action": "dead_letter.redriven", "subject": str(uuid7()), "detail": {"group": "bookings"}}  # fmt: skip
    of_saga = entry | {"action": "saga.compensated", "subject": BOOKING, "detail": {"detail": "It was a fraud"}}
    desk.tell("GET /api/audit", {"items": [entry, of_saga], "next_cursor": None})

    html = await desk.open("/audit")

    assert entry["operator"] in html
    assert "dead_letter.redriven" in html
    assert "It was a fraud" in html
    assert re.findall(r'href="/sagas/([^"]+)"', html) == [BOOKING]


async def test_an_expired_session_is_renewed_once_for_the_whole_overview(desk: Desk) -> None:
    desk.refuse("GET /api/auth/me", 401, "invalid_token")
    desk.tell("GET /api/auth/me", {"email": "olga@platform.example"})
    desk.tell("POST /api/auth/refresh", {"access_token": "new", "refresh_token": "newer"})
    for path in ("sagas", "dead-letters", "reconciliation", "tenants"):
        desk.tell(f"GET /api/{path}", NOTHING)

    answer = await desk.visit("/", access="old", refresh="old-refresh")

    assert answer.status == 200
    assert [asked.line for asked in desk.asked].count("POST /api/auth/refresh") == 1
    assert {asked.headers["authorization"] for asked in desk.asked[3:]} == {"Bearer new"}
