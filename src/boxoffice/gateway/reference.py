"""The API's reference: a host's OpenAPI document, and the same as a page that people can read."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from boxoffice.doors.hosts import PLATFORM
from boxoffice.gateway import pages
from boxoffice.kernel.route import Answer, Call, Host, Route, Who, etag_matches
from boxoffice.kernel.service import Service

Document = dict[str, Any]
HTML = ("text/html",)


def build(document: Callable[[], Document]) -> Service:
    """The service reference. `document` is asked once, when every service has its routes."""
    reference = Reference(document)
    return Service(
        name="reference",
        routes=(
            Route("GET", "/api/openapi.json", reference.openapi, Who.ANYONE, "This host's OpenAPI document",
                  {200: dict[str, Any]}, host=Host.BOTH),
            Route("GET", "/api/docs", reference.page, Who.ANYONE, "This host's API for people to read", {200: None},
                  host=Host.BOTH, produces=HTML),
        ),
    )  # fmt: skip


class Reference:
    """Rendered at the first request of each kind of host, then kept."""

    def __init__(self, document: Callable[[], Document]) -> None:
        self._document = document
        self._rendered: dict[str, tuple[bytes, bytes]] = {}

    async def openapi(self, call: Call) -> Answer:
        content, _ = self._of_host(call)
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": etag, "Cache-Control": "public, max-age=60"}
        if etag_matches(call.headers.get("if-none-match"), etag):
            return Answer(304, headers=headers)
        return Answer(200, content=content, headers=headers)

    async def page(self, call: Call) -> Answer:
        return _page(self._of_host(call)[1])

    def _of_host(self, call: Call) -> tuple[bytes, bytes]:
        host = PLATFORM if call.tenant is None else "tenant"
        if host not in self._rendered:
            document = of_host(self._document(), host)
            self._rendered[host] = (msgspec.json.encode(document), pages.reference(document).encode())
        return self._rendered[host]


def of_host(document: Mapping[str, Any], host: str) -> Document:
    """The part of the document that one kind of host serves."""
    paths: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        served = {method: each for method, each in operations.items() if host in each.get("x-hosts", ())}
        if served:
            paths[path] = served
    return {**document, "paths": paths}


def _page(content: bytes) -> Answer:
    return Answer(
        200, content=content, content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "public, max-age=60"},
    )  # fmt: skip


_STYLE_HASH = base64.b64encode(hashlib.sha256(pages.STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
