"""The doors of operations on one screen: what operators ask and do, and the pages they see."""

from collections.abc import Mapping
from pathlib import Path

from boxoffice.doors.keys import Keyring
from boxoffice.doors.paging import PageQuery
from boxoffice.doors.peers import Peers
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service, on
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.tenant import Tenant
from boxoffice.messages import OperatorIntervened, TenantResumed, TenantSuspended
from boxoffice.operations import actions
from boxoffice.operations.api import Api, Audit, DeadLetters, Disagreements, LetterQuery, TenantsQuery
from boxoffice.operations.comparing import Comparing
from boxoffice.operations.console import Console, ListQuery, Notice, SagasQuery
from boxoffice.operations.words import FILTERS
from boxoffice.pages.assets import Assets
from boxoffice.pages.endpoints import FORM_BYTES, HTML, PAGE, Next, PageFunction
from boxoffice.pages.render import Look, Renderer
from boxoffice.pages.theme import Theme

NAME = "operations"
STYLE = "operations/page.ts"
LOOK = Look("boxoffice", Theme(brand="#3730a3", on_brand="#ffffff"))


def build(
    *, database: Database, directory: Directory, peers: Peers, keyring: Keyring, assets: Assets,
    shops: Mapping[str, str], shows_mail: bool,
) -> Service:  # fmt: skip
    """The service operations. `shops` are the demo's, name to URL; `shows_mail`: there is a mailbox to look into."""
    api = Api(database, directory, Comparing(peers), keyring.secret("fingerprint"))
    console = Console(peers, renderer(assets), dict(shops), shows_mail)
    return Service(
        name=NAME,
        routes=(*routes(api), *pages(console)),
        subscriptions=(
            on(OperatorIntervened, actions.intervened),
            on(TenantSuspended, actions.suspended),
            on(TenantResumed, actions.resumed),
        ),
    )


def renderer(assets: Assets) -> Renderer:
    """What renders the pages; the platform has one look."""

    def look_of(tenant: Tenant | None) -> Look:
        return LOOK

    return Renderer(assets, Path(__file__).parent / "templates", STYLE, look_of, FILTERS)


def routes(api: Api) -> tuple[Route, ...]:
    letter, host = "/api/dead-letters/{letter_id}", Host.PLATFORM
    gone = ("404 dead_letter_not_found",)
    return (
        Route("GET", "/api/dead-letters", api.list_letters, Who.OPERATOR, "Messages that nobody could handle",
              {200: DeadLetters}, query=LetterQuery, host=host, refusals=("404 tenant_not_found",)),
        Route("POST", f"{letter}/redrive", api.redrive, Who.OPERATOR, "Have a dead letter tried again",
              {202: None}, host=host, refusals=(*gone, "409 in_flight", "422 key_reused")),
        Route("DELETE", letter, api.discard, Who.OPERATOR, "Give a dead letter up", {204: None}, host=host,
              refusals=gone),
        Route("GET", "/api/reconciliation", api.reconcile, Who.OPERATOR,
              "Bookings about which not all say the same", {200: Disagreements}, query=TenantsQuery, host=host,
              refusals=("404 tenant_not_found",)),
        Route("GET", "/api/audit", api.list_audit, Who.OPERATOR, "What operators did", {200: Audit}, query=PageQuery,
              host=host),
    )  # fmt: skip


def pages(console: Console) -> tuple[Route, ...]:
    def shown(path: str, show: PageFunction, summary: str, query: type[Notice] | type[Next] = Notice) -> Route:
        return Route("GET", path, console.page(show), Who.ANYONE, summary, PAGE, query=query, host=Host.PLATFORM,
                     produces=HTML)  # fmt: skip

    def acting(path: str, act: PageFunction, summary: str) -> Route:
        return Route("POST", path, console.page(act), Who.ANYONE, summary, PAGE, host=Host.PLATFORM, produces=HTML,
                     raw_body=True, body_limit=FORM_BYTES)  # fmt: skip

    saga, letter, tenant = "/sagas/{booking_id}", "/dead-letters/{letter_id}", "/tenants/{tenant_id}"
    return (
        shown("/", console.overview, "How things stand"),
        shown("/login", console.show_login, "Sign in", Next),
        acting("/login", console.login, "Sign in"),
        acting("/logout", console.logout, "Sign out"),
        shown("/sagas", console.sagas, "Sagas", SagasQuery),
        shown(saga, console.saga, "One saga"),
        acting(f"{saga}/retry", console.retry, "Ask for its refunds again"),
        acting(f"{saga}/compensation", console.compensate, "Undo it"),
        acting(f"{saga}/refund-evidence", console.record_evidence, "Record a refund made by hand"),
        shown("/dead-letters", console.letters, "Dead letters", ListQuery),
        acting(f"{letter}/redrive", console.redrive, "Try again"),
        acting(f"{letter}/discard", console.discard, "Give it up"),
        shown("/reconciliation", console.reconciliation, "Reconciliation", ListQuery),
        shown("/tenants", console.tenants, "Tenants", ListQuery),
        acting(f"{tenant}/suspension", console.suspend, "Suspend"),
        acting(f"{tenant}/activation", console.activate, "Activate"),
        shown("/audit", console.audit, "What operators did", ListQuery),
    )
