"""Cookies of pages: they become the tokens that services understand, and must come from our own pages to count."""

from boxoffice.gateway.exchange import Exchange
from boxoffice.gateway.routes import READS
from boxoffice.kernel.errors import Forbidden

ACCESS_COOKIE = "__Host-access"
GUEST_COOKIE = "__Host-guest"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}  # an origin does not name them
PAGE_SCHEMES = {"ws": "http", "wss": "https"}  # the page that opens a socket was loaded by the other one
GUEST_COOKIE_SECONDS = 180 * 24 * 3600


def parse_cookies(header: bytes) -> dict[str, str]:
    """Cookies by name; of two with one name the first counts (RFC 6265, section 5.4: the longer path)."""
    found: dict[str, str] = {}
    for pair in header.decode("latin-1").split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator and name not in found:
            found[name] = value.strip('"')
    return found


def cookies_to_tokens(exchange: Exchange) -> None:
    """Turn the session's or the guest's cookie into its header, for the API only: pages read their cookies themselves.

    A credential that the client sent by itself wins, and then cookies count for nothing.
    """
    given = exchange.given
    if b"cookie" in given:
        exchange.cookies = parse_cookies(given[b"cookie"])
    if b"authorization" in given:
        exchange.token = given[b"authorization"].partition(b" ")[2].strip().decode("latin-1")
        return
    if b"guest-token" in given:
        exchange.token, exchange.as_guest = given[b"guest-token"].decode("latin-1"), True
        return
    access, guest = exchange.cookies.get(ACCESS_COOKIE), exchange.cookies.get(GUEST_COOKIE)
    exchange.token, exchange.as_guest = access or guest, not access
    exchange.by_cookie = exchange.token is not None
    if exchange.token is None or exchange.rule is None or exchange.rule.is_page:
        return
    if exchange.as_guest:
        exchange.headers.append((b"guest-token", exchange.token.encode("latin-1")))
    else:
        exchange.headers.append((b"authorization", b"Bearer " + exchange.token.encode("latin-1")))


def require_own_origin(exchange: Exchange) -> None:
    """Refuse writes that another page made the browser send. Organizers' hosts are one site: Origin must be exact.

    So must that of a WebSocket, which a browser lets any page open and read.
    """
    if exchange.method in READS and not exchange.is_socket:
        return
    origin = exchange.given.get(b"origin")
    site = exchange.given.get(b"sec-fetch-site")
    page = exchange.rule is not None and exchange.rule.is_page
    if not exchange.by_cookie and not (page and (origin or site or exchange.cookies)):
        return
    named: str = exchange.scope.get("scheme", "http")
    scheme = PAGE_SCHEMES.get(named, named)
    host = exchange.host.removesuffix(DEFAULT_PORTS.get(scheme, ""))
    expected = f"{scheme}://{host}".lower().encode("latin-1")
    if origin is None or origin.lower() != expected or (site is not None and site.lower() != b"same-origin"):
        raise Forbidden("wrong_origin", "This request did not come from a page of this host.")


def guest_cookie(token: str) -> bytes:
    """The Set-Cookie value that keeps a guest's token for the browser, out of reach of scripts."""
    return (
        f"{GUEST_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={GUEST_COOKIE_SECONDS}"
    ).encode("latin-1")  # fmt: skip
