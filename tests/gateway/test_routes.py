"""Whose path is whose."""

import pytest

from boxoffice.gateway.routes import PLATFORM_ROUTES, TENANT_ROUTES

EVENT = "/api/events/0194b1d2-1234-7123-8123-123456789012"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/events", "events"), (EVENT, "events"), (f"{EVENT}/seat-plan", "events"),
        (f"{EVENT}/publication", "events"), (f"{EVENT}/cancellation", "events"), ("/api/plans/abc.json", "events"),
        (f"{EVENT}/holds", "bookings"), (f"{EVENT}/offers", "bookings"), (f"{EVENT}/availability", "bookings"),
        (f"{EVENT}/bookings", "bookings"), (f"{EVENT}/blocks", "bookings"), (f"{EVENT}/statistics", "bookings"),
        (f"{EVENT}/comp-bookings", "bookings"), ("/api/holds/1", "bookings"), ("/api/bookings/1/tickets", "bookings"),
        ("/api/check-ins", "bookings"), ("/.well-known/ticket-keys.json", "bookings"),
        ("/.well-known/jwks.json", "auth"), ("/api/auth/login", "auth"), ("/api/guests", "auth"),
        ("/api/payments/webhooks/simulated", "payments"), ("/api/notifications/templates", "notifications"),
        ("/", "storefront"), ("/events/1/seats", "storefront"), ("/assets/page-1.css", "storefront"),
        ("/organizer", "organizer"), ("/organizer/events/1/refunds", "organizer"),
        ("/api/openapi.json", "reference"), ("/api/docs", "reference"),
    ],
)  # fmt: skip
def test_every_path_of_a_tenants_host_has_its_service(path: str, service: str) -> None:
    rule = TENANT_ROUTES.find(path)

    assert rule is not None
    assert rule.service == service


@pytest.mark.parametrize(
    "path",
    ["/internal/admins", "/internal", "/health/live", "/health/ready", "/metrics", "/api/nothing", "/api",
     "/api/internal/x", "/.well-known/other", "/api/tenants", "/api//events", "//internal/admins/../x/api"],
)  # fmt: skip
def test_what_is_not_meant_for_the_outside_has_none(path: str) -> None:
    rule = TENANT_ROUTES.find(path)

    assert rule is None or rule.service == "storefront"  # which has no such page
    assert path.startswith("//") or rule is None


@pytest.mark.parametrize(
    ("path", "service"),
    [("/api/tenants", "tenants"), ("/api/tenants/1/suspension", "tenants"), ("/api/auth/me", "auth"),
     ("/dev/mail", "notifications"), ("/", "operations"), ("/sagas/1/retry", "operations"),
     ("/api/events", None), ("/internal/x", None)],
)  # fmt: skip
def test_the_operators_host_has_paths_of_its_own(path: str, service: str | None) -> None:
    rule = PLATFORM_ROUTES.find(path)

    assert (rule.service if rule else None) == service


def test_signing_in_counts_in_a_class_of_its_own_by_any_door() -> None:
    for path in ("/api/auth/login", "/api/auth/register", "/login", "/register"):
        rule = TENANT_ROUTES.find(path)
        assert rule is not None
        assert rule.writes == "sign_in"


def test_only_a_seat_plan_may_be_large() -> None:
    plan, other = TENANT_ROUTES.find(f"{EVENT}/seat-plan"), TENANT_ROUTES.find(f"{EVENT}/publication")

    assert plan is not None
    assert other is not None
    assert (plan.body, other.body) == (16 * 1024 * 1024, 256 * 1024)
