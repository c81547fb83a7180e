"""The doors of notifications on one screen."""

from datetime import timedelta
from uuid import UUID

from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory, Tenant
from boxoffice.messages import (
    BookingCancelled,
    BookingConfirmed,
    BookingExpired,
    BookingFailed,
    EventCancelled,
    EventCreated,
    PaymentFailed,
    Purchase,
    TenantCreated,
    UserRegistered,
)
from boxoffice.notifications import actions, domain
from boxoffice.notifications.actions import SEND, telling, telling_organizers
from boxoffice.notifications.api import DeadList, MailList, MailView, NotificationDoors, Search, TemplateList
from boxoffice.notifications.mailbox import Emptying, Pages
from boxoffice.notifications.rendering import Templates
from boxoffice.notifications.sender import MailServer
from boxoffice.notifications.sending import Sending


def build(
    *,
    database: Database,
    directory: Directory,
    peers: Peers,
    keyring: Keyring,
    public_url: str,
    smtp_url: str = "",
    mail_from: str = "tickets@localhost",
    attempts_max: int = 40,
    first_pause_seconds: float = 1.0,
) -> Service:
    """Build the service. `public_url` is a tenant's address with {slug} in it; no `smtp_url`: mail is kept."""

    async def find_purchase(tenant: Tenant, booking_id: UUID) -> Purchase:
        answer = await peers.call("bookings", "GET", f"/internal/bookings/{booking_id}/purchase", tenant=tenant)
        return answer.decode(Purchase)

    templates = Templates()
    server = MailServer(smtp_url, mail_from) if smtp_url else None
    sending = Sending(
        templates, server, find_purchase, public_url, attempts_max, timedelta(seconds=first_pause_seconds)
    )  # fmt: skip
    doors = NotificationDoors(database, directory, templates, sending, Pages(), keyring.secret("fingerprint"))
    both = ("text/html", "application/json")
    # fmt: off
    return Service(
        name="notifications",
        routes=[
            Route("GET", "/api/notifications/templates", doors.list_templates, Who.ORGANIZER,
                  "The templates of all mails", {200: TemplateList}),
            Route("GET", "/api/notifications/dead", doors.list_dead, Who.ORGANIZER,
                  "Mails that were given up, and why", {200: DeadList}),
            Route("POST", "/api/notifications/dead/{notification_id}/redrive", doors.send_again, Who.ORGANIZER,
                  "Try a mail again that was given up", {202: None}, refusals=("404 not_found",)),
            Route("GET", "/dev/mail", doors.list_mail, Who.ANYONE,
                  "Mail that would have been sent, while no mail server is configured", {200: MailList},
                  query=Search, host=Host.PLATFORM, produces=both, refusals=("404 not_found",)),
            Route("GET", "/dev/mail/{mail_id}", doors.show_mail, Who.ANYONE,
                  "One mail that would have been sent", {200: MailView},
                  host=Host.PLATFORM, produces=both, refusals=("404 not_found",)),
        ],
        subscriptions=[
            on(BookingConfirmed, telling(domain.booking_confirmed)),
            on(BookingFailed,    telling(domain.booking_failed)),
            on(BookingExpired,   telling(domain.booking_expired)),
            on(BookingCancelled, telling(domain.booking_cancelled)),
            on(PaymentFailed,    telling(domain.payment_failed)),
            on(UserRegistered,   telling(domain.user_registered)),
            on(TenantCreated,    actions.tenant_created),
            on(EventCreated,     telling_organizers(domain.event_created)),
            on(EventCancelled,   telling_organizers(domain.event_cancelled)),
        ],
        senders={SEND: sending.send},
        loops=[Emptying(database).run],
    )
    # fmt: on
