"""The route table: which service answers a path, on which hosts, and in which rate class it counts."""

from dataclasses import dataclass
from typing import Final

SMALL_BODY: Final = 256 * 1024
PLAN_BODY: Final = 16 * 1024 * 1024
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Rule:
    """Paths that start with `prefix` (whole segments; `*` stands for any one) belong to `service`."""

    prefix: str
    service: str
    reads: str = "read"  # the rate class of GET and HEAD
    writes: str = "write"  # and of all else
    body: int = SMALL_BODY

    @property
    def is_page(self) -> bool:
        """Whether people's pages are here: they read their cookies themselves, and all their writes are forms."""
        return self.reads == "pages"


# More segments win over fewer, a name over `*`.
TENANT_RULES: tuple[Rule, ...] = (
    Rule("/api/events", "events"),
    Rule("/api/events/*/seat-plan", "events", body=PLAN_BODY),
    Rule("/api/events/*/holds", "bookings"),
    Rule("/api/events/*/offers", "bookings"),
    Rule("/api/events/*/availability", "bookings"),
    Rule("/api/events/*/bookings", "bookings"),
    Rule("/api/events/*/blocks", "bookings"),
    Rule("/api/events/*/statistics", "bookings"),
    Rule("/api/events/*/comp-bookings", "bookings"),
    Rule("/api/plans", "events"),
    Rule("/api/holds", "bookings"),
    Rule("/api/bookings", "bookings"),
    Rule("/api/check-ins", "bookings"),
    Rule("/api/auth", "auth"),
    Rule("/api/auth/login", "auth", writes="sign_in"),
    Rule("/api/auth/register", "auth", writes="sign_in"),
    Rule("/api/auth/password-reset", "auth", writes="sign_in"),
    Rule("/api/auth/email-verification", "auth", writes="sign_in"),
    Rule("/api/guests", "auth", writes="guests"),
    Rule("/api/users", "auth"),
    Rule("/api/payments", "payments"),
    Rule("/api/payments/webhooks", "payments", writes="webhooks"),
    Rule("/api/notifications", "notifications"),
    Rule("/.well-known/jwks.json", "auth"),
    Rule("/.well-known/ticket-keys.json", "bookings"),
    Rule("/api/docs", "reference"),
    Rule("/api/openapi.json", "reference"),
    Rule("/", "storefront", reads="pages", writes="pages"),
    Rule("/organizer", "organizer", reads="pages", writes="pages"),
    Rule("/login", "storefront", reads="pages", writes="sign_in"),
    Rule("/register", "storefront", reads="pages", writes="sign_in"),
)
PLATFORM_RULES: tuple[Rule, ...] = (
    Rule("/api/tenants", "tenants"),
    Rule("/api/auth", "auth"),
    Rule("/api/auth/login", "auth", writes="sign_in"),
    Rule("/api/sagas", "bookings"),
    Rule("/api/dead-letters", "operations"),
    Rule("/api/reconciliation", "operations"),
    Rule("/api/audit", "operations"),
    Rule("/.well-known/jwks.json", "auth"),
    Rule("/dev/mail", "notifications"),
    Rule("/api/docs", "reference"),
    Rule("/api/openapi.json", "reference"),
    Rule("/assets", "storefront", reads="pages"),
    Rule("/", "operations", reads="pages", writes="pages"),
    Rule("/login", "operations", reads="pages", writes="sign_in"),
)

# Never served to the outside, whoever asks.
CLOSED: frozenset[str] = frozenset({"internal", "health", "metrics"})


class _Node:
    __slots__ = ("children", "rule")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.rule: Rule | None = None


class RouteTable:
    """Rules compiled to a tree of segments."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._root = _Node()
        for rule in rules:
            node = self._root
            for segment in rule.prefix.strip("/").split("/") if rule.prefix != "/" else ():
                node = node.children.setdefault(segment, _Node())
            node.rule = rule

    def find(self, path: str) -> Rule | None:
        """The rule of a path; None when nobody serves it: what is unknown under /api is not the storefront's."""
        segments = path.split("/")[1:]
        first = segments[0] if segments else ""
        if first in CLOSED or not path.startswith("/"):
            return None
        node, rule = self._root, self._root.rule
        if first in ("api", ".well-known"):
            rule = None
        for segment in segments:
            child = node.children.get(segment) or node.children.get("*")
            if child is None or not segment:
                break
            node = child
            if node.rule is not None:
                rule = node.rule
        return rule


TENANT_ROUTES: Final = RouteTable(TENANT_RULES)
PLATFORM_ROUTES: Final = RouteTable(PLATFORM_RULES)
