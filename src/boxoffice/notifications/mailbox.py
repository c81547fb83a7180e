"""The page /dev/mail: the mailbox of a platform without a mail server."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import structlog

from boxoffice.kernel.database import Database
from boxoffice.notifications import store
from boxoffice.notifications.rendering import FOLDER, Rendered, fill_page

KEPT = timedelta(days=7)
EMPTYING_SECONDS = 3600.0
log = structlog.get_logger("mailbox")
EMPTY = '<p class="empty">Nothing here yet.</p>'


@dataclass(frozen=True, slots=True)
class Letter:
    """A kept mail with its words."""

    id: UUID
    to: str
    at: datetime
    words: Rendered


class Pages:
    """The mailbox's pages."""

    def __init__(self) -> None:
        names = ("mailbox", "mailbox_list", "mailbox_item", "mailbox_mail")
        self._sources = {name: (FOLDER / f"_{name}.html").read_text(encoding="utf-8") for name in names}

    def letters(self, letters: Sequence[Letter], to: str) -> bytes:
        items = "".join(
            fill_page(self._sources["mailbox_item"], {
                "id": str(letter.id), "to": letter.to, "subject": letter.words.subject, "at": _clock(letter.at),
            }, {})
            for letter in letters
        )  # fmt: skip
        return self._page("mailbox_list", {"to": to}, {"items": f"<ul>{items}</ul>" if items else EMPTY})

    def letter(self, letter: Letter) -> bytes:
        return self._page(
            "mailbox_mail",
            {
                "to": letter.to, "to_query": quote(letter.to), "subject": letter.words.subject,
                "at": _clock(letter.at), "html": letter.words.html, "text": letter.words.text,
            },
            {},
        )  # fmt: skip

    def _page(self, name: str, values: dict[str, str], raw: dict[str, str]) -> bytes:
        body = fill_page(self._sources[name], values, raw)
        return fill_page(self._sources["mailbox"], {}, {"body": body}).encode()


@dataclass(frozen=True)
class Emptying:
    """A loop of the worker: mail is kept for a week."""

    database: Database

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self.database.platform() as tx:
                    await store.forget_kept(tx, tx.now - KEPT)
            except Exception as fault:  # the database is away: another hour does not matter
                log.warning("mailbox_not_emptied", fault=repr(fault))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EMPTYING_SECONDS)


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
