"""OpenAPI: the platform's public contract as a document, made from the services' route tables."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from boxoffice.doors import problem
from boxoffice.doors.body import Reader
from boxoffice.doors.http import takes_key
from boxoffice.doors.request import MOST_WAIT_SECONDS
from boxoffice.kernel.route import Host, Route, Who

if TYPE_CHECKING:
    from boxoffice.kernel.service import Service

REF = "#/components/schemas/{name}"
EVERYWHERE = (
    "400 malformed_headers", "401 invalid_token", "403 wrong_tenant", "403 tenant_suspended", "404 not_found",
    "404 tenant_not_found", "415 unsupported_media_type", "429 rate_limited", "503 overloaded", "503 unavailable",
    "503 tenant_provisioning",
)  # fmt: skip
SECURITY: Mapping[bool, list[dict[str, list[str]]]] = {
    True: [{"bearer": []}, {"guest": []}],
    False: [{"bearer": []}],
}
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "guest": {"type": "apiKey", "in": "header", "name": "Guest-Token"},
}
KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
WAIT_SCHEMA = {
    "type": "string",
    "description": (
        "`wait=N` (RFC 7240): while its next step is not the caller's, answer as soon as it has moved on, or after N "
        f"seconds (at most {MOST_WAIT_SECONDS})"
    ),
}
ID_SCHEMA = {"type": "string", "format": "uuid"}
NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 200}


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One value that cannot be accepted."""

    path: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal (RFC 9457). Some codes bring further members."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class ValidationProblem(Problem, frozen=True, kw_only=True):
    """A refusal of values."""

    errors: list[FieldError]


def document(services: Iterable["Service"], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of everything that is public and not a page."""
    public = [(service, route) for service in services for route in service.routes if is_public(route)]
    kinds = [kind for _, route in public for kind in _kinds(route)]
    schemas, components = msgspec.json.schema_components([Problem, ValidationProblem, *kinds], ref_template=REF)
    by_kind = {repr(kind): schema for kind, schema in zip([Problem, ValidationProblem, *kinds], schemas, strict=True)}
    queries = {_component(by_kind[repr(route.query)]) for _, route in public if route.query is not None}
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for service, route in public:
        method = route.method.lower()
        if method in paths[route.path]:
            raise ValueError(f"two public doors for {route.method} {route.path}")
        paths[route.path][method] = _operation(service.name, route, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "boxoffice", "version": version},
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {name: components[name] for name in sorted(components) if name not in queries},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def is_public(route: Route) -> bool:
    """Whether clients may rely on this door: neither the services' own nor a page for people."""
    return route.who is not Who.PEER and any(not kind.startswith("text/html") for kind in route.produces)


def _component(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _kinds(route: Route) -> list[Any]:
    kinds = [route.body, route.query, *route.answers.values()]
    return [kind for kind in kinds if kind is not None]


def _operation(service: str, route: Route, by_kind: Mapping[Any, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "tags": [service],
        "summary": route.summary,
        "x-hosts": ["tenant", "platform"] if route.host is Host.BOTH else [route.host.value],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route, by_kind, components),
            *_key(route),
            *_wait(route),
        ],
        "responses": _answers(route, by_kind) | _refusals(route, by_kind),
        "security": [{}, *SECURITY[True]] if route.who is Who.ANYONE else SECURITY[route.who is Who.BUYER],
    }
    if route.body is not None:
        content = {"application/json": {"schema": by_kind[repr(route.body)]}}
        operation["requestBody"] = {"required": not Reader(route.body).may_be_empty, "content": content}
    return operation


def _operation_id(route: Route) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in route.path).split()
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [part.partition("}")[0] for part in route.path.split("{")[1:]]
    return [
        {
            "name": name, "in": "path", "required": True,
            "schema": ID_SCHEMA if name == "id" or name.endswith("_id") else NAME_SCHEMA,
        }
        for name in names
    ]  # fmt: skip


def _query_parameters(route: Route, by_kind: Mapping[Any, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    described = components[_component(by_kind[repr(route.query)])]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "schema": _without_null(schema),
        }
        for name, schema in described["properties"].items()
    ]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query parameter may be left out but has no way to be null."""
    left = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    choices = [choice for choice in left.pop("anyOf", ()) if choice != {"type": "null"}]
    return left | (choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})


def _key(route: Route) -> list[dict[str, Any]]:
    if not takes_key(route):
        return []
    return [{"name": "Idempotency-Key", "in": "header", "required": route.key_required, "schema": KEY_SCHEMA}]


def _wait(route: Route) -> list[dict[str, Any]]:
    if not route.may_wait:
        return []
    return [{"name": "Prefer", "in": "header", "required": False, "schema": WAIT_SCHEMA}]


def _answers(route: Route, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    answers = {}
    for status, kind in route.answers.items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            json_schema = {"schema": by_kind[repr(kind)]}
            other_schema = {"schema": {"type": "string"}}
            answer["content"] = {
                name: json_schema if name.endswith("json") else other_schema for name in route.produces
            }
        answers[str(status)] = answer
    return answers


def _refusals(route: Route, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    """The problems that this route can answer: its own and those of the way to it."""
    listed = [*EVERYWHERE, *route.refusals]
    if route.who is not Who.ANYONE:
        listed += ["401 unauthenticated", "403 forbidden"]
    if route.body is not None:
        listed += ["400 malformed_body", "422 invalid_body"]
    if route.body is not None or route.raw_body:
        listed += ["413 too_large"]
    if route.query is not None:
        listed += ["422 invalid_query"]
    if _key(route):
        listed += ["400 idempotency_key_invalid", "409 in_flight", "422 key_reused"]
    if route.key_required:
        listed += ["400 idempotency_key_required"]
    codes: dict[str, set[str]] = defaultdict(set)
    for refusal in listed:
        status, _, code = refusal.partition(" ")
        codes[status].update(code.split())
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in sorted(codes[status])),
            "content": {
                problem.CONTENT_TYPE: {"schema": by_kind[repr(ValidationProblem if status == "422" else Problem)]}
            },
        }
        for status in sorted(codes)
    }
