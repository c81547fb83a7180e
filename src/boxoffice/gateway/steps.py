"""What the gateway does to a request before a service sees it: one function per step, in the order of the table."""

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from boxoffice.doors.hosts import PLATFORM, Hosts
from boxoffice.doors.limits import POLICIES, Limiter, Policy
from boxoffice.gateway.credentials import cookies_to_tokens, require_own_origin
from boxoffice.gateway.exchange import Exchange
from boxoffice.gateway.routes import PLATFORM_ROUTES, READS, TENANT_ROUTES
from boxoffice.kernel.caller import Caller
from boxoffice.kernel.errors import Malformed, NotFound, TooLarge
from boxoffice.kernel.tenancy import SLUG, Directory, Status, Tenant, unknown_tenant

BY_CALLER = frozenset({"pages", "read", "write"})
# Fields by which a client could pretend to be our gateway, another host, or another method.
STRIPPED = frozenset({
    b"forwarded", b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"x-real-ip", b"x-original-url",
    b"x-original-host", b"x-rewrite-url", b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-host",
    b"true-client-ip", b"cf-connecting-ip", b"proxy", b"proxy-authorization", b"via",
    b"service-token", b"x-deadline-ms",
})  # fmt: skip
STRIPPED_STARTS = (b"x-forwarded-", b"x-user-", b"x-tenant-")
LONGEST_ADDRESS = 64  # IPv6 with a zone
HOST = re.compile(r"^[a-z0-9.-]{1,254}(?::\d{1,5})?$")


# Who holds a token, on a tenant's host or the platform's; the flag says whether it came as a guest's. None: no good.
Identify = Callable[[str, bool, Tenant | None], Awaitable[Caller | None]]


class Gate:
    """What the steps need to know: the hosts, the tenants, the limits, and how to tell who holds a token."""

    def __init__(
        self,
        *,
        hosts: Hosts,
        directory: Directory,
        limiter: Limiter,
        identify: Identify,
        trusted_proxies: str = "",
    ) -> None:
        self.hosts = hosts
        self.directory = directory
        self.limiter = limiter
        self.identify = identify
        self.proxies = [ip_network(part.strip()) for part in trusted_proxies.split(",") if part.strip()]
        self._policies: dict[tuple[str, int], Policy] = {}

    def policy(self, rate_class: str, exchange: Exchange) -> Policy:
        """The policy of a class: as the platform sets it, or as the tenant's own setting does."""
        default = POLICIES[rate_class]
        if exchange.tenant is None:
            return default
        wanted = exchange.tenant.settings.rate_limits.get(rate_class, default.per_minute)
        if wanted == default.per_minute:
            return default
        known = self._policies.get((rate_class, wanted))
        if known is None:
            known = Policy(name=rate_class, per_minute=wanted, exact=default.exact)
            self._policies[rate_class, wanted] = known
        return known


async def name_the_request(exchange: Exchange, gate: Gate) -> None:
    """Tell the caller the name that we gave the request."""
    exchange.answer_headers.append((b"x-request-id", exchange.request_id.encode()))


async def read_headers(exchange: Exchange, gate: Gate) -> None:
    """Read the fields once; drop what a client has no business to say, add what the gateway says instead."""
    hosts = 0
    given, kept = exchange.given, exchange.headers
    for name, value in exchange.scope["headers"]:
        if name == b"host":
            hosts += 1
        if name == b"x-forwarded-for" or name not in given:
            given[name] = given[name] + b"," + value if name == b"x-forwarded-for" and name in given else value
        elif name == b"cookie":  # HTTP/2 may split it
            given[name] += b"; " + value
        if name not in STRIPPED and not name.startswith(STRIPPED_STARTS):
            kept.append((name, value))
    if hosts != 1:
        raise Malformed("bad_host", "A request names exactly one Host.")
    exchange.client = _client(exchange, gate)
    if given.get(b"x-forwarded-proto") == b"https" and _is_proxy(_peer(exchange), gate):
        exchange.scope = {**exchange.scope, "scheme": "https"}
    kept += [
        (b"x-request-id", exchange.request_id.encode()),
        (b"traceparent", exchange.traceparent.encode()),
        (b"x-forwarded-for", exchange.client.encode()),
    ]


