"""The audit of what operators do: to dead letters in the same transaction, elsewhere as the other services tell it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from boxoffice.kernel import dead_letters, retries
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Received
from boxoffice.messages import OperatorIntervened, TenantResumed, TenantSuspended
from boxoffice.operations import store
from boxoffice.operations.store import Entry

SAGA_ACTS = {"retry": "retried", "compensation": "compensated", "refund-evidence": "refund_recorded"}


# ── what other services tell ─────────────────────────────────────────────────────────────────────────────────────────
async def intervened(tx: Tx, batch: Sequence[Received[OperatorIntervened]]) -> None:
    for m in batch:
        action = f"saga.{SAGA_ACTS.get(m.body.act, m.body.act)}"
        await _note(tx, m, m.body.operator, action, {"detail": m.body.detail} if m.body.detail else {})


async def suspended(tx: Tx, batch: Sequence[Received[TenantSuspended]]) -> None:
    for m in batch:
        if m.body.operator is not None:
            await _note(tx, m, m.body.operator, "tenant.suspended", {"strict": m.body.strict})


async def resumed(tx: Tx, batch: Sequence[Received[TenantResumed]]) -> None:
    for m in batch:
        await _note(tx, m, m.body.operator, "tenant.resumed", {})


async def _note(tx: Tx, told_by: Received[Any], operator: UUID, action: str, detail: dict[str, Any]) -> None:
    entry = Entry(
        id=told_by.id, at=told_by.envelope.time, operator=operator, action=action, subject=str(told_by.body.subject),
        detail={"tenant_id": tx.tenant.id, "tenant": tx.tenant.slug, **detail},
    )  # fmt: skip
    await store.add(tx, tx.tenant.id, entry)


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def redrive(tx: Tx, operator: UUID, letter_id: UUID) -> None:
    """Have a dead letter tried again, before its successors. Raises NotFound `dead_letter_not_found`."""
    await _settle(tx, operator, letter_id, "dead_letter.redriven", retries.redrive)


async def discard(tx: Tx, operator: UUID, letter_id: UUID) -> None:
    """Give a dead letter up; its successors go on. Raises NotFound `dead_letter_not_found`."""
    await _settle(tx, operator, letter_id, "dead_letter.discarded", retries.discard)


async def _settle(
    tx: Tx, operator: UUID, letter_id: UUID, action: str, act: Callable[[Any, UUID], Awaitable[bool]]
) -> None:
    letter = await dead_letters.find(tx.db, letter_id)
    if letter is None or not await act(tx.db, letter_id):
        raise NotFound("dead_letter_not_found", "There is no such dead letter, or no longer.")
    detail = {
        "tenant_id": letter.tenant_id, "group": letter.group, "type": letter.type, "message_subject": letter.subject,
        "error": letter.error,
    }  # fmt: skip
    entry = Entry(id=uuid7(), at=tx.now, operator=operator, action=action, subject=str(letter_id), detail=detail)
    await store.add(tx, letter.tenant_id, entry)
