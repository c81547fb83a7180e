"""What a tenant may be called and what may be set for it. Pure."""

import unicodedata
from collections.abc import Collection
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from boxoffice.kernel.errors import Conflict, Invalid
from boxoffice.kernel.tenant import SLUG, Cancellation, PaymentProvider, Status, TenantSettings

NAME_MOST = 200
HOLD_SECONDS_MOST = 1800
SEATS_MOST = 100
FREE_UNTIL_HOURS_MOST = 365 * 24
PER_MINUTE_MOST = 100_000_000
RESERVED_SLUGS = frozenset(
    """
    about account accounts admin administrator api app apps assets auth autoconfig autodiscover billing blog boxoffice
    buy cdn checkout console dashboard demo-admin dev docs download email eureka events example ftp gateway grafana
    guest health help host hostmaster imap internal jobs kafka legal localhost login logout mail mailhost master
    metrics monitor mx my news ns1 ns2 oauth operator organizer pay payment payments platform pop postgres postmaster
    postgresql prometheus proxy public redis register registry root sale sales search secure security seed signin
    signup smtp sso staging static stats status store storefront support system tenant tenants test-admin tickets
    valkey vpn webhook webhooks webmail webmaster worker ws www www1 www2
    """.split()  # noqa: SIM905  (a list would take a line each)
)
RESERVED_PREFIXES = ("pg-", "xn--")

Plan = Literal["free", "standard", "premium"]
Problem = dict[str, str]


class CancellationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which terms of cancellation to change."""

    free_until_hours: int | UnsetType = UNSET
    fee_percent: int | UnsetType = UNSET


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which settings to change; `rate_limits` names route classes: requests a minute, 0 for no limit, null for ours."""

    hold_seconds: int | UnsetType = UNSET
    max_seats_per_booking: int | UnsetType = UNSET
    cancellation: CancellationChange | UnsetType = UNSET
    rate_limits: dict[str, int | None] | UnsetType = UNSET
    payment_provider: PaymentProvider | UnsetType = UNSET


def check_slug(slug: str) -> list[Problem]:
    """What keeps `slug` from being a tenant's subdomain."""
    if not SLUG.fullmatch(slug):
        detail = "3 to 32 lower-case letters, digits and hyphens; a letter first, no hyphen last."
        return [_problem("slug", "bad_slug", detail)]
    if slug in RESERVED_SLUGS or slug.startswith(RESERVED_PREFIXES):
        return [_problem("slug", "reserved_slug", "This name is kept for the platform itself.")]
    return []


def normal_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def check_name(name: str) -> list[Problem]:
    """What keeps `name`, in normal form, from being a tenant's name."""
    if not 1 <= len(name) <= NAME_MOST:
        return [_problem("name", "bad_length", f"A name has 1 to {NAME_MOST} characters.")]
    return [] if name.isprintable() else [_problem("name", "bad_character", "A name has printable characters only.")]


def changed(settings: TenantSettings, change: SettingsChange) -> TenantSettings:
    """The settings after `change`; what it does not name stays."""
    limits = dict(settings.rate_limits)
    if change.rate_limits is not UNSET:
        limits = {name: limit for name, limit in (limits | change.rate_limits).items() if limit is not None}
    cancellation = settings.cancellation
    if change.cancellation is not UNSET:
        cancellation = msgspec.structs.replace(cancellation, **_named(change.cancellation))
    plain = {name: value for name, value in _named(change).items() if name not in ("cancellation", "rate_limits")}
    return msgspec.structs.replace(settings, cancellation=cancellation, rate_limits=limits, **plain)


def check_settings(
    settings: TenantSettings, *, least_hold_seconds: float, route_classes: Collection[str]
) -> list[Problem]:
    """What of `settings` is out of bounds."""
    terms: Cancellation = settings.cancellation
    bounds = [
        ("hold_seconds", settings.hold_seconds, least_hold_seconds, HOLD_SECONDS_MOST),
        ("max_seats_per_booking", settings.max_seats_per_booking, 1, SEATS_MOST),
        ("cancellation.free_until_hours", terms.free_until_hours, 0, FREE_UNTIL_HOURS_MOST),
        ("cancellation.fee_percent", terms.fee_percent, 0, 100),
    ]
    bounds += [(f"rate_limits.{name}", limit, 0, PER_MINUTE_MOST) for name, limit in settings.rate_limits.items()]
    problems = [
        _problem(f"settings.{path}", "out_of_range", f"From {least:g} to {most}.")
        for path, value, least, most in bounds
        if not least <= value <= most
    ]
    if set(settings.rate_limits) - set(route_classes):
        classes = ", ".join(route_classes)
        problems.append(_problem("settings.rate_limits", "unknown_route_class", f"The route classes are {classes}."))
    return problems


def suspended(status: Status) -> Status:
    """The status after a suspension. Raises Conflict while the tenant is not there yet."""
    if status is Status.PROVISIONING:
        raise Conflict("tenant_provisioning", "The tenant is being set up; try again in a moment.")
    return Status.SUSPENDED


def resumed(status: Status) -> Status:
    """The status after the end of a suspension."""
    return Status.ACTIVE if status is Status.SUSPENDED else status


def refuse(problems: list[Problem]) -> None:
    """Raise Invalid `invalid_body` when there are problems."""
    if problems:
        raise Invalid("invalid_body", "Some values cannot be accepted.", problems)


def _named(change: msgspec.Struct) -> dict[str, Any]:
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def _problem(path: str, code: str, detail: str) -> Problem:
    return {"path": path, "code": code, "detail": detail}
