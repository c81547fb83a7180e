"""Auth's decisions: what an address, a name and a password may be, and what a refresh token still earns. Pure."""

import re
import unicodedata
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from uuid import UUID

import msgspec

from boxoffice.auth.common_passwords import COMMON_PASSWORDS
from boxoffice.kernel.errors import Invalid

ACCESS_SECONDS = 900
SESSION_LIFE = timedelta(days=30)
REFRESH_LIFE = timedelta(days=7)
GRACE = timedelta(seconds=10)
PASSWORD_LEAST, PASSWORD_MOST = 8, 128
EMAIL_MOST, LOCAL_MOST, NAME_MOST = 254, 64, 100
EMAIL = re.compile(r'[^\s@<>()\[\]\\,;:"]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W_](?:[\w-]*[^\W_])')

Problem = dict[str, str]


class Role(StrEnum):
    """What a person may do (api.md, "Who")."""

    ADMIN = "ADMIN"
    ORGANIZER = "ORGANIZER"
    SCANNER = "SCANNER"
    CUSTOMER = "CUSTOMER"
    OPERATOR = "OPERATOR"


class Status(StrEnum):
    """Only an ACTIVE account signs in. INVITED: it has no password yet."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who can sign in: a tenant's user, or an operator of the platform."""

    id: UUID
    email: str
    password_hash: str | None
    first_name: str
    last_name: str
    role: Role
    status: Status


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody says they are, checked and in normal form."""

    email: str
    first_name: str
    last_name: str


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a refresh token that somebody presents. `session` is its family."""

    session_id: UUID
    session_expires_at: datetime
    session_revoked: bool
    account_active: bool
    expires_at: datetime
    used_at: datetime | None
    successor_used: bool


class Verdict(Enum):
    """What a presented refresh token earns."""

    ROTATE = "a successor"
    REPEAT = "the successor it already had"
    REUSED = "the end of its family"
    DEAD = "nothing"


def judge(token: RefreshToken, now: datetime) -> Verdict:
    """A used token earns its successor once more while that one is unused and the grace lasts: a reply may get lost.

    Anything else that was used before is theft by the one or the other, and ends the family.
    """
    if token.session_revoked or token.session_expires_at <= now or not token.account_active:
        return Verdict.DEAD
    if token.used_at is None:
        return Verdict.ROTATE if now < token.expires_at else Verdict.DEAD
    if not token.successor_used and now - token.used_at <= GRACE:
        return Verdict.REPEAT
    return Verdict.REUSED


def normal_email(text: str) -> str:
    """One spelling for one mailbox: composed, trimmed, lower case."""
    return unicodedata.normalize("NFC", text).strip().lower()


def normal_password(text: str) -> str:
    """One byte string for what a person typed, whatever keyboard composed it (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", text)


def check_person(email: str, first_name: str, last_name: str) -> tuple[Person, list[Problem]]:
    """The person in normal form, and what cannot be accepted of it."""
    person = Person(
        email=normal_email(email),
        first_name=unicodedata.normalize("NFC", first_name).strip(),
        last_name=unicodedata.normalize("NFC", last_name).strip(),
    )
    problems: list[Problem] = []
    if not _is_email(person.email):
        problems.append(_problem("email", "bad_email", "This is not an e-mail address."))
    for path, name in (("first_name", person.first_name), ("last_name", person.last_name)):
        if not 1 <= len(name) <= NAME_MOST:
            problems.append(_problem(path, "bad_length", f"A name has 1 to {NAME_MOST} characters."))
        elif not name.isprintable():
            problems.append(_problem(path, "bad_character", "A name has printable characters only."))
    return person, problems


def check_password(password: str, email: str) -> list[Problem]:
    """What cannot be accepted of a password: its length, and being among the first that anybody would guess."""
    text = normal_password(password)
    if not PASSWORD_LEAST <= len(text) <= PASSWORD_MOST:
        detail = f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters."
        return [_problem("password", "bad_length", detail)]
    guess = text.casefold()
    if guess in COMMON_PASSWORDS or guess in (email, email.partition("@")[0]) or len(set(guess)) == 1:
        return [_problem("password", "too_common", "This password is among the first that are guessed.")]
    return []


def refuse(problems: list[Problem]) -> None:
    """Raise Invalid `invalid_body` when there are problems."""
    if problems:
        raise Invalid("invalid_body", "Some values cannot be accepted.", problems)


def _is_email(text: str) -> bool:
    local = text.rpartition("@")[0]
    sized = len(text) <= EMAIL_MOST and len(local) <= LOCAL_MOST
    return sized and EMAIL.fullmatch(text) is not None and text.isprintable() and "" not in local.split(".")


def _problem(path: str, code: str, detail: str) -> Problem:
    return {"path": path, "code": code, "detail": detail}
