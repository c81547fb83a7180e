"""Which message tells whom what."""

import pytest

from boxoffice.kernel.ids import uuid7
from boxoffice.messages import (
    BookingCancelled,
    BookingConfirmed,
    BookingExpired,
    BookingFailed,
    EventCancelled,
    EventCreated,
    PaymentFailed,
    TenantCreated,
    UserRegistered,
)
from boxoffice.notifications import actions, domain
from boxoffice.notifications.actions import telling_organizers
from boxoffice.notifications.rendering import Rendered
from tests.notifications.conftest import PostRoom
from tests.support.purchases import purchase
from tests.support.traffic import deliver

BOUGHT = purchase()
OF = BOUGHT.booking_id


def words(kept_post: PostRoom, notice: domain.Notice) -> Rendered:
    return kept_post.sending.templates.render(notice.template, kept_post.sending.values(kept_post.tenant, notice))


@pytest.mark.parametrize(
    ("notices", "subject", "said"),
    [
        (domain.booking_confirmed(BookingConfirmed(booking_id=OF, purchase=BOUGHT)),
         "Your tickets for An evening with strings (K7QX2M)", "Total: €90.00"),
        (domain.booking_confirmed(BookingConfirmed(booking_id=OF, purchase=BOUGHT, late=True)),
         "Your tickets for An evening with strings after all (K7QX2M)", "still free"),
        (domain.booking_failed(BookingFailed(booking_id=OF, purchase=BOUGHT, reason="PAYMENT_DECLINED")),
         "Your payment for An evening with strings was declined", "nothing was charged"),
        (domain.booking_failed(BookingFailed(booking_id=OF, purchase=BOUGHT, reason="LATE_PAYMENT")),
         "Your payment for An evening with strings came too late and goes back", "returned the whole amount"),
        (domain.booking_expired(BookingExpired(booking_id=OF, purchase=BOUGHT)),
         "Your seats for An evening with strings were not paid in time", "Nothing was charged"),
        (domain.booking_cancelled(
            BookingCancelled(booking_id=OF, purchase=BOUGHT, reason="USER_CANCELLED", refunded_minor=8_100)),
         "Your booking for An evening with strings is cancelled (K7QX2M)", "€81.00 goes back"),
        (domain.booking_cancelled(
            BookingCancelled(booking_id=OF, purchase=BOUGHT, reason="EVENT_CANCELLED", refunded_minor=0)),
         "Your booking for An evening with strings is cancelled (K7QX2M)", "will not take place"),
    ],
)  # fmt: skip
def test_a_buyer_is_told(kept_post: PostRoom, notices: list[domain.Notice], subject: str, said: str) -> None:
    [notice] = notices

    told = words(kept_post, notice)

    assert notice.recipient == "ada@example.org"
    assert told.subject == subject
    assert said in told.text
    assert "Ada Lovelace" in told.text
    assert "Ada Lovelace" in told.html


def test_a_new_customer_is_welcomed(kept_post: PostRoom) -> None:
    [notice] = domain.user_registered(UserRegistered(user_id=uuid7(), email="bo@example.org", first_name="Bo"))

    assert notice.recipient == "bo@example.org"
    assert words(kept_post, notice).subject == f"Welcome to {kept_post.tenant.name}, Bo"


def test_a_final_decline_is_left_to_the_booking_that_failed() -> None:
    declined = PaymentFailed(booking_id=OF, attempt=1, retryable=False, reason="card_declined")

    assert domain.payment_failed(declined) == []


async def test_organizers_are_told_about_their_events(kept_post: PostRoom, address: str) -> None:
    created = TenantCreated(
        tenant_id=kept_post.tenant.id, slug=kept_post.tenant.slug, name=kept_post.tenant.name, admin_email=address
    )  # fmt: skip
    event_id = uuid7()

    database, tenant = kept_post.database, kept_post.tenant
    await deliver(database, tenant, actions.tenant_created, created)
    await deliver(
        database, tenant, telling_organizers(domain.event_created), EventCreated(event_id=event_id, name="Gala")
    )
    await deliver(
        database, tenant, telling_organizers(domain.event_cancelled), EventCancelled(event_id=event_id, name="Gala")
    )
    await kept_post.send()

    kept = await kept_post.mailbox(address)
    subjects = {words(kept_post, mail.notice).subject for mail in kept}
    assert subjects == {f"{kept_post.tenant.name} is open for business", "Draft saved: Gala", "Cancelled: Gala"}


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [(4_500, "EUR", "€45.00"), (123_456, "USD", "$1,234.56"), (1_200, "JPY", "¥1,200"), (1_500, "KWD", "KWD 1.500"),
     (5, "GBP", "£0.05"), (700, "CHF", "CHF 7.00"), (0, "EUR", "€0.00")],
)  # fmt: skip
def test_money_is_shown_as_people_write_it(amount_minor: int, currency: str, shown: str) -> None:
    assert domain.money(amount_minor, currency) == shown


def test_a_time_is_told_where_the_venue_stands() -> None:
    assert domain.moment(BOUGHT.starts_at, "America/New_York") == "Sunday 14 March 2027, 15:00 (New York time)"
    assert domain.moment(BOUGHT.starts_at, "Nowhere/At_all") == "Sunday 14 March 2027, 19:00 (UTC time)"
