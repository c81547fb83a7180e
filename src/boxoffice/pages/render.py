"""Templates to pages: the host's look, the built assets, and a content policy that lets nothing else in."""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from boxoffice.kernel.route import Answer
from boxoffice.kernel.tenant import Status, Tenant
from boxoffice.pages.assets import NOTHING, Asset, Assets, Entry
from boxoffice.pages.errors import error_view
from boxoffice.pages.session import Visitor
from boxoffice.pages.theme import Theme, default_theme, theme_css

HTML = "text/html; charset=utf-8"
NO_FILTERS: Mapping[str, Callable[..., Any]] = {}
SHARED = Path(__file__).parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Look(NamedTuple):
    """Whose page it is, and its design tokens."""

    name: str
    theme: Theme


def tenants_look(tenant: Tenant | None) -> Look:
    """A tenant's look; a host without one is named after the platform."""
    return Look(tenant.name if tenant else "boxoffice", default_theme(tenant.slug if tenant else ""))


class Renderer:
    """Renders every page of one service.

    `templates` are the service's own and win over the shared ones of the same name; its `base.html` is the frame of
    them all. `style` is the entry of the build that every page loads; `look_of` a host (None: the platform's).
    `filters` are what its templates say values with.
    """

    def __init__(
        self,
        assets: Assets,
        templates: Path,
        style: str,
        look_of: Callable[[Tenant | None], Look],
        filters: Mapping[str, Callable[..., Any]] = NO_FILTERS,
    ) -> None:
        self._assets = assets
        self._page = assets.entry(style)
        self._look_of = look_of
        self._templates = Environment(
            loader=FileSystemLoader([templates, SHARED]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(filters)

    def page(
        self, template: str, tenant: Tenant | None, visitor: Visitor, *, status: int = 200, island: str | None = None,
        **context: Any,
    ) -> Answer:  # fmt: skip
        """A page of a host as an answer; `island` names the script that brings it to life."""
        look = self._look_of(tenant)
        nonce = secrets.token_urlsafe(16)
        html = self._templates.get_template(template).render(
            shop=look.name, has_shop=True, has_menu=True, signed_in=visitor.signed_in, nonce=nonce,
            theme=Markup(theme_css(look.theme)),  # noqa: S704  (a checked theme, made of values)
            page=self._page, island=self._assets.entry(island) if island else None, **context,
        )  # fmt: skip
        return Answer(
            status=status, content=html.encode(), content_type=HTML, cookies=visitor.cookies,
            headers={"Content-Security-Policy": POLICY.format(nonce=nonce), "Cache-Control": "private, no-cache"},
        )  # fmt: skip

    def error_page(self, status: int, code: str, tenant: Tenant | None, visitor: Visitor) -> Answer:
        """An error of a page in the host's own look."""
        return self.page("error.html", tenant, visitor, status=status, error=error_view(status, code))

    def error(self, status: int, code: str, tenant: Tenant | None) -> bytes:
        """An error page of the edge, complete in itself: at an unknown host not even a style sheet is served."""
        look = self._look_of(tenant)
        is_open = tenant is not None and tenant.status is Status.ACTIVE
        styles = [asset.content.decode() for path in self._page.styles if (asset := self._asset(path))]
        html = self._templates.get_template("error.html").render(
            shop=look.name, has_shop=is_open, has_menu=False, signed_in=False, nonce="", page=Entry((), (), ()),
            theme=Markup(theme_css(look.theme) + "".join(styles)),  # noqa: S704  (our own style sheet)
            island=NOTHING, error=error_view(status, code),
        )  # fmt: skip
        return html.encode()

    def _asset(self, path: str) -> Asset | None:
        return self._assets.file(path.rsplit("/", 1)[-1])
