"""Templates to pages: the shop's theme, the built assets, and a content policy that lets nothing else in."""

import secrets
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from boxoffice.kernel.route import Answer
from boxoffice.kernel.tenancy import Status, Tenant
from boxoffice.storefront.assets import NOTHING, Assets, Entry
from boxoffice.storefront.session import Visitor
from boxoffice.storefront.theme import default_theme, theme_css
from boxoffice.storefront.views import error_view

HTML = "text/html; charset=utf-8"
PAGE_ENTRY = "storefront/page.ts"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Renderer:
    """Renders every page of the storefront."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._page = assets.entry(PAGE_ENTRY)
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(
        self, template: str, tenant: Tenant, visitor: Visitor, *, status: int = 200, island: str | None = None,
        **context: Any,
    ) -> Answer:  # fmt: skip
        """A tenant's page as an answer; `island` names the script that brings it to life."""
        nonce = secrets.token_urlsafe(16)
        html = self._templates.get_template(template).render(
            shop=tenant.name, has_shop=True, has_menu=True, signed_in=visitor.signed_in, nonce=nonce,
            theme=Markup(theme_css(default_theme(tenant.slug))),  # noqa: S704  (a checked theme, made of values)
            page=self._page, island=self._assets.entry(island) if island else None, **context,
        )  # fmt: skip
        return Answer(
            status=status, content=html.encode(), content_type=HTML, cookies=visitor.cookies,
            headers={"Content-Security-Policy": POLICY.format(nonce=nonce), "Cache-Control": "private, no-cache"},
        )  # fmt: skip

    def error_page(self, status: int, code: str, tenant: Tenant, visitor: Visitor) -> Answer:
        """An error of a page in the shop's own look."""
        return self.page("error.html", tenant, visitor, status=status, error=error_view(status, code))

    def error(self, status: int, code: str, tenant: Tenant | None) -> bytes:
        """An error page of the edge, complete in itself: at an unknown host not even a style sheet is served."""
        styles = [asset.content.decode() for path in self._page.styles if (asset := self._asset(path))]
        theme = theme_css(default_theme(tenant.slug if tenant else ""))
        is_open = tenant is not None and tenant.status is Status.ACTIVE
        html = self._templates.get_template("error.html").render(
            shop=tenant.name if tenant else "boxoffice", has_shop=is_open, has_menu=False, signed_in=False, nonce="",
            page=Entry((), (), ()),
            theme=Markup(theme + "".join(styles)),  # noqa: S704  (our own style sheet)
            island=NOTHING, error=error_view(status, code),
        )  # fmt: skip
        return html.encode()

    def _asset(self, path: str) -> Any:
        return self._assets.file(path.rsplit("/", 1)[-1])
