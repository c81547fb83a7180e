"""The organizer's doors and what everybody sees of an event, field by field."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.problems import problem, wrong_paths
from tests.contract.world import DRAFT, World, key
from tests.support.platform import Reply, plan

EVENT = {
    "id", "name", "description", "venue", "time_zone", "starts_at", "doors_at", "currency", "categories", "sales",
    "max_seats_per_booking", "status", "sale", "plan_hash", "seats",
}  # fmt: skip
CATEGORY = {"key", "name", "color", "price_minor"}
OFFERED = CATEGORY | {"fee_minor", "available"}


async def ask(world: World, method: str, path: str, role: str = "anonymous", **sent: Any) -> Reply:
    headers = {**world.acme.who.get(role, {}), **(key() if role != "anonymous" else {}), **sent.pop("headers", {})}
    return await world.platform.ask(method, path, slug=world.acme.slug, headers=headers, **sent)


async def draft(world: World, **changes: Any) -> str:
    made = await ask(world, "POST", "/api/events", "organizer", json={**DRAFT, **changes})
    assert made.status == 201, made
    return f"/api/events/{made.json['id']}"


async def test_an_event_has_every_field_of_the_contract(world: World) -> None:
    acme = world.acme

    made = await ask(world, "POST", "/api/events", "organizer", json=DRAFT)
    listed = await ask(world, "GET", "/api/events")
    shown = await ask(world, "GET", f"/api/events/{acme.event}")

    assert (made.status, made.json["status"], made.json["plan_hash"], made.json["seats"]) == (201, "DRAFT", None, 0)
    assert shown.json == listed.json["items"][0]
    assert set(made.json) == set(shown.json) == EVENT
    assert set(shown.json["categories"][0]) == CATEGORY
    assert set(shown.json["sales"]) == {"opens_at", "closes_at"}
    assert (shown.json["status"], shown.json["sale"], shown.json["seats"]) == ("PUBLISHED", "open", world.seats)
    assert all(datetime.fromisoformat(shown.json[name]).tzinfo for name in ("starts_at",))


async def test_a_draft_is_the_organizers_alone(world: World) -> None:
    path = f"/api/events/{world.acme.draft}"

    seen = {role: (await ask(world, "GET", path, role)).status for role in ("anonymous", *world.acme.who)}
    offers = await ask(world, "GET", f"{path}/offers")
    availability = await ask(world, "GET", f"{path}/availability")
    held = await ask(world, "POST", f"{path}/holds", "customer", json={"seats": [0]})

    assert seen == {"anonymous": 404, "guest": 404, "customer": 404, "scanner": 404, "organizer": 200, "admin": 200}
    assert [problem(reply) for reply in (offers, availability, held)] == [(404, "event_not_found")] * 3


@pytest.mark.parametrize(("change", "path"), [
    ({"name": " "}, "name"), ({"currency": "euro"}, "currency"), ({"time_zone": "Mars/Base"}, "time_zone"),
    ({"starts_at": "2031-05-01T20:00:00"}, "starts_at"), ({"starts_at": "soon"}, "starts_at"),
    ({"doors_at": "2031-05-02T20:00:00Z"}, "doors_at"), ({"categories": []}, "categories"),
    ({"categories": [*DRAFT["categories"], *DRAFT["categories"]]}, "categories[1].key"),
    ({"max_seats_per_booking": 0}, "max_seats_per_booking"), ({"status": "PUBLISHED"}, "status"),
    ({"id": str(uuid4())}, "id"), ({"tenant_id": str(uuid4())}, "tenant_id"), ({"seats": 5}, "seats"),
    ({"categories": [{"key": "a", "name": "A", "price_minor": -1}]}, "categories[0].price_minor"),
    ({"categories": [{"key": "a", "name": "A", "price_minor": 1.5}]}, "categories[0].price_minor"),
])  # fmt: skip
async def test_an_event_that_cannot_be_is_refused(world: World, change: dict[str, Any], path: str) -> None:
    reply = await ask(world, "POST", "/api/events", "organizer", json={**DRAFT, **change})

    assert problem(reply) == (422, "invalid_body")
    assert wrong_paths(reply) == [path]


async def test_a_plan_is_given_published_and_then_final(world: World) -> None:
    path = await draft(world)

    too_early = await ask(world, "POST", f"{path}/publication", "organizer")
    given = await ask(world, "PUT", f"{path}/seat-plan", "organizer", json=plan(2, 3))
    hidden = await ask(world, "GET", f"/api/plans/{given.json['hash']}.json")
    published = await ask(world, "POST", f"{path}/publication", "organizer")
    again = await ask(world, "POST", f"{path}/publication", "organizer")
    late = await ask(world, "PUT", f"{path}/seat-plan", "organizer", json=plan(2, 3))

    assert problem(too_early) == (409, "no_seat_plan")
    assert given.status == 200
    assert {name: given.json[name] for name in ("seats", "categories")} == {"seats": 6, "categories": ["all"]}
    assert set(given.json) == {"hash", "seats", "categories"}
    assert hidden.status == 404
    assert (published.status, published.json["status"]) == (202, "PUBLISHING")
    assert problem(again) == problem(late) == (409, "already_published")


async def test_a_plan_is_public_immutable_and_the_tenants_own(world: World) -> None:
    path = f"/api/plans/{world.acme.plan_hash}.json"

    shown = await ask(world, "GET", path)
    again = await ask(world, "GET", path, headers={"If-None-Match": shown.headers["ETag"]})
    elsewhere = await world.platform.ask("GET", f"/api/plans/{'0' * 64}.json", slug=world.globex.slug)

    assert (shown.status, shown.json["format"]) == (200, "seatplan/1")
    assert "immutable" in shown.headers["Cache-Control"]
    assert (again.status, again.body) == (304, b"")
    assert problem(elsewhere) == (404, "plan_not_found")


@pytest.mark.parametrize("broken", [
    {"zones": []}, {"format": "seatplan/9"}, {"categories": []},
    {"zones": [*plan(1, 2)["zones"], *plan(1, 2)["zones"]]},
    {"categories": [{"key": "vip", "name": "Nobody's", "color": "#000000"}]},
])  # fmt: skip
async def test_a_plan_that_cannot_be_is_refused(world: World, broken: dict[str, Any]) -> None:
    path = await draft(world)

    reply = await ask(world, "PUT", f"{path}/seat-plan", "organizer", json={**plan(1, 2), **broken})

    assert problem(reply)[0] == 422
    assert wrong_paths(reply)


async def test_on_sale_texts_change_and_prices_do_not(world: World) -> None:
    event = f"/api/events/{await world.platform.event(world.acme.slug)}"
    before = (await ask(world, "GET", event)).json
    price = [{**before["categories"][0], "price_minor": 1}]

    texts = await ask(world, "PATCH", event, "organizer", json={"description": "New", "venue": "Elsewhere"})
    refused = await ask(world, "PATCH", event, "organizer", json={"description": "Never", "categories": price})
    unknown = await ask(world, "PATCH", event, "organizer", json={"status": "DRAFT"})
    after = (await ask(world, "GET", event)).json

    assert (texts.status, set(texts.json)) == (200, EVENT)
    assert problem(refused) == (409, "already_published")
    assert problem(unknown) == (422, "invalid_body")
    assert after == {**before, "description": "New", "venue": "Elsewhere"}


async def test_offers_have_every_field_of_the_contract(world: World) -> None:
    offers = await ask(world, "GET", f"/api/events/{world.acme.event}/offers")

    assert set(offers.json) == {"categories", "currency", "max_seats_per_booking", "sale", "opens_at", "closes_at"}
    assert set(offers.json["categories"][0]) == OFFERED
    assert (offers.json["sale"], offers.json["currency"], offers.json["max_seats_per_booking"]) == ("open", "EUR", 10)
    assert offers.json["categories"][0]["fee_minor"] == 0


async def test_availability_is_the_same_in_json_and_in_bits(world: World) -> None:
    slug = world.acme.slug
    event = await world.platform.event(slug, rows=1, seats=6)
    await world.platform.hold(slug, event, [1, 4])
    path = f"/api/events/{event}/availability"

    json = await ask(world, "GET", path)
    bits = await ask(world, "GET", path, headers={"Accept": "application/octet-stream"})

    assert set(json.json) == {"epoch", "seq", "seats", "counts", "held", "sold", "blocked"}
    assert json.json["counts"] == {"available": 4, "held": 2, "sold": 0, "blocked": 0}
    assert (json.json["seats"], json.json["held"]) == (6, [1, 4])
    assert json.headers["ETag"] == f'"{json.json["epoch"]}-{json.json["seq"]}"'
    assert json.headers["Vary"] == bits.headers["Vary"] == "Accept"
    assert bits.headers["Content-Type"] == "application/octet-stream"
    epoch, seq = int.from_bytes(bits.body[:4]), int.from_bytes(bits.body[4:8])
    assert bits.headers["ETag"] == f'"{epoch}-{seq}"'
    assert bits.body[8:] == bytes([0b00_01_00_00, 0b01_00_00_00])


async def test_a_buyer_who_knows_the_state_is_told_that_nothing_changed(world: World) -> None:
    event = await world.platform.event(world.acme.slug, rows=1, seats=6)
    path = f"/api/events/{event}/availability"
    known: set[str] = set()

    for _ in range(8):  # each process has an epoch of its own
        reply = await ask(world, "GET", path, headers={"If-None-Match": ", ".join(known)} if known else {})
        assert reply.status == (304 if reply.headers["ETag"] in known else 200)
        known.add(reply.headers["ETag"])

    assert 1 <= len(known) <= 2


async def test_templates_are_the_organizers(world: World) -> None:
    reply = await ask(world, "GET", "/api/notifications/templates", "organizer")

    assert reply.status == 200
    assert {"items", "next_cursor"} <= set(reply.json)
    assert {"name", "channel", "subject", "text", "html"} <= set(reply.json["items"][0])
