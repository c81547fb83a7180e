"""Problems: a refusal survives the wire, and a fault that passes is told from one that does not."""

import asyncpg
import msgspec
import pytest

from boxoffice.doors import problem
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel import errors
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import Malformed, Refusal, Unavailable
from boxoffice.kernel.tenancy import Tenant

REFUSALS = [
    errors.Malformed("malformed_body", "Not JSON."),
    errors.Unauthenticated("unauthenticated", "Who?", {"WWW-Authenticate": "Bearer"}),
    errors.Forbidden("wrong_tenant", "No."),
    errors.NotFound("hold_consumed", "Gone.", booking_id="b-1"),
    errors.MethodNotAllowed("method_not_allowed", "No.", {"Allow": "GET"}),
    errors.Conflict("seat_unavailable", "Taken.", seats=[1], alternatives=[2, 3]),
    errors.TooLarge("too_large", "Too large."),
    errors.UnsupportedMediaType("unsupported_media_type", "No."),
    errors.Invalid("invalid_body", "No.", [{"path": "a", "code": "wrong_type", "detail": "No."}]),
    errors.TooManyRequests("rate_limited", "Slowly.", {"Retry-After": "3"}),
    errors.Unavailable("overloaded", "Later.", 7),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_is_the_same_after_the_wire(refusal: Refusal) -> None:
    content = msgspec.json.encode(problem.document(refusal))
    headers = {name.lower(): value for name, value in refusal.headers.items()}

    told = problem.refusal_of(refusal.status, content, headers)

    assert type(told) is type(refusal)
    assert (told.code, told.detail, told.members) == (refusal.code, refusal.detail, refusal.members)
    assert {name.lower(): value for name, value in told.headers.items()} == headers


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff", b'{"code": 7}'])
def test_an_answer_that_is_no_problem_document_is_still_a_refusal(content: bytes) -> None:
    assert isinstance(problem.refusal_of(502, content, {}), Unavailable)
    assert isinstance(problem.refusal_of(418, content, {}), Malformed)


async def test_a_connection_that_postgresql_ends_means_not_now(
    servers: EmbeddedServers, web_database: Database
) -> None:
    async def lose_the_connection() -> None:
        async with web_database.platform() as tx:
            backend = await tx.db.fetchval("SELECT pg_backend_pid()")
            superuser = await asyncpg.connect(servers.postgres.url("suite"))
            await superuser.execute("SELECT pg_terminate_backend($1, 5000)", backend)
            await superuser.close()
            await tx.db.fetchval("SELECT 1")

    with pytest.raises(Unavailable) as refused:
        await lose_the_connection()

    assert refused.value.__cause__ is not None
    assert problem.passing(refused.value.__cause__) is not None


async def test_a_statement_that_is_wrong_is_a_fault(web_database: Database, tenant: Tenant) -> None:
    async def divide() -> None:
        async with web_database.transaction(tenant) as tx:
            await tx.db.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.PostgresError) as fault:
        await divide()

    assert problem.passing(fault.value) is None
    assert problem.passing(ValueError("no")) is None
