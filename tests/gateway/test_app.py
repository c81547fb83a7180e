"""The edge: what it lets through, what it adds and takes away, and what it says itself."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory, Tenant, TenantSettings
from boxoffice.kernel.valkey import connect
from tests.support.edge import Edge
from tests.support.tenancy import NewTenant

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVENTS = "/api/events"
HOLDS = "/api/events/0194b1d2-1234-7123-8123-123456789012/holds"


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = connect(servers.valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def edge(directory: Directory, valkey: Redis) -> Edge:
    return Edge(directory, valkey)


def host_of(tenant: Tenant) -> str:
    return f"{tenant.slug}.tickets.example"


@pytest.mark.parametrize("form", ["{}", "{}:8000", "{}.", "{}.:8000"])
async def test_a_host_names_its_tenant_in_any_of_its_forms(edge: Edge, tenant: Tenant, form: str) -> None:
    host = form.format(host_of(tenant))

    plain = await edge.ask("GET", EVENTS, host=host)
    shouted = await edge.ask("GET", EVENTS, host=host.upper())

    assert (plain.status, shouted.status) == (200, 200)
    assert plain.json["service"] == "events"


@pytest.mark.parametrize(
    "host",
    ["nobody.tickets.example", "tickets.example", "a.b.tickets.example", "evil.example", "127.0.0.1", "localhost:8000",
     "tickets.example.evil.example", f"{'a' * 60}.tickets.example", "1st.tickets.example"],
)  # fmt: skip
async def test_an_unknown_host_is_nobodys(edge: Edge, host: str) -> None:
    answer = await edge.ask("GET", EVENTS, host=host)

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "tenant_not_found"


@pytest.mark.parametrize(
    "host", ["", "a b", "acme/x", "acme@evil", "acme\x00", "ü.tickets.example", "[::1]", "a" * 300]
)
async def test_what_cannot_be_a_host_is_refused(edge: Edge, host: str) -> None:
    answer = await edge.ask("GET", EVENTS, host=host)

    assert (answer.status, answer.json["code"]) == (400, "bad_host")


async def test_no_host_and_two_hosts_are_refused(edge: Edge, tenant: Tenant) -> None:
    none = await edge.ask("GET", EVENTS)
    two = await edge.ask("GET", EVENTS, headers=[("host", host_of(tenant)), ("host", host_of(tenant))])

    assert (none.status, none.json["code"]) == (400, "bad_host")
    assert (two.status, two.json["code"]) == (400, "bad_host")


async def test_the_request_targets_authority_must_be_the_host(edge: Edge, tenant: Tenant) -> None:
    same = await edge.ask("GET", EVENTS, host=host_of(tenant), authority=host_of(tenant) + ":80")
    other = await edge.ask("GET", EVENTS, host=host_of(tenant), authority="platform.tickets.example")

    assert same.status == 200
    assert (other.status, other.json["code"]) == (400, "bad_host")


async def test_a_client_cannot_speak_for_the_gateway(edge: Edge, tenant: Tenant) -> None:
    forged = {
        "x-forwarded-for": "10.0.0.1", "x-forwarded-host": "evil.example", "x-user-id": "1", "x-user-role": "ADMIN",
        "x-tenant-id": "other", "forwarded": "for=10.0.0.1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "x-request-id": "mine", "x-http-method-override": "DELETE", "x-original-url": "/internal/x",
    }  # fmt: skip

    answer = await edge.ask("GET", EVENTS, host=host_of(tenant), headers=forged)

    got = answer.json["headers"]
    assert got["x-forwarded-for"] == "203.0.113.7"
    assert got["x-request-id"] == answer.headers["x-request-id"] != "mine"
    assert got["traceparent"] != forged["traceparent"]
    assert not {"x-forwarded-host", "x-user-id", "x-user-role", "x-tenant-id", "forwarded", "x-original-url",
                "x-http-method-override"} & got.keys()  # fmt: skip


@pytest.mark.parametrize("path", ["/internal/guests", "/health/live", "/health/ready", "/metrics", "/api/nothing"])
async def test_what_is_inside_stays_inside(edge: Edge, tenant: Tenant, path: str) -> None:
    for host in (host_of(tenant), "platform.tickets.example"):
        answer = await edge.ask("GET", path, host=host)
        assert (answer.status, answer.json["code"]) == (404, "not_found")


async def test_every_answer_carries_the_security_fields(edge: Edge, tenant: Tenant) -> None:
    served = await edge.ask("GET", EVENTS, host=host_of(tenant))
    refused = await edge.ask("GET", "/api/nothing", host=host_of(tenant))

    for answer in (served, refused):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 36


async def test_a_services_own_policy_is_not_overruled(edge: Edge, tenant: Tenant) -> None:
    edge.echoes["storefront"].headers = [(b"content-security-policy", b"default-src 'self'")]

    answer = await edge.ask("GET", "/", host=host_of(tenant))

    assert answer.headers["content-security-policy"] == "default-src 'self'"


async def test_a_person_is_refused_with_a_page_and_a_program_with_a_problem(edge: Edge, tenant: Tenant) -> None:
    page = await edge.ask("GET", "/", host="nobody.tickets.example", headers=BROWSER)
    problem = await edge.ask("GET", "/", host="nobody.tickets.example", headers={"accept": "application/json"})
    anywhere = await edge.ask("GET", EVENTS, host="nobody.tickets.example", headers=BROWSER)
    api = await edge.ask("GET", "/api/nothing", host=host_of(tenant), headers=BROWSER)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body == b"<h1>404 tenant_not_found None</h1>"
    assert problem.headers["content-type"] == "application/problem+json"
    assert anywhere.headers["content-type"] == "text/html; charset=utf-8"
    assert api.headers["content-type"] == "application/problem+json"


async def test_a_service_s_problem_is_a_page_for_a_person_too(edge: Edge, tenant: Tenant) -> None:
    shop = edge.echoes["storefront"]
    shop.status, shop.members = 404, {"code": "not_found"}
    shop.headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"7")]

    page = await edge.ask("GET", "/nothing", host=host_of(tenant), headers=BROWSER)
    problem = await edge.ask("GET", "/nothing", host=host_of(tenant))

    assert page.body.decode() == f"<h1>404 not_found {tenant.name}</h1>"
    assert page.headers["content-length"] == str(len(page.body))
    assert page.headers["retry-after"] == "7"
    assert "text/html" in page.headers["content-type"]
    assert problem.json["code"] == "not_found"


async def set_status(database: Database, tenant: Tenant, status: str) -> None:
    async with database.platform() as tx:
        await tx.db.execute("UPDATE platform.tenants SET status = $2 WHERE id = $1", tenant.id, status)
        await tx.db.execute("UPDATE platform.directory_version SET version = version + 1")


async def test_a_suspended_organizers_pages_are_closed_and_its_api_decides_door_by_door(
    edge: Edge, tenant: Tenant, database: Database, directory: Directory
) -> None:
    await set_status(database, tenant, "SUSPENDED")
    await directory.refresh()

    page = await edge.ask("GET", "/", host=host_of(tenant), headers=BROWSER)
    api = await edge.ask("GET", "/api/bookings", host=host_of(tenant))

    assert (page.status, page.body) == (403, f"<h1>403 tenant_suspended {tenant.name}</h1>".encode())
    assert api.status == 200


@pytest.mark.parametrize(("status", "code", "answers"), [("PROVISIONING", "tenant_provisioning", 503),
                                                         ("DELETED", "tenant_not_found", 404)])  # fmt: skip
async def test_an_organizer_who_is_not_there_yet_or_no_more_has_no_doors(
    edge: Edge, tenant: Tenant, database: Database, directory: Directory, status: str, code: str, answers: int
) -> None:
    await set_status(database, tenant, status)
    await directory.refresh()

    for path in ("/", "/api/bookings"):
        answer = await edge.ask("GET", path, host=host_of(tenant))
        assert (answer.status, answer.json["code"]) == (answers, code)


async def test_cookies_become_tokens_for_the_api_only(edge: Edge, tenant: Tenant) -> None:
    cookies = {"cookie": "a=b; __Host-access=access.token"}
    guest = {"cookie": "__Host-guest=guest.token"}

    api = await edge.ask("GET", EVENTS, host=host_of(tenant), headers=cookies)
    by_guest = await edge.ask("GET", EVENTS, host=host_of(tenant), headers=guest)
    page = await edge.ask("GET", "/orders", host=host_of(tenant), headers=cookies)

    assert api.json["headers"]["authorization"] == "Bearer access.token"
    assert by_guest.json["headers"]["guest-token"] == "guest.token"
    assert "authorization" not in page.json["headers"]


async def test_a_token_sent_by_itself_wins_over_a_cookie(edge: Edge, tenant: Tenant) -> None:
    headers = {"cookie": "__Host-access=from.cookie", "authorization": "Bearer own"}

    answer = await edge.ask("POST", "/api/bookings", host=host_of(tenant), headers=headers)

    assert answer.status == 200
    assert answer.json["headers"]["authorization"] == "Bearer own"


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({}, False),
        ({"origin": "{own}"}, True),
        ({"origin": "{own}", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "{own}", "sec-fetch-site": "same-site"}, False),
        ({"origin": "http://globex.tickets.example"}, False),
        ({"origin": "https://{host}"}, False),
        ({"origin": "{own}:8000"}, False),
        ({"origin": "null"}, False),
        ({"origin": "{own}.evil.example"}, False),
        ({"referer": "{own}/events"}, False),
    ],
)
@pytest.mark.parametrize(
    ("path", "on_platform"),
    [
        ("/api/bookings", False),
        ("/logout", False),
        ("/api/tenants", True),
        ("/tenants/1/suspension", True),
        ("/dead-letters/1/discard", True),
    ],
)
async def test_a_write_with_cookies_must_come_from_a_page_of_the_same_host(
    edge: Edge, tenant: Tenant, fields: dict[str, str], passes: bool, path: str, on_platform: bool
) -> None:
    host = "platform.tickets.example" if on_platform else host_of(tenant)
    filled = {name: value.format(own=f"http://{host}", host=host) for name, value in fields.items()}

    answer = await edge.ask("POST", path, host=host, headers={"cookie": "__Host-access=x", **filled})

    assert answer.status == (200 if passes else 403)
    assert passes or answer.json["code"] == "wrong_origin"


async def test_signing_in_from_another_site_is_refused_although_no_cookie_is_there_yet(
    edge: Edge, tenant: Tenant
) -> None:
    foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}

    answer = await edge.ask("POST", "/login", host=host_of(tenant), headers=foreign)

    assert (answer.status, answer.json["code"]) == (403, "wrong_origin")


async def test_a_browser_that_becomes_a_guest_by_a_hold_keeps_it_in_a_cookie(edge: Edge, tenant: Tenant) -> None:
    bookings = edge.echoes["bookings"]
    bookings.status, bookings.members = 201, {"guest_token": "guest.token.x"}

    browser = await edge.ask("POST", HOLDS, host=host_of(tenant), headers={"sec-fetch-site": "same-origin"})
    program = await edge.ask("POST", HOLDS, host=host_of(tenant))

    assert browser.headers["set-cookie"].startswith(
        "__Host-guest=guest.token.x; Path=/; Secure; HttpOnly; SameSite=Lax"
    )
    assert browser.json["guest_token"] == "guest.token.x"
    assert "set-cookie" not in program.headers


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_declared_or_counted(edge: Edge, tenant: Tenant, declared: bool) -> None:
    chunks = (b"x" * 200_000, b"x" * 200_000)
    headers = {"content-length": "400000"} if declared else {"transfer-encoding": "chunked"}

    answer = await edge.ask("POST", "/api/bookings", host=host_of(tenant), headers=headers, chunks=chunks)
    plan = await edge.ask("PUT", "/api/events/1/seat-plan", host=host_of(tenant), headers=headers, chunks=chunks)

    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert plan.json["size"] == 400_000


async def test_a_tenants_own_limit_refuses_one_client_and_not_another(
    edge: Edge, new_tenant: NewTenant
) -> None:  # fmt: skip
    tenant = await new_tenant(settings=TenantSettings(rate_limits={"read": 10}))

    answers = [await edge.ask("GET", EVENTS, host=host_of(tenant)) for _ in range(12)]
    other = await edge.ask("GET", EVENTS, host=host_of(tenant), client="203.0.113.8")
    known = await edge.ask("GET", EVENTS, host=host_of(tenant), headers={"authorization": "Bearer good"})
    unknown = await edge.ask("GET", EVENTS, host=host_of(tenant), headers={"authorization": "Bearer bad"})

    assert [answer.status for answer in answers].count(200) == 10
    refused = answers[-1]
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert answers[0].headers["ratelimit-policy"] == '"read";q=10;w=60'
    assert (other.status, known.status, unknown.status) == (200, 200, 429)


async def test_a_tenants_limit_of_zero_lifts_it(edge: Edge, new_tenant: NewTenant) -> None:
    tenant = await new_tenant(settings=TenantSettings(rate_limits={"sign_in": 0}))

    answers = [await edge.ask("POST", "/api/auth/login", host=host_of(tenant)) for _ in range(700)]

    assert {answer.status for answer in answers} == {200}


async def test_a_forwarded_address_counts_only_behind_a_proxy_that_is_trusted(
    directory: Directory, tenant: Tenant
) -> None:  # fmt: skip
    behind = Edge(directory, trusted_proxies="10.0.0.0/8")
    forwarded = {"x-forwarded-for": "198.51.100.1, 198.51.100.2, 10.0.0.9"}

    proxied = await behind.ask("GET", EVENTS, host=host_of(tenant), headers=forwarded, client="10.0.0.1")
    direct = await behind.ask("GET", EVENTS, host=host_of(tenant), headers=forwarded)

    assert proxied.json["headers"]["x-forwarded-for"] == "198.51.100.2"
    assert direct.json["headers"]["x-forwarded-for"] == "203.0.113.7"


async def test_neighbours_in_one_ipv6_network_are_one_client(edge: Edge, tenant: Tenant) -> None:
    first = await edge.ask("GET", EVENTS, host=host_of(tenant), client="2001:db8:1:2::1")
    second = await edge.ask("GET", EVENTS, host=host_of(tenant), client="2001:db8:1:2:ffff::9")

    assert first.json["headers"]["x-forwarded-for"] == second.json["headers"]["x-forwarded-for"] == "2001:db8:1:2::/64"
