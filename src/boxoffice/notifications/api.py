"""HTTP in, HTTP out: the templates, the mailbox of a platform without a mail server, and what was given up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from boxoffice.kernel import idempotency
from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.errors import NotFound
from boxoffice.kernel.route import Answer, Call, path_id
from boxoffice.kernel.tenancy import Directory
from boxoffice.notifications import actions, store
from boxoffice.notifications.domain import EMAIL
from boxoffice.notifications.mailbox import Letter, Pages
from boxoffice.notifications.rendering import Templates
from boxoffice.notifications.sending import Sending
from boxoffice.notifications.store import Kept

HTML = "text/html; charset=utf-8"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
DEAD_SHOWN = 100


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """One template. `{{ name }}` stands for a value; `values` names those it uses."""

    name: str
    channel: str
    subject: str
    text: str
    html: str
    values: list[str]


class TemplateList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[TemplateView]
    next_cursor: str | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose mail to show, and how many at most."""

    to: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100


class MailView(msgspec.Struct, frozen=True, kw_only=True):
    """One mail as it would have been sent."""

    id: UUID
    to: str
    subject: str
    text: str
    html: str
    at: datetime


class MailList(msgspec.Struct, frozen=True, kw_only=True):
    """The newest mails, newest first."""

    items: list[MailView]


class DeadView(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that was given up, and why."""

    id: UUID
    channel: str
    recipient: str
    template: str
    attempts: int
    last_error: str
    created_at: datetime


class DeadList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[DeadView]


@dataclass(frozen=True)
class NotificationDoors:
    """The endpoints of notifications."""

    database: Database
    directory: Directory
    templates: Templates
    sending: Sending
    pages: Pages
    fingerprint: bytes  # the secret that tells one request from another under the same Idempotency-Key

    async def list_templates(self, call: Call) -> Answer:
        items = [
            TemplateView(
                name=template.name, channel=EMAIL, subject=template.subject, text=template.text, html=template.html,
                values=template.places,
            )
            for template in self.templates.all()
        ]  # fmt: skip
        return Answer(value=TemplateList(items=items))

    async def list_mail(self, call: Call) -> Answer:
        search: Search = call.query
        self._require_mailbox()
        async with self.database.platform() as tx:
            kept = await store.kept(tx, search.to or None, search.limit)
        letters = [await self._letter(mail) for mail in kept]
        if _wants_json(call):
            return Answer(value=MailList(items=[_view(letter) for letter in letters]), headers={"Vary": "Accept"})
        return _page(self.pages.letters(letters, search.to or ""))

    async def show_mail(self, call: Call) -> Answer:
        self._require_mailbox()
        async with self.database.platform() as tx:
            kept = await store.kept_mail(tx, path_id(call, "mail_id"))
        if kept is None:
            raise NotFound("not_found", "There is no such mail.")
        letter = await self._letter(kept)
        if _wants_json(call):
            return Answer(value=_view(letter), headers={"Vary": "Accept"})
        return _page(self.pages.letter(letter))

    async def list_dead(self, call: Call) -> Answer:
        async with self.database.transaction(call.tenant) as tx:
            dead = await store.dead(tx, DEAD_SHOWN)
        items = [
            DeadView(
                id=each.id, channel=each.notice.channel, recipient=each.notice.recipient,
                template=each.notice.template, attempts=each.attempts, last_error=each.last_error,
                created_at=each.created_at,
            )
            for each in dead
        ]  # fmt: skip
        return Answer(value=DeadList(items=items))

    async def send_again(self, call: Call) -> Answer:
        async def work(tx: Tx) -> tuple[int, None]:
            if not await actions.send_again(tx, path_id(call, "notification_id")):
                raise NotFound("not_found", "No notification of this id was given up.")
            return 202, None

        async def render(tx: Tx, resource: str) -> None:
            return None

        return await idempotency.once(self.database, call, self.fingerprint, work, render)

    def _require_mailbox(self) -> None:
        if self.sending.server is not None:
            raise NotFound("not_found", "Mail is sent by a mail server; none is kept here.")

    async def _letter(self, kept: Kept) -> Letter:
        tenant = await self.directory.by_id(kept.tenant_id)
        words = self.templates.render(kept.notice.template, self.sending.values(tenant, kept.notice))
        return Letter(kept.id, kept.notice.recipient, kept.at, words)


def _wants_json(call: Call) -> bool:
    accepted = call.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _page(content: bytes) -> Answer:
    return Answer(content=content, content_type=HTML, headers=dict(PAGE_HEADERS))


def _view(letter: Letter) -> MailView:
    words = letter.words
    return MailView(
        id=letter.id, to=letter.to, subject=words.subject, text=words.text, html=words.html, at=letter.at
    )  # fmt: skip
