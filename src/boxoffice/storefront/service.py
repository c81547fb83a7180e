"""The storefront's doors: the pages that buyers see, and the files that they load."""

from functools import cache
from pathlib import Path

from boxoffice.doors.peers import Peers
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenant import Tenant
from boxoffice.pages.assets import Assets
from boxoffice.pages.endpoints import FORM_BYTES, HTML, PAGE, Next
from boxoffice.pages.render import Renderer, tenants_look
from boxoffice.storefront.api import Cursor, OfEvent, Pages, Search

NAME = "storefront"
FOLDER = Path(__file__).parent
BUILT = FOLDER / "assets"
STYLE = "storefront/page.ts"
FILES = ("text/javascript", "text/css", "font/woff2", "font/woff")


def build(*, peers: Peers, assets: Assets | None = None) -> Service:
    """The service storefront. It keeps nothing: whatever a page shows belongs to another service."""
    assets = assets or Assets(BUILT)
    return Service(name=NAME, routes=routes(Pages(peers, assets, renderer(assets))))


def renderer(assets: Assets) -> Renderer:
    """What renders the storefront's templates in its tenant's look."""
    return Renderer(assets, FOLDER / "templates", STYLE, tenants_look)


def routes(pages: Pages) -> tuple[Route, ...]:
    # fmt: off
    return (
        Route("GET", "/", pages.page(pages.home), Who.ANYONE, "What is on", PAGE, query=Search, produces=HTML),
        Route("GET", "/events/{event_id}", pages.page(pages.event), Who.ANYONE, "One event", PAGE, produces=HTML),
        Route("GET", "/events/{event_id}/seats", pages.page(pages.seats), Who.ANYONE, "Choose seats", PAGE,
              produces=HTML),
        Route("GET", "/checkout/{hold_id}", pages.page(pages.checkout), Who.ANYONE, "Checkout", PAGE,
              query=OfEvent, produces=HTML),
        Route("GET", "/orders", pages.page(pages.orders), Who.ANYONE, "My orders", PAGE, query=Cursor, produces=HTML),
        Route("GET", "/orders/{booking_id}", pages.page(pages.order), Who.ANYONE, "One order and its tickets", PAGE,
              produces=HTML),
        Route("GET", "/login", pages.page(pages.show_login), Who.ANYONE, "Sign in", PAGE, query=Next, produces=HTML),
        Route("POST", "/login", pages.page(pages.login), Who.ANYONE, "Sign in", PAGE, body_limit=FORM_BYTES,
              raw_body=True, produces=HTML),
        Route("GET", "/register", pages.page(pages.show_register), Who.ANYONE, "Create an account", PAGE, query=Next,
              produces=HTML),
        Route("POST", "/register", pages.page(pages.register), Who.ANYONE, "Create an account", PAGE,
              body_limit=FORM_BYTES, raw_body=True, produces=HTML),
        Route("POST", "/logout", pages.page(pages.logout), Who.ANYONE, "Sign out", PAGE, produces=HTML),
        Route("POST", "/session", pages.renew_session, Who.ANYONE, "Renew the session's cookies",
              {200: dict[str, bool]}),
        Route("GET", "/assets/{name}", pages.asset, Who.ANYONE, "A built file", {200: None}, host=Host.BOTH,
              also_suspended=True, produces=FILES),
    )
    # fmt: on


def render_error(status: int, code: str, tenant: Tenant | None) -> bytes:
    """An error page of the edge, complete in itself: the gateway answers with it when a person asked."""
    return _renderer().error(status, code, tenant)


@cache
def _renderer() -> Renderer:
    return renderer(Assets(BUILT))
