"""Dead letters as operators list them, have them tried again and give them up; and the audit that tells who did."""

from uuid import uuid4

import asyncpg
import pytest

from boxoffice.kernel.database import Database
from tests.operations.conftest import Desk
from tests.support.tenancy import NewTenant

NOBODY_S = "0192f000-0000-7000-8000-000000000009"
PARKED = "SELECT dead, attempts FROM platform.retries WHERE grp = $1"
HANDLED = "SELECT count(*) FROM platform.inbox WHERE grp = $1"


def a_group() -> str:
    return f"group-{uuid4().hex[:8]}"


async def test_a_dead_letter_is_listed_with_all_that_helps_to_understand_it(desk: Desk) -> None:
    group = a_group()
    letter = await desk.bury(group)

    answer = await desk.ask("GET", "/api/dead-letters", query=f"group={group}")

    (shown,) = answer.json["items"]
    assert answer.status == 200
    assert shown["id"] == str(letter)
    assert shown["tenant"] == {"id": str(desk.shop.tenant.id), "slug": desk.shop.tenant.slug}
    assert (shown["group"], shown["type"], shown["attempts"]) == (group, "PaymentCompleted", 1)
    assert shown["topic"] == "payment.completed"
    assert shown["error"] == "ValueError('a <b>bad</b> day')"
    assert shown["value"] == {"booking_id": 1}
    assert shown["subject"] == shown["headers"]["subject"]


async def test_a_value_that_is_no_json_is_shown_as_its_bytes(desk: Desk) -> None:
    group = a_group()
    await desk.bury(group, value=b"\xff\x00")

    answer = await desk.ask("GET", "/api/dead-letters", query=f"group={group}")

    assert answer.json["items"][0]["value"] == "/wA="


async def test_dead_letters_come_newest_first_and_page_by_page(desk: Desk) -> None:
    group = a_group()
    buried = [str(await desk.bury(group)) for _ in range(3)]

    first = (await desk.ask("GET", "/api/dead-letters", query=f"group={group}&limit=2")).json
    rest = (
        await desk.ask("GET", "/api/dead-letters", query=f"group={group}&limit=2&cursor={first['next_cursor']}")
    ).json

    assert [letter["id"] for letter in first["items"] + rest["items"]] == buried[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("by", ["slug", "id"])
async def test_dead_letters_of_one_tenant_are_listed_alone(desk: Desk, new_tenant: NewTenant, by: str) -> None:
    group, other = a_group(), await new_tenant()
    await desk.bury(group)
    letter = await desk.bury(group, tenant=other)

    answer = await desk.ask("GET", "/api/dead-letters", query=f"group={group}&tenant={getattr(other, by)}")

    assert [each["id"] for each in answer.json["items"]] == [str(letter)]


async def test_an_unknown_tenant_s_dead_letters_are_not_found(desk: Desk) -> None:
    answers = [
        await desk.ask("GET", path, query=f"tenant={name}")
        for path in ("/api/dead-letters", "/api/reconciliation")
        for name in ("nobody-here", uuid4())
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "tenant_not_found")}


async def test_a_redriven_letter_is_parked_to_be_tried_at_once(desk: Desk, database: Database) -> None:
    group = a_group()
    letter = await desk.bury(group)

    answer = await desk.ask("POST", f"/api/dead-letters/{letter}/redrive")

    left = (await desk.ask("GET", "/api/dead-letters", query=f"group={group}")).json["items"]
    async with database.platform() as tx:
        parked = await tx.db.fetch(PARKED, group)
    assert answer.status == 202
    assert left == []
    assert [tuple(row) for row in parked] == [(False, 0)]


async def test_a_redrive_repeated_with_its_key_is_done_once(desk: Desk) -> None:
    letter = await desk.bury(a_group())

    answers = [await desk.ask("POST", f"/api/dead-letters/{letter}/redrive", key="once") for _ in range(2)]
    again = await desk.ask("POST", f"/api/dead-letters/{letter}/redrive")

    assert [answer.status for answer in answers] == [202, 202]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (again.status, again.code) == (404, "dead_letter_not_found")


async def test_a_discarded_letter_counts_as_handled(desk: Desk, database: Database) -> None:
    group = a_group()
    letter = await desk.bury(group)

    answer = await desk.ask("DELETE", f"/api/dead-letters/{letter}")
    again = await desk.ask("DELETE", f"/api/dead-letters/{letter}")

    async with database.platform() as tx:
        parked, handled = await tx.db.fetch(PARKED, group), await tx.db.fetchval(HANDLED, group)
    assert answer.status == 204
    assert (again.status, again.code) == (404, "dead_letter_not_found")
    assert (list(parked), handled) == ([], 1)


async def test_what_an_operator_does_is_in_the_audit_and_what_was_refused_is_not(desk: Desk) -> None:
    group = a_group()
    redriven, discarded = await desk.bury(group), await desk.bury(group)

    await desk.ask("POST", f"/api/dead-letters/{redriven}/redrive")
    await desk.ask("DELETE", f"/api/dead-letters/{discarded}")
    await desk.ask("DELETE", f"/api/dead-letters/{uuid4()}")

    answer = await desk.ask("GET", "/api/audit")
    own = [entry for entry in answer.json["items"] if entry["operator"] == str(desk.operator_id)]
    assert [(entry["action"], entry["subject"]) for entry in own] == [
        ("dead_letter.discarded", str(discarded)),
        ("dead_letter.redriven", str(redriven)),
    ]
    assert own[0]["detail"]["tenant_id"] == str(desk.shop.tenant.id)
    assert own[0]["detail"]["group"] == group


async def test_the_audit_is_read_page_by_page(desk: Desk) -> None:
    for _ in range(3):
        await desk.ask("DELETE", f"/api/dead-letters/{await desk.bury(a_group())}")

    first = (await desk.ask("GET", "/api/audit", query="limit=2")).json
    rest = (await desk.ask("GET", "/api/audit", query=f"limit=1&cursor={first['next_cursor']}")).json

    times = [entry["at"] for entry in first["items"] + rest["items"]]
    assert len({entry["id"] for entry in first["items"] + rest["items"]}) == 3
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("sql", ["UPDATE platform.audit SET action = 'x'", "DELETE FROM platform.audit"])
async def test_not_even_the_platform_changes_the_audit(database: Database, web_database: Database, sql: str) -> None:
    for opened in (database, web_database):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with opened.platform() as tx:
                await tx.db.execute(sql)


async def test_a_tenant_cannot_read_the_audit(desk: Desk) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with desk.shop.database.transaction(desk.shop.tenant) as tx:
            await tx.db.fetch("SELECT id FROM platform.audit")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/dead-letters"),
        ("POST", f"/api/dead-letters/{NOBODY_S}/redrive"),
        ("DELETE", f"/api/dead-letters/{NOBODY_S}"),
        ("GET", "/api/reconciliation"),
        ("GET", "/api/audit"),
    ],
)
async def test_only_operators_come_in(desk: Desk, method: str, path: str) -> None:
    stranger = await desk.ask(method, path, who={})
    admin = await desk.ask(method, path, who=desk.shop.user("ADMIN"))

    assert (stranger.status, admin.status) == (401, 403)
