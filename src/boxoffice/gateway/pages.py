"""The edge's own page, as plain HTML: the API's reference."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#1c1a1f,#f1eff4);--paper:light-dark(#fbfaf8,#131215);
--muted:light-dark(#5d5863,#aaa5b1);--line:light-dark(#e4e0e8,#2d2a33);--raised:light-dark(#fff,#1b191f);
--brand:light-dark(#5b21b6,#c4b5fd)}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 ui-sans-serif,system-ui,sans-serif}
main,header{max-width:64rem;margin:0 auto;padding:1rem clamp(1rem,4vw,2.5rem)}
header{padding-top:3rem}
h1{font-size:clamp(2rem,5vw,2.9rem);line-height:1.1;letter-spacing:-.025em;margin:0 0 .6rem}
h2{font-size:1.45rem;line-height:1.2;letter-spacing:-.015em;margin:3rem 0 1rem}
h2[id]{text-transform:capitalize}
p{max-width:42rem}a{color:var(--brand);text-underline-offset:.2em}
nav ul{display:flex;flex-wrap:wrap;gap:.5rem 1.25rem;padding:0;list-style:none}
details{background:var(--raised);border:1px solid var(--line);border-radius:.8rem;margin:.6rem 0;padding:0 1rem}
summary{cursor:pointer;padding:.8rem 0;display:flex;flex-wrap:wrap;gap:.25rem .9rem;align-items:baseline}
summary::-webkit-details-marker{display:none}
summary:focus-visible,a:focus-visible{outline:3px solid var(--brand);outline-offset:3px;border-radius:.3rem}
code{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
.method{font-weight:700;min-width:4.2rem;color:var(--brand)}
.says{color:var(--muted)}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.3rem 1.2rem;margin:.5rem 0 1.2rem}
dt{font-weight:600}dd{margin:0;min-width:0}
h3{font-size:1rem;margin:1rem 0 .3rem}
@media(max-width:32rem){dl{grid-template-columns:1fr}dd{margin-bottom:.6rem}}
"""
LIMITS = (("minimum", "from"), ("maximum", "to"), ("minLength", "at least"), ("maxLength", "at most"))
METHODS = ("get", "post", "put", "patch", "delete")


def page(title: str, head: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><header>{head}</header><main>{body}</main></body></html>"
    )


def reference(document: Mapping[str, Any]) -> str:
    """The reference of an OpenAPI document: every operation by service, and every type it speaks of."""
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                by_tag[operations[method]["tags"][0]].append((method, path, operations[method]))
    links = "".join(f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>' for tag in by_tag)
    head = (
        f"<h1>API reference</h1><p>Version {escape(document['info']['version'])}. Refusals are problem documents "
        '(RFC 9457) with a stable <code>code</code>. The same in <a href="/api/openapi.json">OpenAPI 3.1</a>.</p>'
        f'<nav aria-label="Services"><ul>{links}<li><a href="#types">Types</a></li></ul></nav>'
    )
    services = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag)}</h2>' + "".join(_operation(*each) for each in operations)
        for tag, operations in by_tag.items()
    )
    types = "".join(_type(name, schema) for name, schema in document["components"]["schemas"].items())
    return page("API reference", head, f'{services}<h2 id="types">Types</h2>{types}')


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [_parameters(operation["parameters"])] if operation["parameters"] else []
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<h3>Body</h3><p>{_schema(body)}</p>")
    parts.append(_answers(operation["responses"]))
    says = f"{escape(operation['summary'])} · {_who(operation)}"
    return (
        f'<details><summary><span class="method">{method.upper()}</span><code>{escape(path)}</code>'
        f'<span class="says">{says}</span></summary>{"".join(parts)}</details>'
    )


def _who(operation: Mapping[str, Any]) -> str:
    accepted = [name for choice in operation["security"] for name in choice]
    if {} in operation["security"]:
        return "anyone"
    return "buyer or guest" if "guest" in accepted else "signed in"


def _parameters(parameters: Iterable[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<dt><code>{escape(each['name'])}</code></dt><dd>{each['in']}{', required' if each.get('required') else ''}: "
        f"{_schema(each['schema'])}</dd>"
        for each in parameters
    )
    return f"<h3>Parameters</h3><dl>{rows}</dl>"


def _answers(responses: Mapping[str, Any]) -> str:
    rows = []
    for status, answer in responses.items():
        shapes = " or ".join(_schema(content["schema"]) for content in answer.get("content", {}).values())
        says = _ticked(answer["description"])
        rows.append(
            f"<dt>{status} {HTTPStatus(int(status)).phrase}</dt><dd>{says}{': ' if shapes else ''}{shapes}</dd>"
        )
    return f"<h3>Answers</h3><dl>{''.join(rows)}</dl>"


def _ticked(text: str) -> str:
    """Text in which `this` is code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _type(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<dt><code>{escape(field)}</code></dt><dd>{_schema(kind)}{'' if field in required else ', optional'}</dd>"
        for field, kind in schema.get("properties", {}).items()
    )
    says = f"<p>{escape(schema['description'])}</p>" if "description" in schema else ""
    label = f"<summary><code>{escape(name)}</code></summary>"
    return f'<details id="type-{escape(name)}">{label}{says}<dl>{rows}</dl></details>'


def _schema(schema: Mapping[str, Any] | bool) -> str:
    """A schema in a few words; a named type is a link."""
    if isinstance(schema, bool):
        return "any value" if schema else "nothing"
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for joined in ("anyOf", "oneOf"):
        if joined in schema:
            return " or ".join(_schema(each) for each in schema[joined])
    if "prefixItems" in schema:
        return "list of " + ", then ".join(_schema(each) for each in schema["prefixItems"])
    if schema.get("type") == "array":
        return f"list of {_schema(schema.get('items', True))}"
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"names with {_schema(schema['additionalProperties'])}"
    said = str(schema.get("format") or schema.get("type") or "any value")
    limits = [f"{word} {schema[key]}" for key, word in LIMITS if key in schema]
    return escape(" ".join([said, *limits]))
