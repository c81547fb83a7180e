"""Auth's doors: who may register, sign in, come back and leave, and the keys that let everybody else check it."""

from redis.asyncio import Redis

from boxoffice.auth.api import (
    Api,
    Credentials,
    FirstAdmin,
    GuestsWanted,
    GuestToken,
    HashedPassword,
    Keys,
    Registration,
    Renewal,
    Tokens,
    User,
)  # fmt: skip
from boxoffice.auth.passwords import Passwords
from boxoffice.doors.identity import Issuer, Verifier
from boxoffice.doors.keys import Keyring
from boxoffice.doors.limits import Limiter
from boxoffice.kernel.database import Database
from boxoffice.kernel.route import Host, Route, Who
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory

NAME = "auth"


def build(
    *, database: Database, directory: Directory, valkey: Redis | None, keyring: Keyring, bcrypt_cost: int,
    processes: int = 1, verifier: Verifier | None = None,
) -> Service:  # fmt: skip
    """The service auth. `keyring` is the folder with the keys that sign access and guest tokens."""
    passwords = Passwords(keyring.secret("pepper"), cost=bcrypt_cost)
    api = Api(
        database, directory, Issuer(keyring, verifier), passwords, Limiter(valkey, processes=processes),
        keyring.secret("fingerprint"),
    )  # fmt: skip
    return Service(name=NAME, routes=routes(api))


def routes(api: Api) -> tuple[Route, ...]:
    return (
        Route("POST", "/api/auth/register", api.register, Who.ANYONE, "Register as a customer",
              {201: User}, body=Registration, refusals=("409 email_taken", "503 overloaded")),
        Route("POST", "/api/auth/login", api.login, Who.ANYONE, "Sign in",
              {200: Tokens}, body=Credentials, host=Host.BOTH,
              refusals=("401 bad_credentials", "429 rate_limited", "503 overloaded")),
        Route("POST", "/api/auth/refresh", api.refresh, Who.ANYONE, "Take a refresh token for new tokens",
              {200: Tokens}, body=Renewal, host=Host.BOTH, also_suspended=True, refusals=("401 bad_credentials",)),
        Route("POST", "/api/auth/logout", api.logout, Who.USER, "End the session", {204: None}, host=Host.BOTH),
        Route("GET", "/api/auth/me", api.me, Who.USER, "Who I am",
              {200: User}, host=Host.BOTH, also_suspended=True),
        Route("POST", "/api/guests", api.guest, Who.ANYONE, "Become a guest", {201: GuestToken}),
        Route("GET", "/.well-known/jwks.json", api.jwks, Who.ANYONE, "The keys of this host's tokens",
              {200: Keys}, host=Host.BOTH, also_suspended=True),
        Route("POST", "/internal/guests", api.guests, Who.PEER, "Make guests", {201: list[GuestToken]},
              body=GuestsWanted),
        Route("POST", "/internal/password-hashes", api.hash_password, Who.PEER, "Check a person, hash a password",
              {200: HashedPassword}, body=Registration, host=Host.PLATFORM, refusals=("503 overloaded",)),
        Route("POST", "/internal/admins", api.create_admin, Who.PEER, "Make a tenant's first admin",
              {201: User}, body=FirstAdmin, host=Host.PLATFORM,
              refusals=("404 tenant_not_found", "409 email_taken")),
    )  # fmt: skip
