"""Every service of the platform, one function each: what it is built from."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from boxoffice.auth import service as auth
from boxoffice.bookings import service as bookings
from boxoffice.demo.people import TENANTS
from boxoffice.doors.identity import GUEST_KEYS, PLATFORM_KEYS, SERVICE_KEYS, TENANT_KEYS
from boxoffice.events import service as events
from boxoffice.kernel.service import Service
from boxoffice.notifications import service as notifications
from boxoffice.operations import service as operations
from boxoffice.organizer import service as organizer
from boxoffice.pages.assets import Assets
from boxoffice.payments import service as payments
from boxoffice.settings import Settings
from boxoffice.storefront import service as storefront
from boxoffice.tenants import service as tenants

if TYPE_CHECKING:
    from boxoffice.app.process import Process


def _tenants(process: "Process") -> Service:
    return tenants.build(
        database=process.database, peers=process.peers("tenants"), valkey=process.valkey, keyring=process.keyring,
        roles=process.roles, least_hold_seconds=process.settings.least_hold_seconds,
        migrator_url=process.migrator_url if process.login == "worker" else None,
    )  # fmt: skip


def _auth(process: "Process") -> Service:
    return auth.build(
        database=process.database, directory=process.directory, valkey=process.valkey, keyring=process.keyring,
        bcrypt_cost=process.settings.bcrypt_cost, processes=process.settings.web_processes, verifier=process.verifier,
    )  # fmt: skip


def _events(process: "Process") -> Service:
    return events.build(database=process.database, peers=process.peers("events"), keyring=process.keyring)


def _bookings(process: "Process") -> Service:
    return bookings.build(
        database=process.database, directory=process.directory, peers=process.peers("bookings"), valkey=process.valkey,
        keyring=process.keyring, news=process.news, cancel_grace_seconds=process.settings.cancel_grace_seconds,
        least_payment_seconds=max(1, round(process.settings.least_payment_seconds)),
    )  # fmt: skip


def _payments(process: "Process") -> Service:
    settings = process.settings
    return payments.build(
        database=process.database, bank=process.bank, directory=process.directory, keyring=process.keyring,
        domain=settings.domain, public_url=origin(settings),
        internal_url=f"http://127.0.0.1:{settings.port}", settle_seconds=settings.settle_seconds,
        slow_seconds=settings.simulated_slow_seconds, captured_late_seconds=settings.simulated_late_seconds,
        stripe_url=settings.stripe_url, stripe_secrets=settings.data / "secrets" / "stripe",
    )  # fmt: skip


def _notifications(process: "Process") -> Service:
    settings = process.settings
    return notifications.build(
        database=process.database, directory=process.directory, peers=process.peers("notifications"),
        keyring=process.keyring, public_url=origin(settings), smtp_url=settings.smtp_url,
        mail_from=settings.mail_from or f"tickets@{settings.domain}",
    )  # fmt: skip


def _storefront(process: "Process") -> Service:
    return storefront.build(peers=process.peers("storefront"), assets=Assets(storefront.BUILT))


def _organizer(process: "Process") -> Service:
    return organizer.build(peers=process.peers("organizer"), assets=Assets(storefront.BUILT))


def _operations(process: "Process") -> Service:
    return operations.build(
        database=process.database, directory=process.directory, peers=process.peers("operations"),
        keyring=process.keyring, assets=Assets(storefront.BUILT), shops=demo_shops(process.settings),
        shows_mail=not process.settings.smtp_url,
    )  # fmt: skip


BUILDERS: Mapping[str, Callable[["Process"], Service]] = {
    "tenants": _tenants,
    "auth": _auth,
    "events": _events,
    "bookings": _bookings,
    "payments": _payments,
    "notifications": _notifications,
    "storefront": _storefront,
    "organizer": _organizer,
    "operations": _operations,
}
SERVICES = tuple(BUILDERS)
# Those that tell or hear messages, or have due work.
WORKERS = ("tenants", "auth", "events", "bookings", "payments", "notifications", "operations")
# The private keys and secrets of each, beside the key of its service tokens (its name). Nobody has another's.
KEYS: Mapping[str, frozenset[str]] = {
    "gateway": frozenset(),
    "tenants": frozenset({"fingerprint"}),
    "auth": frozenset({"fingerprint", "pepper", TENANT_KEYS, PLATFORM_KEYS, GUEST_KEYS}),
    "events": frozenset({"fingerprint"}),
    "bookings": frozenset({"fingerprint", "hold", "tickets-master"}),
    "payments": frozenset({"webhook"}),
    "notifications": frozenset({"fingerprint"}),
    "storefront": frozenset(),
    "organizer": frozenset(),
    "operations": frozenset({"fingerprint"}),
}
PROCESSES = tuple(KEYS)  # what can have a process of its own


def keys_of(names: Iterable[str]) -> frozenset[str]:
    """The names of all keys that these services may use."""
    return frozenset().union(*(KEYS[name] | {SERVICE_KEYS + name} for name in names))


def build(process: "Process", names: Iterable[str]) -> list[Service]:
    """The services of these names, in a process of their own or all in one."""
    return [BUILDERS[name](process) for name in names]


def origin(settings: Settings) -> str:
    """How a browser names a host, with {slug} in the host's place."""
    return settings.public_url or f"http://{{slug}}.{settings.domain}:{settings.port}"


def demo_shops(settings: Settings) -> dict[str, str]:
    """The demo's tenants, name to URL; none without the demo."""
    tenants = TENANTS if settings.demo else ()
    return {tenant.name: origin(settings).format(slug=tenant.slug) + "/" for tenant in tenants}
