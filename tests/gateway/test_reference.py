"""The reference: the committed OpenAPI document is the code's, and the page shows all of it."""

import json
import re
from pathlib import Path

import pytest

from boxoffice import app
from boxoffice.gateway import pages
from boxoffice.gateway.reference import of_host
from boxoffice.gateway.routes import PLATFORM_ROUTES, TENANT_ROUTES

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_fresh() -> None:
    written = json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"

    assert COMMITTED.read_text() == written, "run: boxoffice openapi > docs/openapi.json"


def test_every_public_door_is_reached_through_the_gateway() -> None:
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            for host, table in (("tenant", TENANT_ROUTES), ("platform", PLATFORM_ROUTES)):
                if host in operation["x-hosts"]:
                    rule = table.find(re.sub(r"\{[^}]*\}", "x", path))
                    assert rule is not None, path
                    assert rule.service == operation["tags"][0], path


@pytest.mark.parametrize("host", ["tenant", "platform"])
def test_the_page_names_every_operation_and_links_only_to_what_is_on_it(host: str) -> None:
    document = of_host(app.openapi(), host)

    page = pages.reference(document)

    assert document["paths"]
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    assert "<script" not in page


def test_a_host_shows_only_its_own_doors() -> None:
    document = app.openapi()

    assert "/api/tenants" in of_host(document, "platform")["paths"]
    assert "/api/tenants" not in of_host(document, "tenant")["paths"]
    assert "/api/bookings" not in of_host(document, "platform")["paths"]
