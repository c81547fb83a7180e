"""Hosts: which tenant a Host header names."""

import pytest

from boxoffice.doors.hosts import Hosts
from boxoffice.kernel.errors import NotFound

HOSTS = Hosts("Tickets.Example.")


@pytest.mark.parametrize(
    ("host", "slug"),
    [
        ("acme.tickets.example", "acme"),
        ("ACME.Tickets.Example", "acme"),
        ("acme.tickets.example.", "acme"),
        ("acme.tickets.example:8000", "acme"),
        ("acme.tickets.example.:8000", "acme"),
        ("platform.tickets.example", "platform"),
    ],
)
def test_a_host_names_a_tenant(host: str, slug: str) -> None:
    assert HOSTS.slug(host) == slug


@pytest.mark.parametrize(
    "host",
    [
        "", "tickets.example", ".tickets.example", "acme.evil.example", "acme.tickets.example.evil.com",
        "acmetickets.example", "a.b.tickets.example", "acme.tickets.example:80:80", "acme.tickets.example:port",
        "acme..tickets.example", "127.0.0.1:8000", "[::1]:8000", "x" * 300 + ".tickets.example",
        "acme.tickets.example@evil.com",
    ],
)  # fmt: skip
def test_any_other_host_is_nobodys(host: str) -> None:
    with pytest.raises(NotFound) as refusal:
        HOSTS.slug(host)

    assert refusal.value.code == "tenant_not_found"
