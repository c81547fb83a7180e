"""The audit: what operators do to sagas and tenants is told by the services that did it, and written down once."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.ids import uuid7
from boxoffice.messages import TenantResumed, TenantSuspended
from tests.operations.conftest import Desk
from tests.operations.test_comparing import sold
from tests.support.tenancy import NewTenant

WRITE = """
    INSERT INTO platform.audit (id, at, operator, action, subject, detail, tenant_id)
    VALUES ($1, now(), $1, 'saga.retried', 'x', '{}', $2)
"""


async def audit(desk: Desk) -> list[dict[str, Any]]:
    """What this desk's operator did, the first act first."""
    items = (await desk.ask("GET", "/api/audit")).json["items"]
    return [entry for entry in reversed(items) if entry["operator"] == str(desk.operator_id)]


async def test_what_an_operator_does_to_a_saga_is_in_the_audit_once(desk: Desk) -> None:
    booking, key = await sold(desk, 3), str(uuid7())
    path = f"/api/sagas/{booking}/compensation"

    answers = [
        await desk.ask("POST", path, {"reason": "It was a fraud"}, key=key, service="bookings") for _ in range(2)
    ]
    await desk.shop.settle()

    assert [answer.status for answer in answers] == [202, 202]
    (entry,) = await audit(desk)
    assert (entry["action"], entry["subject"]) == ("saga.compensated", str(booking))
    assert entry["detail"] == {
        "tenant_id": str(desk.shop.tenant.id), "tenant": desk.shop.tenant.slug, "detail": "It was a fraud",
    }  # fmt: skip


async def test_what_was_refused_is_not_in_the_audit(desk: Desk) -> None:
    booking = await sold(desk, 3)
    evidence = {"refund_id": str(uuid4()), "evidence": "transfer 4711"}

    answers = [
        await desk.ask("POST", f"/api/sagas/{booking}/{act}", body, service="bookings")
        for act, body in (("retry", None), ("refund-evidence", evidence))
    ]
    await desk.shop.settle()

    assert [answer.code for answer in answers] == ["nothing_to_retry", "refund_not_found"]
    assert await audit(desk) == []


async def test_asking_for_a_refund_again_and_returning_it_by_hand_are_in_the_audit(desk: Desk) -> None:
    booking = await sold(desk, 3)
    saga = f"/api/sagas/{booking}"
    await desk.ask("POST", f"{saga}/compensation", {"reason": "fraud"}, service="bookings")
    (refund,) = (await desk.ask("GET", saga, service="bookings")).json["refunds"]

    await desk.ask("POST", f"{saga}/retry", service="bookings")
    evidence = {"refund_id": refund["id"], "evidence": "transfer 4711"}
    await desk.ask("POST", f"{saga}/refund-evidence", evidence, service="bookings")
    await desk.shop.settle()

    assert [(entry["action"], entry["detail"].get("detail")) for entry in await audit(desk)] == [
        ("saga.compensated", "fraud"), ("saga.retried", None), ("saga.refund_recorded", "transfer 4711"),
    ]  # fmt: skip


async def test_suspending_and_resuming_a_tenant_are_in_the_audit(desk: Desk) -> None:
    tenant = desk.shop.tenant.id

    await desk.shop.hear(
        "operations",
        TenantSuspended(tenant_id=tenant, strict=True, operator=desk.operator_id),
        TenantResumed(tenant_id=tenant, operator=desk.operator_id),
    )

    told = [(entry["action"], entry["subject"], entry["detail"].get("strict")) for entry in await audit(desk)]
    assert told == [("tenant.suspended", str(tenant), True), ("tenant.resumed", str(tenant), None)]


async def test_a_tenant_s_transaction_writes_no_other_tenant_s_audit(
    desk: Desk, database: Database, new_tenant: NewTenant
) -> None:
    other = await new_tenant()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(desk.shop.tenant) as tx:
            await tx.db.execute(WRITE, uuid7(), other.id)
