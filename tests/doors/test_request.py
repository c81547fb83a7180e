"""Requests: what their headers, query and body may be, and what becomes of the rest."""

from pathlib import Path

import pytest

from boxoffice.doors.request import preferred_wait
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.asgi import request
from tests.support.sample import Sample, open_sample


@pytest.fixture
async def sample(tmp_path: Path, directory: Directory, tenant: Tenant) -> Sample:
    return await open_sample(tmp_path, directory, tenant)


@pytest.mark.parametrize("name", ["host", "authorization", "idempotency-key", "content-type", "guest-token"])
async def test_a_header_that_decides_comes_once(sample: Sample, name: str) -> None:
    answer = await sample.send("GET", "/api/things", headers=[(name, "acme.localhost"), (name, "globex.localhost")])

    assert (answer.status, answer.code) == (400, "malformed_headers")


async def test_a_request_without_a_host_is_refused(sample: Sample) -> None:
    answer = await request(sample.app, "GET", "/api/things", host=None)

    assert answer is not None
    assert (answer.status, answer.code) == (400, "malformed_headers")


@pytest.mark.parametrize("key", ["a" * 256, "with space", "ä", "", "tab\t"])
async def test_a_bad_idempotency_key_is_refused(sample: Sample, key: str) -> None:
    answer = await sample.send("POST", "/api/strict", token=sample.token(), headers={"Idempotency-Key": key})

    assert (answer.status, answer.code) == (400, "idempotency_key_invalid")


async def test_an_idempotency_key_can_be_required(sample: Sample) -> None:
    without = await sample.send("POST", "/api/strict", token=sample.token())
    longest = await sample.send("POST", "/api/strict", token=sample.token(), headers={"Idempotency-Key": "~" * 255})

    assert (without.status, without.code) == (400, "idempotency_key_required")
    assert longest.json["key"] == "~" * 255


async def test_an_idempotency_key_is_ignored_where_it_means_nothing(sample: Sample) -> None:
    token = sample.token()

    for method, path, credential in (
        ("POST", "/api/reasons", None), ("POST", "/api/auth/login", token), ("GET", "/api/things", token),
    ):  # fmt: skip
        answer = await sample.send(method, path, token=credential, headers={"Idempotency-Key": "not valid"})
        assert (answer.status, answer.json["key"]) == (200, None)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200), ("Application/JSON", 200), ("application/json; charset=UTF-8", 200),
        ("application/json;charset=latin-1", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415), ("application/jsonp", 415), ("", 415),
    ],
)  # fmt: skip
async def test_a_body_is_json_and_says_so(sample: Sample, content_type: str, status: int) -> None:
    answer = await sample.send(
        "POST", "/api/things", token=sample.token(), body=b'{"seats": []}', headers={"Content-Type": content_type}
    )

    assert answer.status == status


async def test_a_compressed_body_is_refused(sample: Sample) -> None:
    headers = {"Content-Encoding": "gzip"}

    answer = await sample.send("POST", "/api/things", token=sample.token(), json={"seats": []}, headers=headers)

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused_before_it_has_all_come(sample: Sample) -> None:
    json = {"Content-Type": "application/json"}
    token = sample.token()

    announced = await sample.send("POST", "/api/things", token=token, headers=json | {"Content-Length": "262145"})
    at_once = await sample.send("POST", "/api/things", token=token, headers=json, body=b" " * 262_145)
    in_parts = await sample.send(
        "POST", "/api/things", token=token, headers=json, body=[b" " * 200_000, b" " * 200_000], disconnect=True
    )

    assert [(each.status, each.code) for each in (announced, at_once, in_parts)] == [(413, "too_large")] * 3


async def test_a_body_may_come_in_parts(sample: Sample) -> None:
    parts = [b'{"sea', b'ts": [1', b"]}"]

    answer = await sample.send(
        "POST", "/api/things", token=sample.token(), body=parts, headers={"Content-Type": "application/json"}
    )

    assert answer.json["body"] == {"seats": [1]}


async def test_a_client_that_goes_away_gets_no_answer(sample: Sample) -> None:
    answer = await request(
        sample.app, "POST", "/api/reasons", host=f"{sample.tenant.slug}.localhost", body=[b'{"rea'], disconnect=True,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert answer is None


async def test_a_bad_body_is_refused_by_its_path(sample: Sample) -> None:
    wrong = await sample.send("POST", "/api/things", token=sample.token(), json={"seats": [1, "two"]})
    broken = await sample.send(
        "POST", "/api/things", token=sample.token(), body=b"{", headers={"Content-Type": "application/json"}
    )

    assert (wrong.status, wrong.code, wrong.json["errors"][0]["path"]) == (422, "invalid_body", "seats[1]")
    assert (broken.status, broken.code) == (400, "malformed_body")


async def test_a_body_may_be_left_out_where_nothing_in_it_is_required(sample: Sample) -> None:
    assert (await sample.send("POST", "/api/reasons")).json["body"] == {"reason": "none"}
    assert (await sample.send("POST", "/api/things", token=sample.token())).status == 415


async def test_a_raw_body_is_left_as_it_came(sample: Sample) -> None:
    kept = await sample.send("POST", "/api/hooks", body=b"\xff not json", headers={"Content-Type": "text/plain"})
    large = await sample.send("POST", "/api/hooks", body=b"x" * 101)

    assert (kept.json["bytes"], kept.json["body"]) == (10, None)
    assert large.status == 413


async def test_a_query_is_read_into_its_type(sample: Sample) -> None:
    answer = await sample.send("GET", "/api/things", query="limit=7&q=%C3%A4%20+b&status=A&status=B&utm=1")

    assert answer.json["query"] == {"limit": 7, "cursor": None, "q": "ä  b", "status": ["A", "B"]}


@pytest.mark.parametrize(
    ("query", "path"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
     ("limit=1&limit=2", "limit"), ("limit=" + "9" * 5_000, "limit"), ("&".join("x=1" for _ in range(101)), "")],
)  # fmt: skip
async def test_a_bad_parameter_is_named(sample: Sample, query: str, path: str) -> None:
    answer = await sample.send("GET", "/api/things", query=query)

    assert (answer.status, answer.code) == (422, "invalid_query")
    assert answer.json["errors"][0]["path"] == path


@pytest.mark.parametrize("text", ["%00", "%FF", "%ED%A0%80", "%", "%zz", "'; DROP TABLE users; --", "{{7*7}}"])
async def test_any_text_is_a_search(sample: Sample, text: str) -> None:
    answer = await sample.send("GET", "/api/things", query=f"q={text}")

    assert answer.status == 200
    assert "\x00" not in answer.json["query"]["q"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0), ("", 0), ("wait=5", 5), ('respond-async, Wait = "7"; note=x, wait=9', 7), ("wait=3600", 15),
        ("wait", 0), ("wait=-1", 0), ("wait=1.5", 0), ("wait=²", 0), ("return=minimal", 0), (f"wait={'9' * 9999}", 15),
    ],
)  # fmt: skip
def test_a_wish_to_wait_is_read_leniently_and_bounded(header: str | None, seconds: int) -> None:
    assert preferred_wait(header) == seconds
