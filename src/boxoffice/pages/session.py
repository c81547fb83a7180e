"""Who looks at a page: the visitor's cookies, and asking the services in the visitor's name, renewing what expired."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from boxoffice.doors.peers import PeerAnswer, Peers
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.route import Call

T = TypeVar("T")

ACCESS, REFRESH, GUEST = "__Host-access", "__Host-refresh", "__Host-guest"
# The cookie outlives the token in it: an expired token tells that there is a session to be renewed.
COOKIE_SECONDS = 30 * 24 * 3600


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a session's cookies hold."""

    access_token: str
    refresh_token: str


def read_cookies(header: str) -> dict[str, str]:
    """Cookies by name; of two with one name the first counts (RFC 6265, section 5.4)."""
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator:
            found.setdefault(name, value)
    return found


def set_cookie(name: str, value: str, seconds: int = COOKIE_SECONDS) -> str:
    """A cookie that belongs to this very host and that no script can read."""
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"


class Visitor:
    """One visitor during one request."""

    def __init__(self, peers: Peers, call: Call) -> None:
        cookies = read_cookies(call.headers.get("cookie", ""))
        self._peers = peers
        self._tenant = call.tenant
        self._from = {"x-forwarded-for": address} if (address := call.headers.get("x-forwarded-for")) else {}
        self._access = cookies.get(ACCESS)
        self._refresh = cookies.get(REFRESH)
        self._guest = cookies.get(GUEST)
        self.cookies: list[str] = []  # what the answer has to set

    @property
    def signed_in(self) -> bool:
        return self._access is not None or self._refresh is not None

    @property
    def known(self) -> bool:
        """Whether there is anybody whose orders could be shown."""
        return self.signed_in or self._guest is not None

    async def ask(self, service: str, path: str, kind: type[T]) -> T:
        """Read from a service as the visitor. Raises the service's Refusal."""
        return (await self.send(service, "GET", path)).decode(kind)

    async def send(
        self, service: str, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> PeerAnswer:
        """Call a service as the visitor, `key` being its Idempotency-Key; an expired access token is renewed once."""
        if self._access is None and self._refresh is not None:
            await self.renew()
        try:
            return await self._call(service, method, path, body, key)
        except Refusal as refusal:
            if refusal.code != "invalid_token" or self._access is None:
                raise
        await self.renew()
        return await self._call(service, method, path, body, key)

    async def sign_in(self, email: str, password: str) -> None:
        """Open a session. Raises Unauthenticated `bad_credentials` and others of auth's."""
        await self._take_tokens("/api/auth/login", {"email": email, "password": password})

    async def register(self, fields: Mapping[str, str]) -> None:
        """Become a customer and open a session. Raises Conflict `email_taken` and others of auth's."""
        await self._auth("/api/auth/register", dict(fields))
        await self.sign_in(fields["email"], fields["password"])

    async def renew(self) -> bool:
        """Take the refresh token for new tokens; a session that has ended is forgotten. True if still signed in."""
        if self._refresh is None:
            self._forget()
            return False
        try:
            await self._take_tokens("/api/auth/refresh", {"refresh_token": self._refresh})
        except Refusal as refusal:
            if refusal.status not in (401, 422):
                raise
            self._forget()
            return False
        return True

    async def sign_out(self) -> None:
        """End the session here and everywhere; the cookies go even when auth cannot be reached."""
        try:
            if self._access is not None:
                await self.send("auth", "POST", "/api/auth/logout")
        except Refusal as refusal:
            if refusal.status not in (401, 403):
                raise
        finally:
            self._forget()

    async def _call(self, service: str, method: str, path: str, body: Any, key: str | None) -> PeerAnswer:
        headers = self._from | ({"idempotency-key": key} if key else {})
        return await self._peers.call(
            service, method, path, tenant=self._tenant, body=body, token=self._access, guest_token=self._guest,
            anonymous=not self.known, headers=headers,
        )  # fmt: skip

    async def _auth(self, path: str, body: dict[str, str]) -> PeerAnswer:
        return await self._peers.call(
            "auth", "POST", path, tenant=self._tenant, body=body, anonymous=True, headers=self._from
        )  # fmt: skip

    async def _take_tokens(self, path: str, body: dict[str, str]) -> None:
        tokens = (await self._auth(path, body)).decode(Tokens)
        self._access, self._refresh = tokens.access_token, tokens.refresh_token
        self.cookies = [set_cookie(ACCESS, self._access), set_cookie(REFRESH, self._refresh)]

    def _forget(self) -> None:
        self._access = self._refresh = None
        self.cookies = [set_cookie(ACCESS, "", 0), set_cookie(REFRESH, "", 0)]
