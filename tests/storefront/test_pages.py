"""Pages over the answers of the services: what is shown, what is asked and as whom, what becomes a cookie."""

import json
import re

import msgspec
import pytest

from boxoffice.kernel.tenancy import Status
from boxoffice.pages.endpoints import own_path
from boxoffice.pages.theme import default_theme
from boxoffice.storefront.service import render_error
from tests.storefront.shop import (
    TENANT,
    Shop,
    booking_answer,
    event_answer,
    hold_answer,
    html_of,
    offers_answer,
)


def island_data(html: str, name: str) -> dict[str, object]:
    found = re.search(rf'<script type="application/json" id="{name}-data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found.group(1))
    return data


async def test_the_front_page_lists_events(shop: Shop) -> None:
    shop.tell("GET /api/events", {"items": [event_answer(), event_answer(name="Gone", sale="sold_out")]})

    html = html_of(await shop.visit("/?q=storm"))

    assert "The Tempest" in html
    assert "Sold out" in html
    assert "q=storm" in shop.asked[0].line


async def test_what_an_organizer_writes_is_text(shop: Shop) -> None:
    event = event_answer(name="<script>alert(1)</script>", description="</script><b>bold")
    shop.tell(f"GET /api/events/{event['id']}", event)
    shop.tell(f"GET /api/events/{event['id']}/offers", offers_answer())

    html = html_of(await shop.visit(f"/events/{event['id']}"))

    assert "<script>alert" not in html
    assert "</script><b>" not in html


async def test_a_page_lets_no_inline_script_in(shop: Shop) -> None:
    shop.tell("GET /api/events", {"items": []})

    answer = await shop.visit("/")

    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert f'nonce="{nonce.group(1)}"' in html_of(answer)
    assert "script-src 'self';" in policy


async def test_an_unknown_event_is_a_page_too(shop: Shop) -> None:
    answer = await shop.visit("/events/01890000-0000-7000-8000-000000000000")

    assert answer.status == 404
    assert "Nothing here" in html_of(answer)


async def test_the_picker_gets_the_event_and_its_offers(shop: Shop) -> None:
    event = event_answer()
    shop.tell(f"GET /api/events/{event['id']}", event)
    shop.tell(f"GET /api/events/{event['id']}/offers", offers_answer())

    data = island_data(html_of(await shop.visit(f"/events/{event['id']}/seats")), "picker")

    assert data["event"]["plan_hash"] == "abc"  # type: ignore[index]
    assert data["offers"]["max_seats_per_booking"] == 10  # type: ignore[index]


async def test_a_draft_can_be_looked_at_before_it_offers_anything(shop: Shop) -> None:
    event = event_answer(status="DRAFT", sale="not_yet")
    shop.tell(f"GET /api/events/{event['id']}", event)

    answer = await shop.visit(f"/events/{event['id']}", access="organizer")

    assert answer.status == 200
    assert shop.asked[0].headers["authorization"] == "Bearer organizer"


async def test_a_guest_s_hold_is_read_as_that_guest(shop: Shop) -> None:
    event = event_answer()
    hold = hold_answer(event["id"])
    shop.tell(f"GET /api/holds/{hold['id']}", hold)
    shop.tell(f"GET /api/events/{event['id']}", event)

    html = html_of(await shop.visit(f"/checkout/{hold['id']}", guest="guest-token"))

    assert island_data(html, "checkout")["contact"] == {"name": "", "email": ""}
    assert shop.asked[0].headers["guest-token"] == "guest-token"
    assert "authorization" not in shop.asked[0].headers


async def test_a_signed_in_buyer_s_name_starts_the_form(shop: Shop) -> None:
    event = event_answer()
    hold = hold_answer(event["id"])
    shop.tell(f"GET /api/holds/{hold['id']}", hold)
    shop.tell(f"GET /api/events/{event['id']}", event)
    shop.tell("GET /api/auth/me", {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"})

    html = html_of(await shop.visit(f"/checkout/{hold['id']}", access="a"))

    assert island_data(html, "checkout")["contact"] == {"name": "Ada Lovelace", "email": "ada@example.com"}


async def test_a_hold_that_became_a_booking_leads_to_it(shop: Shop) -> None:
    hold_id, booking_id = event_answer()["id"], event_answer()["id"]
    shop.refuse(f"GET /api/holds/{hold_id}", 404, "hold_consumed", booking_id=booking_id)

    answer = await shop.visit(f"/checkout/{hold_id}", guest="g")

    assert (answer.status, answer.headers["Location"]) == (303, f"/orders/{booking_id}")


async def test_a_hold_that_is_gone_leads_back_to_the_seats(shop: Shop) -> None:
    hold_id, event_id = event_answer()["id"], event_answer()["id"]
    shop.refuse(f"GET /api/holds/{hold_id}", 404, "hold_gone")

    answer = await shop.visit(f"/checkout/{hold_id}?event={event_id}", guest="g")

    assert (answer.status, answer.headers["Location"]) == (303, f"/events/{event_id}/seats")


async def test_an_order_hands_the_whole_booking_to_its_island(shop: Shop) -> None:
    event = event_answer()
    booking = booking_answer(event["id"])
    shop.tell(f"GET /api/bookings/{booking['id']}", booking)
    shop.tell(f"GET /api/events/{event['id']}", event)

    html = html_of(await shop.visit(f"/orders/{booking['id']}", guest="g"))

    assert island_data(html, "order")["booking"] == booking
    assert island_data(html, "order")["time_zone"] == "Europe/Berlin"
    assert "given back" not in html
    assert "Friday 4 December 2026, 19:30" in html


async def test_a_seat_given_back_is_marked_on_the_order(shop: Shop) -> None:
    event = event_answer()
    booking = booking_answer(event["id"])
    booking["seats"][0]["state"] = "REFUNDED"
    shop.tell(f"GET /api/bookings/{booking['id']}", booking)
    shop.tell(f"GET /api/events/{event['id']}", event)

    html = html_of(await shop.visit(f"/orders/{booking['id']}", guest="g"))

    assert "given back" in html


async def test_a_stranger_to_an_order_is_asked_to_sign_in(shop: Shop) -> None:
    booking_id = event_answer()["id"]
    shop.refuse(f"GET /api/bookings/{booking_id}", 401, "unauthenticated")

    answer = await shop.visit(f"/orders/{booking_id}")

    assert answer.headers["Location"] == f"/login?next=%2Forders%2F{booking_id}"


async def test_nobody_s_orders_are_asked_for_without_a_name(shop: Shop) -> None:
    answer = await shop.visit("/orders")

    assert "No orders yet" in html_of(answer)
    assert shop.asked == []


async def test_an_expired_session_is_renewed_on_the_way(shop: Shop) -> None:
    shop.refuse("GET /api/events", 401, "invalid_token")
    shop.tell("GET /api/events", {"items": []})
    shop.tell("POST /api/auth/refresh", {"access_token": "new-access", "refresh_token": "new-refresh"})

    answer = await shop.visit("/", access="old", refresh="old-refresh")

    assert answer.status == 200
    assert [asked.headers.get("authorization") for asked in shop.asked] == ["Bearer old", None, "Bearer new-access"]
    assert {cookie.split(";")[0] for cookie in answer.cookies} == {
        "__Host-access=new-access", "__Host-refresh=new-refresh",
    }  # fmt: skip
    assert all("HttpOnly" in cookie and "Secure" in cookie and "SameSite=Lax" in cookie for cookie in answer.cookies)


async def test_an_ended_session_is_forgotten_and_the_page_shown_all_the_same(shop: Shop) -> None:
    shop.refuse("GET /api/events", 401, "invalid_token")
    shop.tell("GET /api/events", {"items": []})
    shop.refuse("POST /api/auth/refresh", 401, "bad_credentials")

    answer = await shop.visit("/", access="old", refresh="old-refresh")

    assert answer.status == 200
    assert all("Max-Age=0" in cookie for cookie in answer.cookies)
    assert "Sign in" in html_of(answer)


async def test_signing_in_sets_cookies_and_goes_where_one_wanted_to(shop: Shop) -> None:
    shop.tell("POST /api/auth/login", {"access_token": "a", "refresh_token": "r"})

    answer = await shop.visit("/login", "POST", "email=ada%40example.com&password=secret&next=/orders")

    assert (answer.status, answer.headers["Location"]) == (303, "/orders")
    assert json.loads(shop.asked[0].body) == {"email": "ada@example.com", "password": "secret"}
    assert len(answer.cookies) == 2


async def test_a_wrong_password_is_told_in_words_and_never_shown_again(shop: Shop) -> None:
    shop.refuse("POST /api/auth/login", 401, "bad_credentials")

    answer = await shop.visit("/login", "POST", "email=ada%40example.com&password=sesame-open")

    html = html_of(answer)
    assert answer.status == 401
    assert "do not belong together" in html
    assert 'value="ada@example.com"' in html
    assert "sesame-open" not in html


async def test_a_registration_names_the_fields_to_mend(shop: Shop) -> None:
    errors = [{"path": "password", "code": "too_short", "detail": "short"}]
    shop.refuse("POST /api/auth/register", 422, "invalid_body", errors=errors)

    answer = await shop.visit("/register", "POST", "email=a%40b.example&password=x&first_name=A&last_name=B")

    assert answer.status == 422
    assert 'aria-describedby="password-error"' in html_of(answer)


async def test_signing_out_ends_the_session_and_drops_its_cookies(shop: Shop) -> None:
    shop.tell("POST /api/auth/logout", None, 204)

    answer = await shop.visit("/logout", "POST", access="a", refresh="r")

    assert shop.asked[0].headers["authorization"] == "Bearer a"
    assert {cookie.split(";")[0] for cookie in answer.cookies} == {"__Host-access=", "__Host-refresh="}


async def test_islands_renew_the_session_without_seeing_a_token(shop: Shop) -> None:
    shop.tell("POST /api/auth/refresh", {"access_token": "a2", "refresh_token": "r2"})

    answer = await shop.visit("/session", "POST", access="a", refresh="r")

    assert answer.value == {"signed_in": True}
    assert len(answer.cookies) == 2


def test_after_signing_in_one_stays_on_this_host() -> None:
    assert own_path("/orders") == "/orders"
    for elsewhere in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "orders",
        "/\tx",
        "",
        "/" + "x" * 999,
    ):
        assert own_path(elsewhere) == "/"


def test_an_error_page_stands_alone_without_a_tenant() -> None:
    html = render_error(404, "tenant_not_found", None).decode()

    assert "Nobody sells here" in html
    assert '<link rel="stylesheet"' not in html
    assert "My orders" not in html


@pytest.mark.parametrize(("status", "leads_on"), [(Status.ACTIVE, True), (Status.SUSPENDED, False)])
def test_an_error_page_has_its_shop_s_look_and_leads_on_while_it_sells(status: Status, leads_on: bool) -> None:
    tenant = msgspec.structs.replace(TENANT, status=status)

    html = render_error(404, "not_found", tenant).decode()

    assert "Acme Theatre" in html
    assert f"--brand:{default_theme('acme').brand};" in html
    assert ("See what" in html) == leads_on
