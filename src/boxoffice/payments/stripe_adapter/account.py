"""A tenant's keys at Stripe: files in the folder of secrets, read anew each time so that they can be exchanged."""

from dataclasses import dataclass, field
from pathlib import Path


class NoAccount(Exception):
    """The tenant chose Stripe, but nobody has put its key where we look for it."""


@dataclass(frozen=True, slots=True)
class Account:
    """`key` speaks for the tenant; webhooks may be signed with any of `webhook_secrets` (two while one is changed)."""

    key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)

    @property
    def is_live(self) -> bool:
        return "_live_" in self.key


@dataclass(frozen=True, slots=True)
class Accounts:
    """`<slug>.key` has the tenant's secret key; `<slug>.webhook` its webhook secrets, a line each."""

    folder: Path

    def of(self, slug: str) -> Account:
        """The account of a tenant; its key is empty when there is no such file."""
        return Account(
            key=next(iter(_lines(self.folder / f"{slug}.key")), ""),
            webhook_secrets=tuple(_lines(self.folder / f"{slug}.webhook")),
        )


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (FileNotFoundError, NotADirectoryError):
        return []
