"""The doors of payments on one screen."""

from datetime import timedelta
from pathlib import Path

from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import PageQuery
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Route, Who
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory
from boxoffice.messages import (
    BookingCancelled,
    BookingRequested,
    PaymentCancelRequested,
    RefundRequested,
    TenantChanged,
    TenantCreated,
)
from boxoffice.payments import actions
from boxoffice.payments.actions import CHARGE, REFUND, SETTLE, MethodsOffer
from boxoffice.payments.api import Accepted, AccountPage, Crooked, Methods, OfBooking, PaymentDoors, PaymentsView
from boxoffice.payments.charging import Charging
from boxoffice.payments.deliveries import Deliveries
from boxoffice.payments.provider import Providers
from boxoffice.payments.simulated import Delays, Simulator
from boxoffice.payments.stripe_adapter.account import Accounts
from boxoffice.payments.stripe_adapter.provider import StripeProvider


def build(
    *,
    database: Database,
    bank: Database,
    directory: Directory,
    keyring: Keyring,
    domain: str,
    public_url: str,
    internal_url: str,
    settle_seconds: float = 1.0,
    slow_seconds: float = 30.0,
    captured_late_seconds: float = 20.0,
    stripe_url: str = "https://api.stripe.com",
    stripe_secrets: Path = Path("stripe"),
) -> Service:
    """Build the service. `bank` is the simulated provider's own pool of connections.

    `public_url` is a tenant's address with {slug} in it; `internal_url` is where the platform itself listens;
    `stripe_secrets` is the folder of the tenants' keys at Stripe.
    """
    delays = Delays(timedelta(seconds=slow_seconds), timedelta(seconds=captured_late_seconds))
    simulator = Simulator(bank, keyring.secret("webhook"), delays)
    accounts = Accounts(stripe_secrets)
    providers: Providers = {
        "simulated": lambda tenant: simulator,
        "stripe": lambda tenant: StripeProvider(accounts.of(tenant.slug), stripe_url),
    }
    charging = Charging(providers, timedelta(seconds=settle_seconds), public_url)
    doors = PaymentDoors(database, providers, simulator, charging)
    offer = MethodsOffer(providers)
    # fmt: off
    return Service(
        name="payments",
        routes=_routes(doors),
        subscriptions=[
            on(TenantCreated,          offer.tenant_created),
            on(TenantChanged,          offer.tenant_changed),
            on(BookingRequested,       actions.requested),
            on(PaymentCancelRequested, actions.cancel_requested),
            on(BookingCancelled,       actions.booking_cancelled),
            on(RefundRequested,        actions.refund_requested),
        ],
        senders={
            CHARGE: charging.charge,
            SETTLE: charging.settle,
            REFUND: charging.refund,
        },
        loops=[Deliveries(simulator, directory, internal_url, domain).run],
    )
    # fmt: on


def _routes(doors: PaymentDoors) -> list[Route]:
    # fmt: off
    return [
        Route("POST", "/api/payments/webhooks/{provider}", doors.webhook, Who.ANYONE,
              "A payment provider tells that something happened", {200: Accepted},
              raw_body=True, also_suspended=True, refusals=("400 bad_signature", "400 malformed_body")),
        Route("GET", "/api/payments/simulated/{reference}", doors.bank_page, Who.ANYONE,
              "The simulated bank's page for one payment", {200: str},
              also_suspended=True, produces=("text/html",)),
        Route("POST", "/api/payments/simulated/{reference}", doors.bank_decision, Who.ANYONE,
              "Approve or decline at the simulated bank", {303: None}, raw_body=True, also_suspended=True),
        Route("GET", "/internal/payments/methods", doors.methods, Who.PEER,
              "Payment methods that the tenant's provider accepts", {200: Methods}, also_suspended=True),
        Route("GET", "/internal/payments", doors.of_booking, Who.PEER,
              "Payments and refunds of one booking, beside the provider's own words", {200: PaymentsView},
              query=OfBooking, also_suspended=True),
        Route("GET", "/internal/payments/ledger", doors.accounts, Who.PEER,
              "What moved for each booking, by the ledger and by the provider", {200: AccountPage},
              query=PageQuery, also_suspended=True),
        Route("GET", "/internal/payments/ledger/crooked", doors.crooked, Who.PEER,
              "Transactions of the ledger that do not balance", {200: Crooked}, also_suspended=True),
    ]
    # fmt: on
