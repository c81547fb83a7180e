"""What operators do about dead letters; each act is audited in the transaction that does it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from boxoffice.kernel import dead_letters, retries
from boxoffice.kernel.database import Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.operations import store


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
    await store.add(tx, operator, action, str(letter_id), detail)
