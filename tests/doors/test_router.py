"""Routing: literal before parameter, ids are UUIDs, and what is not there is not there."""

from uuid import UUID

import pytest

from boxoffice.doors.router import Match, Router, parse_id

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def router() -> Router[str]:
    router: Router[str] = Router()
    router.add("GET", "/", "home")
    router.add("GET", "/api/events", "list")
    router.add("POST", "/api/events", "create")
    router.add("GET", "/api/events/{event_id}", "show")
    router.add("GET", "/api/events/upcoming", "upcoming")
    router.add("POST", "/api/events/{event_id}/holds", "hold")
    router.add("PATCH", "/api/events/{id}", "change")
    router.add("GET", "/api/plans/{hash}.json", "plan")
    router.add("GET", "/pages/{name}/{part}", "page")
    return router


def found(router: Router[str], method: str, path: str) -> tuple[str, tuple[object, ...]] | None:
    match: Match[str] | None = router.match(path)
    return None if match is None or method not in match.methods else (match.methods[method][0], match.values)


@pytest.mark.parametrize(
    ("method", "path", "target", "values"),
    [
        ("GET", "/", "home", ()),
        ("GET", "/api/events", "list", ()),
        ("POST", "/api/events", "create", ()),
        ("GET", f"/api/events/{ID}", "show", (UUID(ID),)),
        ("GET", f"/api/events/{ID.upper()}", "show", (UUID(ID),)),
        ("PATCH", f"/api/events/{ID}", "change", (UUID(ID),)),
        ("GET", "/api/events/upcoming", "upcoming", ()),
        ("POST", f"/api/events/{ID}/holds", "hold", (UUID(ID),)),
        ("GET", "/api/plans/abc.json", "plan", ("abc",)),
        ("GET", "/pages/räng/ä b", "page", ("räng", "ä b")),
    ],
)
def test_a_path_finds_what_answers(
    router: Router[str], method: str, path: str, target: str, values: tuple[object, ...]
) -> None:
    assert found(router, method, path) == (target, values)


@pytest.mark.parametrize(
    "path",
    [
        "", "api/events", "/api", "/api/events/", "//api/events", "/api/events/12", f"/api/events/{ID}/", "/API/events",
        "/api/events/01890a5dac96774bbcceb302099a8057", f"/api/events/{{{ID}}}", f"/api/events/urn:uuid:{ID}",
        "/api/events/01890a5d-ac96-774b-bcce-b30209_a8057", "/api/plans/.json", "/api/plans/abc", "/pages/a/\x00",
        "/pages//x", "/pages/a/" + "x" * 201, "/pages/a/\ud800", "/api/events/../events",
    ],
)  # fmt: skip
def test_any_other_path_does_not_exist(router: Router[str], path: str) -> None:
    assert router.match(path) is None


def test_the_methods_of_a_path_are_listed_whatever_their_parameters_are_called(router: Router[str]) -> None:
    match = router.match(f"/api/events/{ID}")

    assert match is not None
    assert match.allow == "GET, HEAD, PATCH"


def test_two_doors_for_one_path_are_an_error(router: Router[str]) -> None:
    with pytest.raises(ValueError, match="two doors"):
        router.add("GET", "/api/events/{other_id}", "again")


def test_an_id_has_one_form() -> None:
    assert parse_id(ID) == UUID(ID)
    assert parse_id(ID.replace("-", "")) is None
    assert parse_id(" " + ID[1:]) is None
