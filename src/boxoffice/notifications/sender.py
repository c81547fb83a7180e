"""The way to the mail server: what a mail is on the wire, and which of the server's answers are final."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from boxoffice import failpoint

TIMEOUT_SECONDS = 30.0
PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `id` makes its Message-ID, so a repeat is the same mail to whoever receives it."""

    id: UUID
    recipient: str
    name: str
    subject: str
    text: str
    html: str
    sender_name: str
    at: datetime


class ServerUnusable(Exception):
    """The mail server does not answer, or not as one: no mail passes for now."""


class Refused(Exception):
    """The mail server takes other mails, but not this one; `final`: it never will."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


Post = Callable[[Mail], Awaitable[None]]


@dataclass(frozen=True)
class MailServer:
    """Hands mails over by SMTP (RFC 5321); STARTTLS is used wherever the server offers it."""

    url: str
    sender: str

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Post]:
        """One connection; gives the function that sends over it. Raises ServerUnusable."""
        address = urlsplit(self.url)
        client = aiosmtplib.SMTP(
            hostname=address.hostname, port=address.port or (465 if address.scheme == "smtps" else 25),
            username=unquote(address.username) if address.username else None,
            password=unquote(address.password) if address.password else None,
            use_tls=address.scheme == "smtps", timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        try:
            await client.connect()
            yield lambda mail: self._send(client, mail)
            await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            raise ServerUnusable(repr(fault)) from fault
        finally:
            client.close()

    async def _send(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        try:
            with failpoint.around_send():
                await client.send_message(compose(mail, self.sender), sender=self.sender, recipients=[mail.recipient])
        except (ValueError, IndexError, HeaderParseError, aiosmtplib.SMTPNotSupported) as fault:
            raise Refused(f"not a mail: {fault!r}", final=True) from fault
        except aiosmtplib.SMTPRecipientsRefused as fault:
            refusal = fault.recipients[0]
            raise Refused(f"{refusal.code} {refusal.message}", final=refusal.code >= PERMANENT) from fault
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as fault:
            raise Refused(f"{fault.code} {fault.message}", final=fault.code >= PERMANENT) from fault


def compose(mail: Mail, sender: str) -> EmailMessage:
    """The mail as text with an HTML alternative. Raises ValueError for an address that cannot be one."""
    message = EmailMessage(policy=SMTP_POLICY)
    user, _, domain = sender.rpartition("@")
    message["From"] = Address(_one_line(mail.sender_name), user, domain)
    recipient_user, _, recipient_domain = mail.recipient.rpartition("@")
    message["To"] = Address(_one_line(mail.name), recipient_user, recipient_domain)
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = message_id(mail, domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def message_id(mail: Mail, domain: str) -> str:
    """The same for every attempt at this mail to this recipient."""
    recipient = hashlib.sha256(mail.recipient.encode()).hexdigest()[:12]
    return f"<{mail.id}.{recipient}@{domain}>"


def _one_line(text: str) -> str:
    return " ".join(text.split())
