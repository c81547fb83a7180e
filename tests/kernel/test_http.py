"""HTTP: what a request must pass before an endpoint sees it, and how every refusal looks."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import structlog

from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.http import Answer, Call, Host, Route, Who, application, path_id
from boxoffice.kernel.identity import Issuer, Verifier, service_token
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.keys import Keyring
from boxoffice.kernel.paging import PageQuery
from boxoffice.kernel.problem import passing
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory, Status, Tenant
from tests.support.asgi import Application, Response, request
from tests.support.tenancy import NewTenant

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seats: list[int]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str = "none"


class Search(PageQuery, frozen=True, kw_only=True):
    q: str = ""
    status: tuple[str, ...] = ()


async def describe(call: Call) -> Answer:
    """What the endpoint was given."""
    seen = {
        "tenant": call.tenant.slug if call.tenant else None, "caller": call.caller.key, "path": dict(call.path),
        "query": call.query, "body": call.body, "bytes": len(call.raw), "key": call.idempotency_key,
        "route": call.route, "request_id": call.request_id, "log": structlog.contextvars.get_contextvars(),
    }  # fmt: skip
    return Answer(value=seen, headers={"ETag": '"1"'})


async def refuse(call: Call) -> Answer:
    raise Conflict("seat_unavailable", "These seats are gone.", seats=[1, 2])


async def fail(call: Call) -> Answer:
    raise RuntimeError("the password is hunter2")


async def lose_database(call: Call) -> Answer:
    raise asyncpg.CannotConnectNowError("the database system is starting up")


async def nothing(call: Call) -> Answer:
    return Answer(status=204)


async def stream(call: Call) -> Answer:
    async def lines() -> AsyncIterator[bytes]:
        for line in (b"a,b\r\n", b"1,2\r\n"):
            yield line

    return Answer(stream=lines(), content_type="text/csv")


async def show_id(call: Call) -> Answer:
    return Answer(value=path_id(call, "event_id"))


ROUTES = [
    Route("GET", "/api/things", describe, Who.ANYONE, "", {200: dict}, query=Search),
    Route("POST", "/api/things", describe, Who.BUYER, "", {200: dict}, body=Choice),
    Route("POST", "/api/strict", describe, Who.USER, "", {200: dict}, key_required=True),
    Route("POST", "/api/reasons", describe, Who.ANYONE, "", {200: dict}, body=Reason),
    Route("POST", "/api/auth/login", describe, Who.ANYONE, "", {200: dict}, host=Host.BOTH),
    Route("POST", "/api/hooks", describe, Who.ANYONE, "", {200: dict}, raw_body=True, body_limit=100),
    Route("GET", "/api/things/{event_id}", show_id, Who.ANYONE, "", {200: UUID}),
    Route("DELETE", "/api/things/{event_id}", nothing, Who.ANYONE, "", {204: None}),
    Route("GET", "/api/tickets", describe, Who.ANYONE, "", {200: dict}, also_suspended=True),
    Route("GET", "/api/refused", refuse, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/failed", fail, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/restarting", lose_database, Who.ANYONE, "", {200: dict}),
    Route("GET", "/api/stream", stream, Who.ANYONE, "", {200: None}),
    Route("GET", "/api/tenants", describe, Who.OPERATOR, "", {200: dict}, host=Host.PLATFORM),
    *(Route("GET", f"/for/{who.value}", describe, who, "", {200: dict}) for who in Who if who is not Who.OPERATOR),
]


@dataclass
class World:
    app: Application
    tenant: Tenant
    issuer: Issuer
    keyring: Keyring

    async def send(
        self, method: str, path: str, *, token: str | None = None, guest: str | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), host: str | None = None, **rest: Any,
    ) -> Response:  # fmt: skip
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        pairs += [("Authorization", f"Bearer {token}")] if token else []
        pairs += [("Guest-Token", guest)] if guest else []
        response = await request(
            self.app, method, path, host=host or f"{self.tenant.slug}.localhost", headers=pairs, **rest
        )
        assert response is not None
        return response

    def token(self, role: str = "CUSTOMER", tenant: Tenant | str | None = "own") -> str:
        host = self.tenant if isinstance(tenant, str) else tenant
        return self.issuer.access(tenant=host, user_id=uuid7(), role=role, sid=uuid7(), now=datetime.now(UTC))

    def guest(self) -> str:
        return self.issuer.guest(tenant=self.tenant, guest_id=uuid7(), now=datetime.now(UTC))

    def peer(self, callee: str = "sample") -> str:
        return service_token(
            self.keyring, caller="events", callee=callee, tenant=self.tenant, now=datetime.now(UTC)
        )  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, directory: Directory, tenant: Tenant) -> World:
    await directory.refresh()
    keyring = Keyring(tmp_path)
    issuer = Issuer(keyring)

    async def fetch(host: Tenant | None) -> Mapping[str, Any]:
        return issuer.jwks(host)

    verifier = Verifier(fetch_jwks=fetch, keyring=keyring, directory=directory)
    app = application(Service("sample", ROUTES), directory=directory, verifier=verifier, domain="localhost")
    return World(app, tenant, issuer, keyring)


async def set_status(database: Database, directory: Directory, tenant: Tenant, status: Status) -> None:
    async with database.platform() as tx:
        await tx.db.execute("UPDATE platform.tenants SET status = $2 WHERE id = $1", tenant.id, status.value)
        await tx.db.execute("UPDATE platform.directory_version SET version = version + 1")
    await directory.refresh()


async def test_a_request_reaches_its_endpoint_resolved_and_parsed(world: World) -> None:
    token = world.token()

    answer = await world.send(
        "POST", "/api/things", token=token, json={"seats": [1, 2]}, headers={"Idempotency-Key": "k-1"}
    )

    seen = answer.json
    assert answer.status == 200
    assert (seen["tenant"], seen["body"], seen["key"]) == (world.tenant.slug, {"seats": [1, 2]}, "k-1")
    assert seen["route"] == "POST /api/things"
    assert seen["caller"].startswith("user:")
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("spelling", ["{slug}.localhost:8000", "{slug}.localhost.", "{SLUG}.LOCALHOST"])
async def test_a_hosts_spelling_does_not_matter(world: World, spelling: str) -> None:
    host = spelling.format(slug=world.tenant.slug, SLUG=world.tenant.slug.upper())

    answer = await world.send("GET", "/api/things", host=host)

    assert answer.json["tenant"] == world.tenant.slug


@pytest.mark.parametrize("host", ["nobody-here.localhost", "localhost", "evil.com", "a.b.localhost", "x_y.localhost"])
async def test_an_unknown_host_has_no_organizer(world: World, host: str) -> None:
    answer = await world.send("GET", "/api/things", host=host)

    assert (answer.status, answer.code) == (404, "tenant_not_found")


@pytest.mark.parametrize("name", ["host", "authorization", "idempotency-key", "content-type", "guest-token"])
async def test_a_header_that_decides_comes_once(world: World, name: str) -> None:
    answer = await world.send("GET", "/api/things", headers=[(name, "acme.localhost"), (name, "globex.localhost")])

    assert (answer.status, answer.code) == (400, "malformed_headers")


async def test_a_request_without_a_host_is_refused(world: World) -> None:
    answer = await request(world.app, "GET", "/api/things", host=None)

    assert answer is not None
    assert (answer.status, answer.code) == (400, "malformed_headers")


async def test_headers_by_which_a_client_could_choose_its_tenant_are_ignored(world: World) -> None:
    forged = {"X-Forwarded-Host": "globex.localhost", "X-Tenant-Id": "globex", "X-HTTP-Method-Override": "DELETE"}

    answer = await world.send("GET", "/api/things", headers=forged)

    assert answer.json["tenant"] == world.tenant.slug


@pytest.mark.parametrize("path", ["/", "/api", "/api/things/", "/api/things/7", "/api/tenants", "/api//things"])
async def test_an_unknown_path_is_not_found(world: World, path: str) -> None:
    answer = await world.send("GET", path)

    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_wrong_method_names_the_right_ones(world: World) -> None:
    answer = await world.send("PUT", "/api/things")

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_head_answers_like_get_without_the_body(world: World) -> None:
    answer = await world.send("HEAD", f"/api/things/{ID}")

    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(ID) + 2)


async def test_an_id_in_the_path_is_a_uuid(world: World) -> None:
    assert (await world.send("GET", f"/api/things/{ID.upper()}")).json == ID
    assert (await world.send("GET", "/api/things/1%27%20OR%201=1")).status == 404


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (Status.SUSPENDED, 403, "tenant_suspended"),
        (Status.PROVISIONING, 503, "tenant_provisioning"),
        (Status.DELETED, 404, "tenant_not_found"),
    ],
)
async def test_a_tenant_that_does_not_serve_refuses(
    world: World, database: Database, directory: Directory, status: Status, answered: int, code: str
) -> None:
    await set_status(database, directory, world.tenant, status)

    answer = await world.send("GET", "/api/things")

    assert (answer.status, answer.code) == (answered, code)


async def test_some_doors_stay_open_while_a_tenant_is_suspended(
    world: World, database: Database, directory: Directory
) -> None:
    await set_status(database, directory, world.tenant, Status.SUSPENDED)

    assert (await world.send("GET", "/api/tickets")).status == 200
    assert (await world.send("POST", "/api/things", token=world.token(), json={"seats": []})).status == 403


EVERYBODY = ["nobody", "guest", "CUSTOMER", "SCANNER", "ORGANIZER", "ADMIN", "OPERATOR", "peer"]
ADMITTED = {
    Who.ANYONE: {"nobody", "guest", "CUSTOMER", "SCANNER", "ORGANIZER", "ADMIN", "peer"},
    Who.BUYER: {"guest", "CUSTOMER", "SCANNER", "ORGANIZER", "ADMIN"},
    Who.USER: {"CUSTOMER", "SCANNER", "ORGANIZER", "ADMIN"},
    Who.SCANNER: {"SCANNER", "ORGANIZER", "ADMIN"},
    Who.ORGANIZER: {"ORGANIZER", "ADMIN"},
    Who.ADMIN: {"ADMIN"},
    Who.PEER: {"peer"},
}


@pytest.mark.parametrize("who", ADMITTED)
@pytest.mark.parametrize("caller", EVERYBODY)
async def test_each_door_admits_whom_the_table_says(world: World, who: Who, caller: str) -> None:
    match caller:
        case "nobody":
            credentials: dict[str, Any] = {}
        case "guest":
            credentials = {"guest": world.guest()}
        case "peer":
            credentials = {"token": world.peer()}
        case "OPERATOR":
            credentials = {"token": world.token("OPERATOR", None)}
        case _:
            credentials = {"token": world.token(caller)}

    answer = await world.send("GET", f"/for/{who.value}", **credentials)

    refused = 401 if caller == "nobody" else 403
    assert answer.status == (200 if caller in ADMITTED[who] else refused)


async def test_an_operator_works_on_the_platform_host_only(world: World) -> None:
    token = world.token("OPERATOR", None)

    assert (await world.send("GET", "/api/tenants", token=token, host="platform.localhost")).status == 200
    assert (await world.send("GET", "/api/things", token=token)).code == "wrong_tenant"
    assert (await world.send("GET", "/api/tenants", token=world.token(), host="platform.localhost")).status == 403
    assert (await world.send("GET", "/api/tenants", host="platform.localhost")).status == 401


async def test_a_missing_and_a_bad_credential_are_told_apart(world: World) -> None:
    missing = await world.send("POST", "/api/things", json={"seats": []})
    bad = await world.send("GET", "/api/things", token="x.y.z")
    basic = await world.send("GET", "/api/things", headers={"Authorization": "Basic YTpi"})

    assert (missing.status, missing.code) == (401, "unauthenticated")
    assert (bad.status, bad.code) == (basic.status, basic.code) == (401, "invalid_token")
    assert all("Bearer" in answer.headers["www-authenticate"] for answer in (missing, bad, basic))


async def test_authorization_decides_when_a_guest_token_comes_too(world: World) -> None:
    both = await world.send("GET", "/for/buyer", token=world.token(), guest="nonsense")
    bad = await world.send("GET", "/for/buyer", token="nonsense", guest=world.guest())

    assert both.json["caller"].startswith("user:")
    assert bad.status == 401


async def test_a_service_token_for_another_service_is_refused(world: World) -> None:
    assert (await world.send("GET", "/for/peer", token=world.peer("bookings"))).status == 401


@pytest.mark.parametrize("key", ["a" * 256, "with space", "ä", "", "tab\t"])
async def test_a_bad_idempotency_key_is_refused(world: World, key: str) -> None:
    answer = await world.send("POST", "/api/strict", token=world.token(), headers={"Idempotency-Key": key})

    assert (answer.status, answer.code) == (400, "idempotency_key_invalid")


async def test_an_idempotency_key_can_be_required(world: World) -> None:
    without = await world.send("POST", "/api/strict", token=world.token())
    longest = await world.send("POST", "/api/strict", token=world.token(), headers={"Idempotency-Key": "~" * 255})

    assert (without.status, without.code) == (400, "idempotency_key_required")
    assert longest.json["key"] == "~" * 255


async def test_an_idempotency_key_is_ignored_where_it_means_nothing(world: World) -> None:
    token = world.token()

    for method, path, credential in (
        ("POST", "/api/reasons", None), ("POST", "/api/auth/login", token), ("GET", "/api/things", token),
    ):  # fmt: skip
        answer = await world.send(method, path, token=credential, headers={"Idempotency-Key": "not valid"})
        assert (answer.status, answer.json["key"]) == (200, None)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200), ("Application/JSON", 200), ("application/json; charset=UTF-8", 200),
        ("application/json;charset=latin-1", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415), ("application/jsonp", 415), ("", 415),
    ],
)  # fmt: skip
async def test_a_body_is_json_and_says_so(world: World, content_type: str, status: int) -> None:
    answer = await world.send(
        "POST", "/api/things", token=world.token(), body=b'{"seats": []}', headers={"Content-Type": content_type}
    )

    assert answer.status == status


async def test_a_compressed_body_is_refused(world: World) -> None:
    headers = {"Content-Encoding": "gzip"}

    answer = await world.send("POST", "/api/things", token=world.token(), json={"seats": []}, headers=headers)

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused_before_it_has_all_come(world: World) -> None:
    json = {"Content-Type": "application/json"}
    token = world.token()

    announced = await world.send("POST", "/api/things", token=token, headers=json | {"Content-Length": "262145"})
    at_once = await world.send("POST", "/api/things", token=token, headers=json, body=b" " * 262_145)
    in_parts = await world.send(
        "POST", "/api/things", token=token, headers=json, body=[b" " * 200_000, b" " * 200_000], disconnect=True
    )

    assert [(each.status, each.code) for each in (announced, at_once, in_parts)] == [(413, "too_large")] * 3


async def test_a_body_may_come_in_parts(world: World) -> None:
    parts = [b'{"sea', b'ts": [1', b"]}"]

    answer = await world.send(
        "POST", "/api/things", token=world.token(), body=parts, headers={"Content-Type": "application/json"}
    )

    assert answer.json["body"] == {"seats": [1]}


async def test_a_client_that_goes_away_gets_no_answer(world: World) -> None:
    answer = await request(
        world.app, "POST", "/api/reasons", host=f"{world.tenant.slug}.localhost", body=[b'{"rea'], disconnect=True,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert answer is None


async def test_a_bad_body_is_refused_by_its_path(world: World) -> None:
    wrong = await world.send("POST", "/api/things", token=world.token(), json={"seats": [1, "two"]})
    broken = await world.send(
        "POST", "/api/things", token=world.token(), body=b"{", headers={"Content-Type": "application/json"}
    )

    assert (wrong.status, wrong.code, wrong.json["errors"][0]["path"]) == (422, "invalid_body", "seats[1]")
    assert (broken.status, broken.code) == (400, "malformed_body")


async def test_a_body_may_be_left_out_where_nothing_in_it_is_required(world: World) -> None:
    assert (await world.send("POST", "/api/reasons")).json["body"] == {"reason": "none"}
    assert (await world.send("POST", "/api/things", token=world.token())).status == 415


async def test_a_raw_body_is_left_as_it_came(world: World) -> None:
    kept = await world.send("POST", "/api/hooks", body=b"\xff not json", headers={"Content-Type": "text/plain"})
    large = await world.send("POST", "/api/hooks", body=b"x" * 101)

    assert (kept.json["bytes"], kept.json["body"]) == (10, None)
    assert large.status == 413


async def test_a_query_is_read_into_its_type(world: World) -> None:
    answer = await world.send("GET", "/api/things", query="limit=7&q=%C3%A4%20+b&status=A&status=B&utm=1")

    assert answer.json["query"] == {"limit": 7, "cursor": None, "q": "ä  b", "status": ["A", "B"]}


@pytest.mark.parametrize(
    ("query", "path"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
     ("limit=1&limit=2", "limit"), ("limit=" + "9" * 5_000, "limit"), ("&".join("x=1" for _ in range(101)), "")],
)  # fmt: skip
async def test_a_bad_parameter_is_named(world: World, query: str, path: str) -> None:
    answer = await world.send("GET", "/api/things", query=query)

    assert (answer.status, answer.code) == (422, "invalid_query")
    assert answer.json["errors"][0]["path"] == path


@pytest.mark.parametrize("text", ["%00", "%FF", "%ED%A0%80", "%", "%zz", "'; DROP TABLE users; --", "{{7*7}}"])
async def test_any_text_is_a_search(world: World, text: str) -> None:
    answer = await world.send("GET", "/api/things", query=f"q={text}")

    assert answer.status == 200
    assert "\x00" not in answer.json["query"]["q"]


async def test_a_refusal_is_a_problem_document(world: World) -> None:
    answer = await world.send("GET", "/api/refused")

    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "/problems/seat_unavailable", "title": "Conflict", "status": 409, "detail": "These seats are gone.",
        "code": "seat_unavailable", "seats": [1, 2],
    }  # fmt: skip


async def test_a_fault_tells_nothing_but_its_request(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await world.send("GET", "/api/failed")

    assert (answer.status, answer.code) == (500, "internal")
    assert b"hunter2" not in answer.content
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" in str([entry["exc_info"] for entry in logs if entry["event"] == "fault"])


async def test_a_restarting_database_means_try_again(world: World) -> None:
    answer = await world.send("GET", "/api/restarting")

    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_stopped_database_means_try_again() -> None:
    with pytest.raises(OSError, match=r".") as fault:
        await asyncpg.connect(host="127.0.0.1", port=1, timeout=2)

    refusal = passing(fault.value)

    assert refusal is not None
    assert refusal.status == 503


async def test_an_answer_may_have_no_body(world: World) -> None:
    answer = await world.send("DELETE", f"/api/things/{ID}")

    assert (answer.status, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_an_answer_may_be_a_stream(world: World) -> None:
    answer = await world.send("GET", "/api/stream")

    assert answer.content == b"a,b\r\n1,2\r\n"
    assert answer.headers["content-type"] == "text/csv"


async def test_a_request_id_and_trace_are_kept_when_well_formed_and_leave_with_the_request(world: World) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"

    kept = await world.send("GET", "/api/things", headers={"X-Request-Id": "r-1", "traceparent": trace})
    forged = await world.send("GET", "/api/things", headers={"X-Request-Id": "a\x1b[31m b", "traceparent": "x"})

    assert kept.headers["x-request-id"] == kept.json["request_id"] == "r-1"
    assert kept.json["log"] == {"request_id": "r-1", "traceparent": trace, "tenant": world.tenant.slug}
    assert UUID(forged.headers["x-request-id"])
    assert "traceparent" not in forged.json["log"]
    assert structlog.contextvars.get_contextvars() == {}


async def test_requests_at_the_same_time_keep_their_own_names(
    world: World, directory: Directory, new_tenant: NewTenant
) -> None:
    other = replace(world, tenant=await new_tenant())
    await directory.refresh()

    answers = await asyncio.gather(
        *(
            each.send("GET", "/api/things", headers={"X-Request-Id": f"r{n}"})
            for n in range(20)
            for each in (world, other)
        )
    )

    logged = [(answer.json["log"]["request_id"], answer.json["log"]["tenant"]) for answer in answers]
    assert logged == [(f"r{n}", each.tenant.slug) for n in range(20) for each in (world, other)]


async def test_a_service_has_a_lifespan_and_no_sockets(world: World) -> None:
    sent: list[str] = []
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(incoming, "websocket.connect")}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await world.app({"type": "lifespan"}, receive, send)
    await world.app({"type": "websocket"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
