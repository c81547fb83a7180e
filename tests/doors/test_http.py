"""HTTP: what a request must pass before an endpoint sees it, and how every refusal looks."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from boxoffice.doors.problem import passing
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Who
from boxoffice.kernel.tenancy import Directory, Status, Tenant
from tests.support.sample import ID, Sample, open_sample
from tests.support.tenancy import NewTenant


@pytest.fixture
async def sample(tmp_path: Path, directory: Directory, tenant: Tenant) -> Sample:
    return await open_sample(tmp_path, directory, tenant)


async def set_status(database: Database, directory: Directory, tenant: Tenant, status: Status) -> None:
    async with database.platform() as tx:
        await tx.db.execute("UPDATE platform.tenants SET status = $2 WHERE id = $1", tenant.id, status.value)
        await tx.db.execute("UPDATE platform.directory_version SET version = version + 1")
    await directory.refresh()


async def test_a_request_reaches_its_endpoint_resolved_and_parsed(sample: Sample) -> None:
    token = sample.token()

    answer = await sample.send(
        "POST", "/api/things", token=token, json={"seats": [1, 2]}, headers={"Idempotency-Key": "k-1"}
    )

    seen = answer.json
    assert answer.status == 200
    assert (seen["tenant"], seen["body"], seen["key"]) == (sample.tenant.slug, {"seats": [1, 2]}, "k-1")
    assert seen["route"] == "POST /api/things"
    assert seen["caller"].startswith("user:")
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("spelling", ["{slug}.localhost:8000", "{slug}.localhost.", "{SLUG}.LOCALHOST"])
async def test_a_hosts_spelling_does_not_matter(sample: Sample, spelling: str) -> None:
    host = spelling.format(slug=sample.tenant.slug, SLUG=sample.tenant.slug.upper())

    answer = await sample.send("GET", "/api/things", host=host)

    assert answer.json["tenant"] == sample.tenant.slug


@pytest.mark.parametrize("host", ["nobody-here.localhost", "localhost", "evil.com", "a.b.localhost", "x_y.localhost"])
async def test_an_unknown_host_has_no_organizer(sample: Sample, host: str) -> None:
    answer = await sample.send("GET", "/api/things", host=host)

    assert (answer.status, answer.code) == (404, "tenant_not_found")


async def test_headers_by_which_a_client_could_choose_its_tenant_are_ignored(sample: Sample) -> None:
    forged = {"X-Forwarded-Host": "globex.localhost", "X-Tenant-Id": "globex", "X-HTTP-Method-Override": "DELETE"}

    answer = await sample.send("GET", "/api/things", headers=forged)

    assert answer.json["tenant"] == sample.tenant.slug


@pytest.mark.parametrize("path", ["/", "/api", "/api/things/", "/api/things/7", "/api/tenants", "/api//things"])
async def test_an_unknown_path_is_not_found(sample: Sample, path: str) -> None:
    answer = await sample.send("GET", path)

    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_wrong_method_names_the_right_ones(sample: Sample) -> None:
    answer = await sample.send("PUT", "/api/things")

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_head_answers_like_get_without_the_body(sample: Sample) -> None:
    answer = await sample.send("HEAD", f"/api/things/{ID}")

    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(ID) + 2)


async def test_an_id_in_the_path_is_a_uuid(sample: Sample) -> None:
    assert (await sample.send("GET", f"/api/things/{ID.upper()}")).json == ID
    assert (await sample.send("GET", "/api/things/1%27%20OR%201=1")).status == 404


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (Status.SUSPENDED, 403, "tenant_suspended"),
        (Status.PROVISIONING, 503, "tenant_provisioning"),
        (Status.DELETED, 404, "tenant_not_found"),
    ],
)
async def test_a_tenant_that_does_not_serve_refuses(
    sample: Sample, database: Database, directory: Directory, status: Status, answered: int, code: str
) -> None:
    await set_status(database, directory, sample.tenant, status)

    answer = await sample.send("GET", "/api/things")

    assert (answer.status, answer.code) == (answered, code)


async def test_some_doors_stay_open_while_a_tenant_is_suspended(
    sample: Sample, database: Database, directory: Directory
) -> None:
    await set_status(database, directory, sample.tenant, Status.SUSPENDED)

    assert (await sample.send("GET", "/api/tickets")).status == 200
    assert (await sample.send("POST", "/api/things", token=sample.token(), json={"seats": []})).status == 403


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
async def test_each_door_admits_whom_the_table_says(sample: Sample, who: Who, caller: str) -> None:
    match caller:
        case "nobody":
            credentials: dict[str, Any] = {}
        case "guest":
            credentials = {"guest": sample.guest()}
        case "peer":
            credentials = {"token": sample.peer()}
        case "OPERATOR":
            credentials = {"token": sample.token("OPERATOR", None)}
        case _:
            credentials = {"token": sample.token(caller)}

    answer = await sample.send("GET", f"/for/{who.value}", **credentials)

    refused = 401 if caller == "nobody" else 403
    assert answer.status == (200 if caller in ADMITTED[who] else refused)


async def test_an_operator_works_on_the_platform_host_only(sample: Sample) -> None:
    token = sample.token("OPERATOR", None)

    assert (await sample.send("GET", "/api/tenants", token=token, host="platform.localhost")).status == 200
    assert (await sample.send("GET", "/api/things", token=token)).code == "wrong_tenant"
    assert (await sample.send("GET", "/api/tenants", token=sample.token(), host="platform.localhost")).status == 403
    assert (await sample.send("GET", "/api/tenants", host="platform.localhost")).status == 401


async def test_a_missing_and_a_bad_credential_are_told_apart(sample: Sample) -> None:
    missing = await sample.send("POST", "/api/things", json={"seats": []})
    bad = await sample.send("GET", "/api/things", token="x.y.z")
    basic = await sample.send("GET", "/api/things", headers={"Authorization": "Basic YTpi"})

    assert (missing.status, missing.code) == (401, "unauthenticated")
    assert (bad.status, bad.code) == (basic.status, basic.code) == (401, "invalid_token")
    assert all("Bearer" in answer.headers["www-authenticate"] for answer in (missing, bad, basic))


async def test_authorization_decides_when_a_guest_token_comes_too(sample: Sample) -> None:
    both = await sample.send("GET", "/for/buyer", token=sample.token(), guest="nonsense")
    bad = await sample.send("GET", "/for/buyer", token="nonsense", guest=sample.guest())

    assert both.json["caller"].startswith("user:")
    assert bad.status == 401


async def test_a_service_token_for_another_service_is_refused(sample: Sample) -> None:
    assert (await sample.send("GET", "/for/peer", token=sample.peer("bookings"))).status == 401


async def test_a_refusal_is_a_problem_document(sample: Sample) -> None:
    answer = await sample.send("GET", "/api/refused")

    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "/problems/seat_unavailable", "title": "Conflict", "status": 409, "detail": "These seats are gone.",
        "code": "seat_unavailable", "seats": [1, 2],
    }  # fmt: skip


async def test_a_fault_tells_nothing_but_its_request(sample: Sample) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await sample.send("GET", "/api/failed")

    assert (answer.status, answer.code) == (500, "internal")
    assert b"hunter2" not in answer.content
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" in str([entry["exc_info"] for entry in logs if entry["event"] == "fault"])


async def test_a_restarting_database_means_try_again(sample: Sample) -> None:
    answer = await sample.send("GET", "/api/restarting")

    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_stopped_database_means_try_again() -> None:
    with pytest.raises(OSError, match=r".") as fault:
        await asyncpg.connect(host="127.0.0.1", port=1, timeout=2)

    refusal = passing(fault.value)

    assert refusal is not None
    assert refusal.status == 503


async def test_an_answer_may_have_no_body(sample: Sample) -> None:
    answer = await sample.send("DELETE", f"/api/things/{ID}")

    assert (answer.status, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_an_answer_may_be_a_stream(sample: Sample) -> None:
    answer = await sample.send("GET", "/api/stream")

    assert answer.content == b"a,b\r\n1,2\r\n"
    assert answer.headers["content-type"] == "text/csv"


async def test_a_request_id_and_trace_are_kept_when_well_formed_and_leave_with_the_request(sample: Sample) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"

    kept = await sample.send("GET", "/api/things", headers={"X-Request-Id": "r-1", "traceparent": trace})
    forged = await sample.send("GET", "/api/things", headers={"X-Request-Id": "a\x1b[31m b", "traceparent": "x"})

    assert kept.headers["x-request-id"] == kept.json["request_id"] == "r-1"
    assert kept.json["log"] == {"request_id": "r-1", "traceparent": trace, "tenant": sample.tenant.slug}
    assert UUID(forged.headers["x-request-id"])
    assert "traceparent" not in forged.json["log"]
    assert structlog.contextvars.get_contextvars() == {}


async def test_requests_at_the_same_time_keep_their_own_names(
    sample: Sample, directory: Directory, new_tenant: NewTenant
) -> None:
    other = replace(sample, tenant=await new_tenant())
    await directory.refresh()

    answers = await asyncio.gather(
        *(
            each.send("GET", "/api/things", headers={"X-Request-Id": f"r{n}"})
            for n in range(20)
            for each in (sample, other)
        )
    )

    logged = [(answer.json["log"]["request_id"], answer.json["log"]["tenant"]) for answer in answers]
    assert logged == [(f"r{n}", each.tenant.slug) for n in range(20) for each in (sample, other)]


async def test_a_service_has_a_lifespan_and_no_sockets(sample: Sample) -> None:
    sent: list[str] = []
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(incoming, "websocket.connect")}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await sample.app({"type": "lifespan"}, receive, send)
    await sample.app({"type": "websocket"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
