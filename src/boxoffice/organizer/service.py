"""The organizers' pages on one screen."""

from pathlib import Path

from boxoffice.doors.peers import Peers
from boxoffice.kernel.route import Route, Who
from boxoffice.kernel.service import Service
from boxoffice.organizer.console import Console, EventQuery, EventsQuery
from boxoffice.organizer.words import FILTERS
from boxoffice.pages.assets import Assets
from boxoffice.pages.endpoints import FORM_BYTES, HTML, PAGE
from boxoffice.pages.render import Renderer, tenants_look

NAME = "organizer"
STYLE = "organizer/page.ts"


def build(*, peers: Peers, assets: Assets) -> Service:
    """The service organizer. It keeps nothing."""
    return Service(name=NAME, routes=pages(Console(peers, renderer(assets))))


def renderer(assets: Assets) -> Renderer:
    return Renderer(assets, Path(__file__).parent / "templates", STYLE, tenants_look, FILTERS)


def pages(console: Console) -> tuple[Route, ...]:
    event = "/organizer/events/{event_id}"
    return (
        Route("GET", "/organizer", console.page(console.events), Who.ANYONE, "My events", PAGE, query=EventsQuery,
              produces=HTML),
        Route("GET", event, console.page(console.event), Who.ANYONE, "One event and its orders", PAGE,
              query=EventQuery, produces=HTML),
        Route("POST", f"{event}/cancellation", console.page(console.cancel), Who.ANYONE, "Call it off", PAGE,
              raw_body=True, body_limit=FORM_BYTES, produces=HTML),
        Route("POST", f"{event}/refunds", console.page(console.refund), Who.ANYONE, "Return seats of an order", PAGE,
              raw_body=True, body_limit=FORM_BYTES, produces=HTML),
    )  # fmt: skip
