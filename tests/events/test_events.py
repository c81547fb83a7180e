"""Events over HTTP: drafting, changing, listing, publishing; who sees what."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from boxoffice.events.actions import END
from boxoffice.kernel.ids import uuid7
from boxoffice.messages import EventChanged, EventCreated, InventoryRefused, SaleChanged
from tests.seating import plans
from tests.support.shop import Shop, event_body
from tests.support.traffic import published

PLAN = plans.document(plans.zone(plans.row("1..4", "A"), plans.row("1..4", "B", "silver")))
FIELDS = {
    "id", "name", "description", "venue", "time_zone", "starts_at", "doors_at", "currency", "categories", "sales",
    "max_seats_per_booking", "status", "sale", "plan_hash", "seats",
}  # fmt: skip


async def show(shop: Shop, event_id: UUID) -> Any:
    return (await shop.ask("GET", f"/api/events/{event_id}", who=shop.user("ORGANIZER"))).json


async def listed(shop: Shop, query: str = "", role: str | None = None) -> list[str]:
    answer = await shop.ask("GET", "/api/events", who=shop.user(role) if role else None, query=query)
    assert answer.status == 200, answer.content
    return [event["name"] for event in answer.json["items"]]


# ── drafting ───────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_draft_has_every_field_of_the_contract(shop: Shop) -> None:
    answer = await shop.ask("POST", "/api/events", event_body(), who=shop.user("ORGANIZER"))

    assert answer.status == 201
    event = answer.json
    assert set(event) == FIELDS
    assert (event["status"], event["sale"], event["plan_hash"], event["seats"]) == ("DRAFT", "not_yet", None, 0)
    assert event["categories"][0] == {"key": "gold", "name": "Gold", "color": "#0072B2", "price_minor": 4_500}
    assert [type(m) for m in await published(shop.database, shop.tenant)] == [EventCreated]


async def test_an_event_without_a_window_is_on_sale_from_now_until_it_starts(shop: Shop) -> None:
    body = event_body()

    event = (await shop.ask("POST", "/api/events", body, who=shop.user("ORGANIZER"))).json

    assert datetime.fromisoformat(event["sales"]["closes_at"]) == datetime.fromisoformat(body["starts_at"])
    assert datetime.fromisoformat(event["sales"]["opens_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"name": " "}, "name", "bad_length"),
        ({"name": "x" * 201}, "name", "bad_length"),
        ({"name": "a\u0007b"}, "name", "control_character"),
        ({"description": "x" * 10_001}, "description", "bad_length"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "unknown_time_zone"),
        ({"currency": "eur"}, "currency", "unknown_currency"),
        ({"max_seats_per_booking": 0}, "max_seats_per_booking", "out_of_range"),
        ({"max_seats_per_booking": 101}, "max_seats_per_booking", "out_of_range"),
        ({"starts_at": "2027-01-31T20:00:00"}, "starts_at", "bad_value"),
        ({"starts_at": "0001-01-01T00:00:00Z"}, "starts_at", "out_of_range"),
        ({"doors_at": "2099-01-31T20:00:00Z"}, "doors_at", "after_start"),
        ({"sales": {"opens_at": "2027-02-01T00:00:00Z", "closes_at": "2027-01-01T00:00:00Z"}},
         "sales.closes_at", "before_opening"),
        ({"sales": {"opens_at": "2027-02-01T00:00:00", "closes_at": "2027-03-01T00:00:00Z"}},
         "sales.opens_at", "bad_value"),
        ({"categories": []}, "categories", "bad_length"),
        ({"categories": [{"key": "Gold!", "name": "Gold", "price_minor": 1}]}, "categories[0].key", "bad_key"),
        ({"categories": [{"key": "a", "name": "A", "price_minor": 1}, {"key": "a", "name": "B", "price_minor": 1}]},
         "categories[1].key", "duplicate"),
        ({"categories": [{"key": "a", "name": "", "price_minor": 1}]}, "categories[0].name", "bad_length"),
        ({"categories": [{"key": "a", "name": "A", "price_minor": -1}]}, "categories[0].price_minor", "out_of_range"),
        ({"categories": [{"key": "a", "name": "A", "color": "red", "price_minor": 1}]},
         "categories[0].color", "bad_color"),
        ({"status": "PUBLISHED"}, "status", "unknown_field"),
        ({"name": ...}, "name", "missing_field"),
    ],
)  # fmt: skip
async def test_an_event_that_cannot_be_is_refused_with_the_path(
    shop: Shop, fields: dict[str, Any], path: str, code: str
) -> None:
    answer = await shop.ask("POST", "/api/events", event_body(**fields), who=shop.user("ORGANIZER"))

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert (path, code) in [(error["path"], error["code"]) for error in answer.json["errors"]]
    assert await listed(shop, role="ORGANIZER") == []


async def test_everything_that_is_wrong_is_named_at_once(shop: Shop) -> None:
    body = event_body(name="", currency="?", time_zone="?")

    answer = await shop.ask("POST", "/api/events", body, who=shop.user("ORGANIZER"))

    assert {error["path"] for error in answer.json["errors"]} == {"name", "currency", "time_zone"}


async def test_a_repeated_draft_makes_one_event(shop: Shop) -> None:
    organizer, body = shop.user("ORGANIZER"), event_body()

    first = await shop.ask("POST", "/api/events", body, who=organizer, key="k1")
    again = await shop.ask("POST", "/api/events", body, who=organizer, key="k1")
    other = await shop.ask("POST", "/api/events", event_body(name="Other"), who=organizer, key="k1")

    assert (again.status, again.json["id"]) == (201, first.json["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")
    assert await listed(shop, role="ORGANIZER") == [body["name"]]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("CUSTOMER", 403), ("SCANNER", 403), ("ADMIN", 201)])
async def test_organizers_and_admins_draft_events(shop: Shop, role: str | None, status: int) -> None:
    answer = await shop.ask("POST", "/api/events", event_body(), who=shop.user(role) if role else None)

    assert answer.status == status


# ── seat plans and publication ─────────────────────────────────────────────────────────────────────────────────────
async def test_a_draft_with_a_plan_is_publishing_until_its_inventory_is_there(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)

    plan = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)
    answer = await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)
    hidden = await shop.ask("GET", f"/api/events/{event_id}")
    await shop.settle()

    assert plan.json == {"hash": answer.json["plan_hash"], "seats": 8, "categories": ["gold", "silver"]}
    assert (answer.status, answer.json["status"]) == (202, "PUBLISHING")
    assert hidden.status == 404
    event = (await shop.ask("GET", f"/api/events/{event_id}")).json
    assert (event["status"], event["sale"], event["seats"]) == ("PUBLISHED", "open", 8)


async def test_a_draft_without_a_plan_is_not_published(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)

    answer = await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)

    assert (answer.status, answer.code) == (409, "no_seat_plan")


async def test_nothing_is_published_twice_and_its_plan_is_final(shop: Shop) -> None:
    event_id, organizer = await shop.publish(PLAN), shop.user("ORGANIZER")

    again = await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)
    plan = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)

    assert (again.status, again.code) == (409, "already_published")
    assert (plan.status, plan.code) == (409, "already_published")


async def test_a_repeated_publication_with_its_key_is_replayed(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)

    await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer, key="p1")
    await shop.settle()
    again = await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer, key="p1")

    assert (again.status, again.json["status"]) == (202, "PUBLISHED")
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_plan_painted_in_categories_that_the_event_lacks_is_refused_with_paths(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer, categories=[{"key": "gold", "name": "Gold", "price_minor": 1}])

    answer = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert [error["path"] for error in answer.json["errors"]] == ["zones[0].rows[1].seats[0].category"]
    assert (await show(shop, event_id))["plan_hash"] is None


async def test_a_category_is_matched_by_its_name_when_its_key_is_another(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer, categories=[
        {"key": "a", "name": "GOLD", "price_minor": 1}, {"key": "silver", "name": "Anything", "price_minor": 1},
    ])  # fmt: skip

    answer = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)

    assert (answer.status, answer.json["categories"]) == (200, ["a", "silver"])


async def test_a_category_taken_away_after_the_plan_was_given_stops_the_publication(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)
    gold = [{"key": "gold", "name": "Gold", "price_minor": 1}]
    await shop.ask("PATCH", f"/api/events/{event_id}", {"categories": gold}, who=organizer)

    answer = await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert (await show(shop, event_id))["status"] == "DRAFT"


@pytest.mark.parametrize(
    "plan",
    [
        {"format": "seatplan/1"},
        plans.document(),
        plans.document(plans.zone(plans.row("1..3", "A"), plans.row("1..3", "A"))),
        plans.document(plans.standing(100_001, "Pit", "silver")),
        {**PLAN, "surprise": 1},
    ],
)
async def test_a_plan_that_cannot_be_is_refused_with_paths(shop: Shop, plan: Any) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)

    answer = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", plan, who=organizer)

    assert (answer.status, answer.code) == (422, "invalid_body")
    assert all(set(error) == {"path", "code", "detail"} for error in answer.json["errors"])
    assert answer.json["errors"] != []


async def test_an_event_whose_inventory_is_refused_is_a_draft_again_and_takes_another_plan(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)
    await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)

    await shop.hear("events", InventoryRefused(event_id=event_id, reason="unreadable"))
    status = (await show(shop, event_id))["status"]
    plan = await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)

    assert status == "DRAFT"
    assert plan.status == 200


async def test_plans_are_immutable_and_those_of_drafts_are_for_organizers(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    hash = (await shop.ask("PUT", f"/api/events/{event_id}/seat-plan", PLAN, who=organizer)).json["hash"]
    path = f"/api/plans/{hash}.json"

    hidden = await shop.ask("GET", path)
    own = await shop.ask("GET", path, who=organizer)
    await shop.ask("POST", f"/api/events/{event_id}/publication", who=organizer)
    await shop.settle()
    public = await shop.ask("GET", path)
    known = await shop.ask("GET", path, headers={"if-none-match": public.headers["etag"]})

    assert (hidden.status, hidden.code) == (404, "plan_not_found")
    assert (own.status, public.status, known.status) == (200, 200, 304)
    assert public.json["format"] == "seatplan/1"
    assert "immutable" in public.headers["cache-control"]
    assert (await shop.ask("GET", f"/api/plans/{hash}")).status == 404


# ── changing ───────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_published_event_takes_new_texts_doors_and_window_and_tells_of_it(shop: Shop) -> None:
    event_id, organizer = await shop.publish(PLAN), shop.user("ORGANIZER")
    closes = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    opens = (datetime.now(UTC) - timedelta(days=2)).isoformat()

    answer = await shop.ask(
        "PATCH", f"/api/events/{event_id}",
        {"name": " New name ", "description": "Two\nlines", "sales": {"opens_at": opens, "closes_at": closes}},
        who=organizer,
    )  # fmt: skip
    await shop.settle()

    assert (answer.status, answer.json["name"]) == (200, "New name")
    assert len(await published(shop.database, shop.tenant, EventChanged)) == 1
    offers = (await shop.ask("GET", f"/api/events/{event_id}/offers")).json
    assert datetime.fromisoformat(offers["closes_at"]) == datetime.fromisoformat(closes)


@pytest.mark.parametrize(
    "fixed",
    [
        {"categories": [{"key": "gold", "name": "Gold", "price_minor": 1}]},
        {"currency": "USD"},
        {"starts_at": "2030-01-01T20:00:00Z"},
        {"time_zone": "UTC"},
    ],
)
async def test_a_refused_change_of_a_published_event_changes_nothing(shop: Shop, fixed: dict[str, Any]) -> None:
    event_id, organizer = await shop.publish(PLAN), shop.user("ORGANIZER")
    before = await show(shop, event_id)

    answer = await shop.ask("PATCH", f"/api/events/{event_id}", {"name": "New", **fixed}, who=organizer)

    assert (answer.status, answer.code) == (409, "already_published")
    assert await show(shop, event_id) == before
    assert await published(shop.database, shop.tenant, EventChanged) == []


async def test_a_change_to_what_an_event_cannot_be_changes_nothing(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer)
    before = await show(shop, event_id)

    answer = await shop.ask("PATCH", f"/api/events/{event_id}", {"name": "New", "currency": "?"}, who=organizer)

    assert (answer.status, answer.json["errors"][0]["path"]) == (422, "currency")
    assert await show(shop, event_id) == before


async def test_a_draft_may_become_anything_and_fields_left_out_stay(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    event_id = await shop.draft(organizer, doors_at="2026-01-01T18:00:00Z", starts_at="2031-01-01T20:00:00Z")

    body = {"currency": "JPY", "doors_at": None, "max_seats_per_booking": 4}
    event = (await shop.ask("PATCH", f"/api/events/{event_id}", body, who=organizer)).json

    assert (event["currency"], event["doors_at"], event["max_seats_per_booking"]) == ("JPY", None, 4)
    assert event["name"] == event_body()["name"]


async def test_an_event_of_the_past_ends_by_its_timer(shop: Shop) -> None:
    event_id = await shop.publish(PLAN)

    await shop.fire(END)

    event = (await shop.ask("GET", f"/api/events/{event_id}")).json
    assert (event["status"], event["sale"]) == ("ENDED", "closed")


async def test_old_news_of_a_sale_is_passed_over(shop: Shop) -> None:
    event_id = await shop.publish(PLAN)

    for sold_out, version in ((True, 5), (False, 4)):
        await shop.hear("events", SaleChanged(event_id=event_id, sold_out=sold_out, version=version))

    assert (await show(shop, event_id))["sale"] == "sold_out"


# ── finding ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_drafts_are_seen_by_organizers_only(shop: Shop) -> None:
    event_id = await shop.draft(shop.user("ORGANIZER"), name="Draft")
    path = f"/api/events/{event_id}"

    strangers = [await shop.ask("GET", path), await shop.ask("GET", path, who=shop.user())]

    assert [(answer.status, answer.code) for answer in strangers] == [(404, "event_not_found")] * 2
    assert (await shop.ask("GET", path, who=shop.user("ADMIN"))).status == 200
    assert (await listed(shop), await listed(shop, role="ORGANIZER")) == ([], ["Draft"])
    assert await listed(shop, "status=DRAFT") == []


@pytest.mark.parametrize("event_id", [str(uuid7()), "nonsense", "1"])
async def test_an_unknown_event_is_not_found(shop: Shop, event_id: str) -> None:
    answer = await shop.ask("GET", f"/api/events/{event_id}")

    assert answer.status == 404


async def test_the_list_is_filtered_by_text_time_and_status(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    for name, venue, starts in (("Aïda 100%", "Opera", "2030-05-01"), ("Jazz_night", "Club", "2030-06-01")):
        await shop.draft(organizer, name=name, venue=venue, starts_at=f"{starts}T20:00:00Z")

    async def found(query: str) -> list[str]:
        return await listed(shop, query, role="ORGANIZER")

    assert await found("q=opera") == ["Aïda 100%"]
    assert await found("q=%25") == ["Aïda 100%"]
    assert await found("q=_") == ["Jazz_night"]
    assert await found("q=%00%27%5C") == []
    assert await found("from=2030-05-15T00:00:00Z") == ["Jazz_night"]
    assert await found("to=2030-05-15T00:00:00%2B02:00") == ["Aïda 100%"]
    assert await found("status=PUBLISHED") == []
    assert await found("status=DRAFT&limit=1") == ["Aïda 100%"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("from=yesterday", "from"), ("to=2030-13-01T00:00:00Z", "to"), ("from=2030-05-15T00:00:00", "from"),
        ("status=open", "status"), ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"), ("cursor=WyIxIiwiMiJd", "cursor"),
        ("cursor=WyIyMDMwLTA1LTAxVDAwOjAwOjAwIiwiMDE5MmYwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAxIl0", "cursor"),
    ],
)  # fmt: skip
async def test_nonsense_in_a_query_is_refused_with_its_name(shop: Shop, query: str, path: str) -> None:
    answer = await shop.ask("GET", "/api/events", query=query)

    assert answer.status == 422
    assert [error["path"] for error in answer.json["errors"]] == [path]


async def test_pages_follow_each_other_in_order_of_the_start(shop: Shop) -> None:
    organizer = shop.user("ORGANIZER")
    for day in (3, 1, 2, 2, 5):
        await shop.draft(organizer, name=f"Day {day}", starts_at=f"2030-01-0{day}T20:00:00Z")

    names, query = [], "limit=2"
    while query:
        page = (await shop.ask("GET", "/api/events", who=organizer, query=query)).json
        names += [event["name"] for event in page["items"]]
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    assert names == ["Day 1", "Day 2", "Day 2", "Day 3", "Day 5"]
