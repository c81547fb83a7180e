"""One request on its way through the gateway, and what has been found out about it so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from boxoffice.doors.request import Receive, Scope, Send
from boxoffice.gateway.routes import Rule
from boxoffice.kernel.tenancy import Status, Tenant

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Exchange:
    """Filled in by the steps, from top to bottom."""

    scope: Scope
    request_id: str = ""
    traceparent: str = ""
    headers: list[Header] = field(default_factory=list)  # what the service will get
    given: dict[bytes, bytes] = field(default_factory=dict)  # what came, the first of each name
    host: str = ""  # as it came, with its port
    client: str = ""  # the address that rate limits count by
    slug: str | None = None
    tenant: Tenant | None = None
    on_platform: bool = False
    rule: Rule | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    as_guest: bool = False  # the token is a guest's
    by_cookie: bool = False  # the credential came in a cookie: the browser may have sent it unasked
    answer_headers: list[Header] = field(default_factory=list)

    @property
    def path(self) -> str:
        path: str = self.scope["path"]
        return path

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def is_socket(self) -> bool:
        """Whether it asks for a WebSocket."""
        return bool(self.scope["type"] == "websocket")

    @property
    def for_a_person(self) -> bool:
        """Whether an error should be a page: a browser asks for a document, and not of a serving host's API."""
        serves = self.on_platform or (self.tenant is not None and self.tenant.status is Status.ACTIVE)
        of_the_api = self.path.startswith(("/api/", "/.well-known/")) and not self.path.startswith("/api/docs")
        if serves and of_the_api:
            return False
        return prefers_html(self.given.get(b"accept", b"").decode("latin-1"))


def prefers_html(accept: str) -> bool:
    """Whether text/html is accepted by name and liked at least as much as JSON (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, _, parameters = part.partition(";")
        weight = 1.0
        for parameter in parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[kind.strip()] = weight
    html = max(weights.get("text/html", 0.0), weights.get("application/xhtml+xml", 0.0))
    return html > 0 and html >= max(weights.get("application/json", 0.0), weights.get("application/problem+json", 0.0))
