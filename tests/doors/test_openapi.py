"""OpenAPI: the document says what the doors do."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
import schemathesis
from schemathesis.core.result import Ok

from boxoffice.doors import openapi
from boxoffice.doors.body import Instant
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.kernel.route import Answer, Call, Host, Route, Who
from boxoffice.kernel.service import Service


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    at: Instant


class NewItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: str = ""


class Search(PageQuery, frozen=True, kw_only=True):
    q: str | None = None
    after: Instant | None = None


async def answer(call: Call) -> Answer:
    return Answer()


ROUTES = [
    Route("GET", "/api/items", answer, Who.ANYONE, "Items", {200: Page[Item]}, query=Search),
    Route("POST", "/api/items", answer, Who.ADMIN, "Add", {201: Item}, body=NewItem, refusals=["409 name_taken"],
          key_required=True),
    Route("GET", "/api/items/{item_id}", answer, Who.BUYER, "One", {200: Item, 304: None},
          produces=("application/json", "application/octet-stream")),
    Route("POST", "/api/items/{item_id}/notes", answer, Who.BUYER, "Note", {202: Item}, body=Note),
    Route("DELETE", "/api/items/{item_id}", answer, Who.ADMIN, "Remove", {204: None}),
    Route("GET", "/api/plans/{hash}.json", answer, Who.ANYONE, "Plan", {200: dict}, host=Host.BOTH),
    Route("POST", "/api/auth/login", answer, Who.ANYONE, "Sign in", {200: Item}, body=NewItem),
    Route("GET", "/", answer, Who.ANYONE, "Home", {200: None}, produces=("text/html; charset=utf-8",)),
    Route("GET", "/internal/items", answer, Who.PEER, "Internal", {200: Item}),
]  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document([Service("items", ROUTES)], "1.0")


def test_pages_and_the_services_own_doors_are_not_public(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/api/items", "/api/items/{item_id}", "/api/items/{item_id}/notes", "/api/plans/{hash}.json", "/api/auth/login",
    }  # fmt: skip


def test_every_operation_can_be_read_by_a_client_generator(document: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document)

    names = {(found.ok().method, found.ok().path) for found in schema.get_all_operations() if isinstance(found, Ok)}

    assert len(names) == sum(len(methods) for methods in document["paths"].values())


def test_parameters_say_what_is_accepted(document: dict[str, Any]) -> None:
    listed = {each["name"]: each for each in document["paths"]["/api/items"]["get"]["parameters"]}
    (path,) = document["paths"]["/api/items/{item_id}"]["get"]["parameters"]

    assert listed["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert listed["q"] == {"name": "q", "in": "query", "required": False, "schema": {"type": "string"}}
    assert listed["after"]["schema"]["format"] == "date-time"
    assert (path["in"], path["required"], path["schema"]["format"]) == ("path", True, "uuid")
    assert "Search" not in document["components"]["schemas"]


def test_bodies_and_keys_are_required_where_they_are(document: dict[str, Any]) -> None:
    add = document["paths"]["/api/items"]["post"]
    note = document["paths"]["/api/items/{item_id}/notes"]["post"]
    sign_in = document["paths"]["/api/auth/login"]["post"]

    assert add["requestBody"]["required"]
    assert not note["requestBody"]["required"]
    assert document["components"]["schemas"]["NewItem"]["additionalProperties"] is False
    required = [
        {each["name"]: each["required"] for each in operation["parameters"]} for operation in (add, note, sign_in)
    ]
    assert required == [{"Idempotency-Key": True}, {"item_id": True, "Idempotency-Key": False}, {}]


def test_answers_and_refusals_are_listed(document: dict[str, Any]) -> None:
    add = document["paths"]["/api/items"]["post"]["responses"]
    show = document["paths"]["/api/items/{item_id}"]["get"]["responses"]
    remove = document["paths"]["/api/items/{item_id}"]["delete"]["responses"]

    assert {"201", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503"} == set(add)
    assert add["409"]["description"] == "`in_flight`, `name_taken`"
    assert add["422"]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/ValidationProblem")
    assert set(show["200"]["content"]) == {"application/json", "application/octet-stream"}
    assert "content" not in show["304"]
    assert "content" not in remove["204"]


def test_security_says_who_may(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert paths["/api/items"]["get"]["security"] == [{}, {"bearer": []}, {"guest": []}]
    assert paths["/api/items"]["post"]["security"] == [{"bearer": []}]
    assert paths["/api/items/{item_id}"]["get"]["security"] == [{"bearer": []}, {"guest": []}]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = msgspec.json.encode(document).decode()

    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert names <= set(document["components"]["schemas"])


def test_one_path_has_one_door_in_the_document() -> None:
    twice = [Service("a", ROUTES[:1]), Service("b", ROUTES[:1])]

    with pytest.raises(ValueError, match="two public doors"):
        openapi.document(twice, "1.0")
