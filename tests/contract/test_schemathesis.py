"""Whatever is sent, by whomever: no fault, and every answer is one that the OpenAPI document tells of."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.furnish import Furnisher
from tests.contract.world import World

DOCUMENT = json.loads(Path("docs/openapi.json").read_text())
# Credentials are ours to give, not the generator's.
PROJECT = ProjectConfig(generation=GenerationConfig(with_security_parameters=False))
SCHEMA = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig(projects=ProjectsConfig(default=PROJECT), seed=1)
)
OPERATIONS = {
    f"{method.upper()} {path}": (path, method) for path, methods in DOCUMENT["paths"].items() for method in methods
}
INPUT = {name for name, (path, method) in OPERATIONS.items() if (
    "requestBody" in (described := DOCUMENT["paths"][path][method])
    or any(parameter["in"] == "query" for parameter in described["parameters"])
)}  # fmt: skip
# Their success needs what only the simulated bank, the mail server or a defect can bring about; other tests have it.
SERVED_ELSEWHERE = {
    "POST /api/dead-letters/{letter_id}/redrive", "DELETE /api/dead-letters/{letter_id}",
    "POST /api/notifications/dead/{notification_id}/redrive", "POST /api/payments/simulated/{reference}",
    "POST /api/payments/webhooks/{provider}",
}  # fmt: skip
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip
STEADY = settings(
    max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


@pytest.fixture(scope="module")
def furnisher(world: World) -> Iterator[Furnisher]:
    with requests.Session() as session:
        yield Furnisher(world, session)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_answer_to_every_role_is_in_the_document(furnisher: Furnisher, name: str) -> None:
    path, method = OPERATIONS[name]
    described = SCHEMA[path][method]
    answers: set[int] = set()

    @STEADY
    @given(case=described.as_strategy(GenerationMode.POSITIVE, path_parameters=furnisher.path(name)))
    def ask_as_everybody(case: Any) -> None:
        for host in DOCUMENT["paths"][path][method]["x-hosts"]:
            for role in furnisher.world.roles(host):
                response = furnisher.ask(name, case, host, role)
                case.validate_response(response, CHECKS)
                answers.add(response.status_code)

    ask_as_everybody()

    promised = {int(status) for status in DOCUMENT["paths"][path][method]["responses"] if int(status) < 400}
    assert answers & promised or name in SERVED_ELSEWHERE, f"nobody was served; {sorted(answers)}"


@pytest.mark.parametrize("name", sorted(INPUT))
def test_what_the_document_does_not_allow_is_refused(furnisher: Furnisher, name: str) -> None:
    path, method = OPERATIONS[name]
    described = SCHEMA[path][method]
    answers: set[int] = set()

    @STEADY
    @given(case=described.as_strategy(GenerationMode.NEGATIVE, path_parameters=furnisher.path(name)))
    def ask_as_who_may(case: Any) -> None:
        host = DOCUMENT["paths"][path][method]["x-hosts"][0]
        response = furnisher.send(case, host, "operator" if host == "platform" else "admin")
        case.validate_response(response, [*CHECKS, negative_data_rejection])
        answers.add(response.status_code)

    ask_as_who_may()

    assert answers & {400, 404, 422}, f"nothing was refused; {sorted(answers)}"
