"""The sender: due notices become mails, each recorded on its own as soon as the mail server has taken it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from boxoffice.kernel import timers
from boxoffice.kernel.database import Database
from boxoffice.kernel.errors import NotFound, Refusal
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due, Timer
from boxoffice.messages import Purchase
from boxoffice.notifications import store
from boxoffice.notifications.actions import SEND
from boxoffice.notifications.domain import EMAIL, Notice, Values, completed, pause, wanted_purchase
from boxoffice.notifications.rendering import Templates
from boxoffice.notifications.sender import Mail, MailServer, Post, Refused, ServerUnusable
from boxoffice.notifications.store import Queued

ERROR_LENGTH = 500
CONNECTIONS_MAX = 3  # in one batch; a server that breaks as many does not get better by more
FindPurchase = Callable[[Tenant, UUID], Awaitable[Purchase]]
log = structlog.get_logger("notifications")


@dataclass(frozen=True)
class Round:
    """One batch of due notices of one tenant."""

    database: Database
    tenant: Tenant
    timer_of: Mapping[UUID, Due]


@dataclass(frozen=True)
class Sending:
    """Sends what is due. Without a mail server, and for text messages, it puts everything into the mailbox."""

    templates: Templates
    server: MailServer | None
    find_purchase: FindPurchase
    public_url: str  # of a tenant, with {slug} in it
    attempts_max: int
    first_pause: timedelta

    async def send(self, database: Database, tenant: Tenant, due: Sequence[Due]) -> None:
        timer_of = {timer.id: timer for timer in due}
        async with database.transaction(tenant) as tx:
            waiting = await store.attempt(tx, list(timer_of))
            over = timer_of.keys() - {mail.id for mail in waiting}
            await timers.done_all(tx, [timer_of[id] for id in over])
        round_ = Round(database, tenant, timer_of)
        ready = await self._addressed(round_, waiting)
        posted = [mail for mail in ready if self.server is not None and mail.notice.channel == EMAIL]
        await self._keep(round_, [mail for mail in ready if mail not in posted])
        if self.server is not None and posted:
            await self._post(round_, self.server, posted)

    def values(self, tenant: Tenant, notice: Notice) -> Values:
        """A notice's values and what every template may say: the organizer's name and address, the order's link."""
        home = self.public_url.replace("{slug}", tenant.slug)
        order_path = notice.values.get("order_path", "")
        return {
            "organizer": tenant.name, "home_url": home, "console_url": f"{home}/organizer",
            "order_url": f"{home}{order_path}" if isinstance(order_path, str) else home, **notice.values,
        }  # fmt: skip

    async def _addressed(self, round_: Round, waiting: Sequence[Queued]) -> list[Queued]:
        """The notices with their recipients; those about a booking whose buyer is not known yet ask bookings."""
        ready = []
        for mail in waiting:
            booking_id = wanted_purchase(mail.notice)
            try:
                if booking_id is not None:
                    purchase = await self.find_purchase(round_.tenant, booking_id)
                    mail = replace(mail, notice=completed(mail.notice, purchase))  # noqa: PLW2901
                ready.append(mail)
            except Refusal as refusal:
                await self._fail(round_, [mail], str(refusal), final=isinstance(refusal, NotFound))
        return ready

    async def _keep(self, round_: Round, mails: Sequence[Queued]) -> None:
        """Into the mailbox, in one transaction with the record: exactly once."""
        if not mails:
            return
        async with round_.database.transaction(round_.tenant) as tx:
            await store.keep(tx, mails)
            await store.sent(tx, [mail.id for mail in mails])
            await timers.done_all(tx, [round_.timer_of[mail.id] for mail in mails])

    async def _post(self, round_: Round, server: MailServer, mails: Sequence[Queued]) -> None:
        """By the mail server, over one connection. A mail that breaks it waits alone; the others get another one."""
        left, error = list(mails), ""
        for _ in range(CONNECTIONS_MAX):
            in_hand: Queued | None = None
            try:
                async with server.session() as post:
                    while left:
                        in_hand = left.pop(0)
                        await self._post_one(round_, post, in_hand)
                        in_hand = None
                return
            except ServerUnusable as fault:
                error = str(fault)
                if in_hand is None:
                    break
                await self._fail(round_, [in_hand], error, final=False)
        await self._fail(round_, left, error, final=False)

    async def _post_one(self, round_: Round, post: Post, mail: Queued) -> None:
        timer = round_.timer_of[mail.id]
        async with round_.database.transaction(round_.tenant) as tx:
            if not await timers.current(tx.db, [timer]):  # this process slept, and another one took the mail over
                return
        try:
            await post(self._mail(round_.tenant, mail))
        except Refused as fault:
            await self._fail(round_, [mail], str(fault), final=fault.final)
        else:
            async with round_.database.transaction(round_.tenant) as tx:
                await store.sent(tx, [mail.id])
                await timers.done(tx, timer)

    async def _fail(self, round_: Round, mails: Sequence[Queued], error: str, *, final: bool) -> None:
        """Note why these were not sent. They are tried again after a pause, unless that is useless or was enough."""
        if not mails:
            return
        dying = {mail.id for mail in mails if final or mail.attempts >= self.attempts_max}
        async with round_.database.transaction(round_.tenant) as tx:
            await store.failed(tx, [mail.id for mail in mails if mail.id not in dying], error[:ERROR_LENGTH])
            await store.bury(tx, list(dying), error[:ERROR_LENGTH])
            for timer in await timers.done_all(tx, [round_.timer_of[mail.id] for mail in mails]):
                if timer.id not in dying:
                    attempts = next(mail.attempts for mail in mails if mail.id == timer.id)
                    tx.later(Timer(id=timer.id, kind=SEND, at=tx.now + pause(self.first_pause, attempts)))
        for id in dying:
            log.error("notification_dead", id=str(id), tenant=round_.tenant.slug, error=error[:ERROR_LENGTH])

    def _mail(self, tenant: Tenant, mail: Queued) -> Mail:
        try:
            words = self.templates.render(mail.notice.template, self.values(tenant, mail.notice))
        except KeyError as missing:
            raise Refused(f"the template {mail.notice.template} lacks {missing}", final=True) from missing
        name = mail.notice.values.get("name", "")
        return Mail(
            id=mail.id, recipient=mail.notice.recipient, name=name if isinstance(name, str) else "",
            subject=words.subject, text=words.text, html=words.html, sender_name=tenant.name, at=mail.created_at,
        )  # fmt: skip
