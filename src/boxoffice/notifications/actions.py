"""What notifications does when messages arrive: rows and timers, nothing more."""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from boxoffice.kernel.database import Tx
from boxoffice.kernel.ids import uuid7
from boxoffice.kernel.message import Received
from boxoffice.kernel.service import MessageHandler
from boxoffice.kernel.timers import Timer
from boxoffice.messages import TenantCreated
from boxoffice.notifications import domain, store
from boxoffice.notifications.domain import M, Notice, Organizers, Telling

SEND = "notifications.send"


def telling(describe: Telling[M]) -> MessageHandler[M]:
    """A handler that queues what `describe` makes of each message."""

    async def handler(tx: Tx, batch: Sequence[Received[M]]) -> None:
        await queue(tx, [(message.id, notice) for message in batch for notice in describe(message.body)])

    return handler


def telling_organizers(describe: Callable[[M, Organizers], Iterable[Notice]]) -> MessageHandler[M]:
    """A handler that queues what `describe` makes of each message for the tenant's organizers."""

    async def handler(tx: Tx, batch: Sequence[Received[M]]) -> None:
        organizers = await store.organizers(tx)
        notices = [(message.id, notice) for message in batch for notice in describe(message.body, organizers)]
        await queue(tx, notices)

    return handler


async def tenant_created(tx: Tx, batch: Sequence[Received[TenantCreated]]) -> None:
    """Remember whom to tell about this organizer's affairs, and greet them."""
    for message in batch:
        await store.add_organizer(tx, message.body.admin_email)
    await telling(domain.tenant_created)(tx, batch)


async def queue(tx: Tx, notices: Sequence[tuple[UUID, Notice]]) -> None:
    """Have notices sent; those that their message has made before are left alone."""
    if not notices:
        return
    ids = [uuid7() for _ in notices]
    message_ids = [message_id for message_id, _ in notices]
    message_of = dict(zip(ids, message_ids, strict=True))
    for id in await store.insert(tx, ids, message_ids, [notice for _, notice in notices]):
        tx.continue_trace(id, of=message_of[id])
        tx.later(Timer(id=id, kind=SEND, at=tx.now))


async def send_again(tx: Tx, id: UUID) -> bool:
    """Give a dead notice another chance; False when there is none of this id."""
    revived = await store.revive(tx, id)
    if revived:
        tx.later(Timer(id=id, kind=SEND, at=tx.now))
    return revived
