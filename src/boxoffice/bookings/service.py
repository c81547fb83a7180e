"""The doors of bookings on one screen: what buyers may ask, which messages it acts upon, what falls due."""

from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from boxoffice import messages
from boxoffice.bookings import executor, views
from boxoffice.bookings.actions import INVENTORY, Bookings
from boxoffice.bookings.api import Api, BookingRequest, HoldRequest, PaymentRequest, SeatsRequest
from boxoffice.bookings.executor import Executor
from boxoffice.bookings.giving_back.actions import EMPTYING, STRICT, GivingBack, Progress
from boxoffice.bookings.giving_back.api import (
    CancellationQuery,
    CancellationRequest,
    GivingBackApi,
    Preview,
    RefundRequest,
)
from boxoffice.bookings.inventory.catalogue import Catalogue
from boxoffice.bookings.inventory.holding import Holding
from boxoffice.bookings.inventory.holds import Holds
from boxoffice.bookings.inventory.live import Live
from boxoffice.bookings.monitor.api import Compensation, Evidence, MonitorApi, SagaDetail, SagaItem, SagaQuery
from boxoffice.bookings.monitor.reconciliation import BookingAccounts, Reconciliation
from boxoffice.bookings.news import News
from boxoffice.bookings.orders.api import OrderQuery, OrdersApi, OrderView
from boxoffice.bookings.ticketing import Ticketing
from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import Page, PageQuery
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.wake import Wake

NAME = "bookings"
TAKEN = ("409 seat_unavailable", "409 not_on_sale", "422 too_many_seats", "422 unknown_seat", "422 duplicate_seat")
GONE = ("404 hold_gone", "404 hold_consumed")
STALE = ("409 hold_expired", "409 hold_changed", "409 hold_consumed", "409 seat_unavailable", "409 not_on_sale")


def build(
    *, database: Database, directory: Directory, peers: Peers, valkey: Redis, keyring: Keyring,
    news: Wake, cancel_grace_seconds: float, least_payment_seconds: int,
) -> Service:  # fmt: skip
    """The service bookings. `keyring` is its own folder: hold tokens, fingerprints, the tickets' master key.

    `news` carries to all processes which bookings have moved on.
    """
    holds = Holds(valkey)
    catalogue = Catalogue(database, peers)
    live = Live(database, holds)
    carried = Executor(timedelta(seconds=cancel_grace_seconds), news)
    bookings = Bookings(database, peers, holds, carried, least_payment_seconds)
    giving_back = GivingBack(carried)
    api = Api(
        database=database, peers=peers, catalogue=catalogue, live=live, bookings=bookings,
        news=News(news, bookings.show),
        holding=Holding(database, holds, catalogue, live, bookings.consumer_of),
        ticketing=Ticketing(database, keyring.secret("tickets-master")),
        hold_secret=keyring.secret("hold"), fingerprint_secret=keyring.secret("fingerprint"),
    )  # fmt: skip
    return Service(
        name=NAME,
        routes=(
            *routes(api),
            *routes_of_giving_back(GivingBackApi(database, giving_back, keyring.secret("fingerprint"))),
            *routes_of_orders(OrdersApi(database)),
            *routes_of_the_monitor(
                MonitorApi(database, directory, giving_back, keyring.secret("fingerprint")), Reconciliation(database)
            ),
        ),
        subscriptions=(
            on(messages.EventPublishing, bookings.publishing),
            on(messages.EventChanged, bookings.changed),
            on(messages.EventCancelled, giving_back.event_cancelled),
            on(messages.TenantSuspended, giving_back.suspended),
            on(messages.PaymentMethodsChanged, bookings.methods_changed),
            on(messages.PaymentCompleted, bookings.captured),
            on(messages.PaymentFailed, bookings.heard),
            on(messages.PaymentActionRequired, bookings.heard),
            on(messages.PaymentCancelled, bookings.heard),
            on(messages.PaymentRefunded, bookings.heard),
            on(messages.RefundFailed, bookings.heard),
        ),
        timers={
            executor.TIMER: bookings.due,
            executor.RECHECK: bookings.recheck,
            EMPTYING: giving_back.empty,
            STRICT: giving_back.abort_pending,
        },
        senders={INVENTORY: bookings.make_inventory},
    )