async def check_host(exchange: Exchange, gate: Gate) -> None:
    """Read the host's name; refuse one that cannot be a host, or that differs from the request target's."""
    raw = exchange.given[b"host"].decode("latin-1").lower()
    if HOST.match(raw) is None:
        raise Malformed("bad_host", "The Host field does not name a host.")
    authority = exchange.scope.get("extensions", {}).get("boxoffice.authority")
    if authority is not None and _plain(authority) != _plain(raw):
        raise Malformed("bad_host", "The request target names another host than the Host field.")
    exchange.host = raw
    exchange.slug = gate.hosts.slug(raw)
    exchange.on_platform = exchange.slug == PLATFORM


async def find_tenant(exchange: Exchange, gate: Gate) -> None:
    """The tenant of the host. Which of its doors answer while it is suspended is the services' to say."""
    if exchange.on_platform:
        return
    if not SLUG.match(exchange.slug or ""):
        raise unknown_tenant()
    exchange.tenant = tenant = await gate.directory.by_slug(exchange.slug or "")
    if tenant.status is not Status.ACTIVE:
        tenant.require_serving(also_suspended=exchange.path.startswith(("/api/", "/.well-known/", "/assets/")))


async def find_route(exchange: Exchange, gate: Gate) -> None:
    """Whose path it is, and how large a body it takes."""
    table = PLATFORM_ROUTES if exchange.on_platform else TENANT_ROUTES
    exchange.rule = table.find(exchange.path)
    if exchange.rule is None:
        raise NotFound("not_found", "There is nothing at this address.")
    length = exchange.given.get(b"content-length", b"0")
    if length.isdigit() and int(length) > exchange.rule.body:
        raise too_large(exchange.rule.body)


async def read_credentials(exchange: Exchange, gate: Gate) -> None:
    """Cookies become tokens; a write with cookies must come from a page of this very host."""
    cookies_to_tokens(exchange)
    require_own_origin(exchange)


async def limit_rate(exchange: Exchange, gate: Gate) -> None:
    """Count the request against its tenant and against its client: the caller if its token is good, else its address.

    Signing in counts by address whatever token comes along, for it is tokens that it hands out.
    """
    rule = exchange.rule
    if rule is None:
        return
    rate_class = rule.reads if exchange.method in READS else rule.writes
    tenant = str(exchange.tenant.id) if exchange.tenant is not None else "platform"
    client = exchange.client
    if exchange.token is not None and rate_class in BY_CALLER:
        caller = await gate.identify(exchange.token, exchange.as_guest, exchange.tenant)
        client = caller.key if caller is not None else client
    decision = await gate.limiter.spend(gate.policy(rate_class, exchange), f"{tenant}:{client}")
    if not decision.allowed:
        raise decision.refusal()
    exchange.answer_headers += decision.headers()
    if exchange.tenant is not None:
        whole = await gate.limiter.spend(gate.policy("tenant", exchange), tenant)
        if not whole.allowed:
            raise whole.refusal()


STEPS: tuple[Callable[[Exchange, Gate], Awaitable[None]], ...] = (
    name_the_request,
    read_headers,
    check_host,
    find_tenant,
    find_route,
    read_credentials,
    limit_rate,
)


def too_large(limit: int) -> TooLarge:
    return TooLarge("too_large", f"The body exceeds {limit // 1024} KiB.")


def _client(exchange: Exchange, gate: Gate) -> str:
    """The socket's peer or, behind proxies we trust, the last address in X-Forwarded-For that is not one of them."""
    client = _peer(exchange)
    if gate.proxies and _is_proxy(client, gate):
        for address in reversed(exchange.given.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            if not _is_address(address.strip()):
                break
            client = address.strip()
            if not _is_proxy(client, gate):
                break
    return _network(client)


def _peer(exchange: Exchange) -> str:
    """The other end of the socket."""
    peer: Any = exchange.scope.get("client")
    return str(peer[0]) if peer else "unknown"


def _is_address(text: str) -> bool:
    return len(text) <= LONGEST_ADDRESS and _address(text) is not None


@lru_cache(4_096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_proxy(text: str, gate: Gate) -> bool:
    return _is_address(text) and any(_address(text) in network for network in gate.proxies)


def _network(client: str) -> str:
    """An IPv6 client is its /64: a household has 2^64 addresses."""
    return str(ip_network(f"{client}/64", strict=False)) if ":" in client and _is_address(client) else client


def _plain(authority: str) -> str:
    """An authority in its shortest spelling: without a final dot, without the default port."""
    name, _, port = authority.partition(":")
    return f"{name.removesuffix('.')}:{port or '80'}"
