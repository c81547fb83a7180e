"""The doors of events on one screen: what organizers and buyers may ask, and which messages it acts upon."""

from typing import Any

from boxoffice import messages
from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import Page
from boxoffice.doors.peers import Peers
from boxoffice.events import actions
from boxoffice.events.api import Api, CancellationProgress, EventBody, EventPatch, EventQuery, EventView, PlanView
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import PLAN_BODY, Route, Who
from boxoffice.kernel.service import Service, on
from boxoffice.seating.document import SeatPlanDocument

NAME = "events"


def build(*, database: Database, peers: Peers, keyring: Keyring) -> Service:
    """The service events."""
    return Service(
        name=NAME,
        routes=routes(Api(database, peers, keyring.secret("fingerprint"))),
        subscriptions=(
            on(messages.InventoryReady, actions.inventory_ready),
            on(messages.InventoryRefused, actions.inventory_refused),
            on(messages.SaleChanged, actions.sale_changed),
        ),
        timers={actions.END: actions.ended},
    )


def routes(api: Api) -> tuple[Route, ...]:
    event = "/api/events/{event_id}"
    return (
        Route("GET", "/api/events", api.list_events, Who.ANYONE, "Events", {200: Page[EventView]}, query=EventQuery),
        Route("POST", "/api/events", api.create, Who.ORGANIZER, "Draft an event", {201: EventView}, body=EventBody),
        Route("GET", event, api.show, Who.ANYONE, "An event", {200: EventView}, refusals=("404 event_not_found",)),
        Route("PATCH", event, api.change, Who.ORGANIZER, "Change an event", {200: EventView}, body=EventPatch,
              refusals=("404 event_not_found", "409 already_published")),
        Route("PUT", f"{event}/seat-plan", api.give_plan, Who.ORGANIZER, "Give a draft its seat plan",
              {200: PlanView}, body=SeatPlanDocument, body_limit=PLAN_BODY,
              refusals=("404 event_not_found", "409 already_published")),
        Route("POST", f"{event}/publication", api.publish, Who.ORGANIZER, "Put it on sale", {202: EventView},
              refusals=("404 event_not_found", "409 already_published", "409 no_seat_plan")),
        Route("POST", f"{event}/cancellation", api.cancel, Who.ORGANIZER, "Call it off and give everything back",
              {202: EventView}, refusals=("404 event_not_found", "409 not_published")),
        Route("GET", f"{event}/cancellation", api.cancellation, Who.ORGANIZER, "How far the giving back has got",
              {200: CancellationProgress}, refusals=("404 event_not_found", "404 cancellation_not_found")),
        Route("GET", "/api/plans/{name}", api.plan, Who.ANYONE, "A seat plan, immutable", {200: Any, 304: None},
              refusals=("404 plan_not_found",)),
        Route("GET", "/internal/plans/{hash}", api.plan_for_peers, Who.PEER, "A seat plan", {200: Any},
              refusals=("404 plan_not_found",)),
    )  # fmt: skip