def routes(api: Api) -> tuple[Route, ...]:
    event, hold, booking = "/api/events/{event_id}", "/api/holds/{hold_id}", "/api/bookings/{booking_id}"
    return (
        Route("GET", f"{event}/offers", api.offers, Who.ANYONE, "Prices and what is left", {200: views.Offers},
              refusals=("404 event_not_found",)),
        Route("GET", f"{event}/availability", api.availability, Who.ANYONE, "The state of every seat",
              {200: views.Availability, 304: None}, refusals=("404 event_not_found",),
              produces=("application/json", "application/octet-stream")),
        Route("POST", f"{event}/holds", api.hold, Who.ANYONE, "Hold seats", {201: views.HoldView}, body=HoldRequest,
              refusals=(*TAKEN, "404 event_not_found", "404 hold_gone", "404 hold_consumed", "409 no_adjacent_seats",
                        "409 sold_out", "409 in_flight", "422 key_reused")),
        Route("GET", hold, api.show_hold, Who.BUYER, "A hold", {200: views.HoldView}, refusals=GONE),
        Route("PUT", f"{hold}/seats", api.replace_seats, Who.BUYER, "Hold other seats", {200: views.HoldView},
              body=SeatsRequest, refusals=(*GONE, *TAKEN)),
        Route("POST", f"{hold}/extension", api.extend, Who.BUYER, "Hold for longer", {200: views.HoldView},
              refusals=(*GONE, "409 seat_unavailable", "409 in_flight", "422 key_reused")),
        Route("DELETE", hold, api.release, Who.BUYER, "Give the seats back", {204: None}, refusals=GONE),
        Route("POST", "/api/bookings", api.book, Who.BUYER, "Book what is held", {202: views.BookingView},
              body=BookingRequest, key_required=True, may_wait=True,
              refusals=(*STALE, "404 hold_gone", "409 in_flight", "422 key_reused", "422 unknown_payment_method")),
        Route("GET", "/api/bookings", api.list_bookings, Who.BUYER, "My bookings", {200: Page[views.BookingView]},
              query=PageQuery, also_suspended=True),
        Route("GET", booking, api.show, Who.BUYER, "A booking", {200: views.BookingView}, also_suspended=True,
              refusals=("404 booking_not_found",), may_wait=True),
        Route("POST", f"{booking}/payments", api.pay_again, Who.BUYER, "Pay again after a retryable decline",
              {202: views.BookingView}, body=PaymentRequest,
              refusals=("404 booking_not_found", "409 no_retry", "409 in_flight", "422 unknown_payment_method")),
        Route("GET", "/internal/bookings/{booking_id}/purchase", api.purchase, Who.PEER, "What a mail about it needs",
              {200: messages.Purchase}, also_suspended=True, refusals=("404 booking_not_found",)),
        Route("GET", f"{booking}/tickets", api.tickets, Who.BUYER, "The tickets", {200: views.Tickets},
              also_suspended=True, refusals=("404 booking_not_found", "409 not_confirmed")),
        Route("GET", "/.well-known/ticket-keys.json", api.ticket_keys, Who.ANYONE, "The keys that sign tickets",
              {200: dict[str, list[dict[str, Any]]]}, also_suspended=True),
    )  # fmt: skip


def routes_of_giving_back(api: GivingBackApi) -> tuple[Route, ...]:
    booking = "/api/bookings/{booking_id}"
    gone = ("404 booking_not_found", "409 cancellation_closed", "422 unknown_seat")
    return (
        Route("GET", f"{booking}/cancellation", api.preview, Who.BUYER, "What giving back would return",
              {200: Preview}, query=CancellationQuery, also_suspended=True, refusals=gone),
        Route("POST", f"{booking}/cancellation", api.cancel, Who.BUYER, "Give a booking back, or some of its seats",
              {202: views.BookingView}, body=CancellationRequest, also_suspended=True,
              refusals=(*gone, "409 in_flight", "422 key_reused")),
        Route("POST", f"{booking}/refunds", api.refund, Who.ORGANIZER, "Take seats back and return the money",
              {202: views.BookingView}, body=RefundRequest, key_required=True, also_suspended=True,
              refusals=(*gone, "409 in_flight", "422 key_reused")),
        Route("GET", "/internal/events/{event_id}/cancellation", api.progress, Who.PEER, "How far it has got",
              {200: Progress}, also_suspended=True, refusals=("404 cancellation_not_found",)),
    )  # fmt: skip


def routes_of_orders(api: OrdersApi) -> tuple[Route, ...]:
    return (
        Route("GET", "/api/events/{event_id}/bookings", api.list_orders, Who.ORGANIZER,
              "Everybody's bookings of an event", {200: Page[OrderView]}, query=OrderQuery,
              refusals=("404 event_not_found",)),
    )  # fmt: skip


def routes_of_the_monitor(api: MonitorApi, reconciliation: Reconciliation) -> tuple[Route, ...]:
    saga, host = "/api/sagas/{booking_id}", Host.PLATFORM
    unknown = ("404 booking_not_found",)
    return (
        Route("GET", "/api/sagas", api.list_sagas, Who.OPERATOR, "Live, late and stuck sagas", {200: Page[SagaItem]},
              query=SagaQuery, host=host, refusals=("404 tenant_not_found",)),
        Route("GET", saga, api.show, Who.OPERATOR, "One saga", {200: SagaDetail}, host=host, refusals=unknown),
        Route("POST", f"{saga}/retry", api.retry, Who.OPERATOR, "Ask for its refunds again now", {202: SagaDetail},
              host=host, refusals=(*unknown, "409 nothing_to_retry")),
        Route("POST", f"{saga}/compensation", api.compensate, Who.OPERATOR, "Undo it, all money back",
              {202: SagaDetail}, body=Compensation, host=host, refusals=(*unknown, "409 cancellation_closed")),
        Route("POST", f"{saga}/refund-evidence", api.mark_refunded, Who.OPERATOR, "Record a refund made by hand",
              {202: SagaDetail}, body=Evidence, host=host, refusals=(*unknown, "404 refund_not_found")),
        Route("GET", "/internal/reconciliation/bookings", reconciliation.page, Who.PEER,
              "What bookings says of money and seats", {200: BookingAccounts}, query=PageQuery, also_suspended=True),
    )  # fmt: skip
