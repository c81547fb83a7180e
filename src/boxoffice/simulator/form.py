"""Stripe's form encoding, read: `a[b]=1&c[]=2&c[1][d]=3` becomes objects and lists. Pure."""

import re
from typing import Any
from urllib.parse import parse_qsl

FIELDS_MOST = 500
DEEPEST = 8
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class BadForm(Exception):
    """The body is no form as Stripe knows it."""


def parse(text: str) -> dict[str, Any]:
    """The nested parameters of a query string or a form. Values stay text."""
    tree: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="strict")
    except ValueError as error:
        raise BadForm("the form can not be read") from error
    for name, value in pairs:
        _put(tree, _path(name), value)
    return {name: _listed(value) for name, value in tree.items()}


def _path(name: str) -> list[str]:
    found = NAME.fullmatch(name)
    if found is None:
        raise BadForm(f"the parameter {name!r} has no name")
    path = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
    if len(path) > DEEPEST:
        raise BadForm("the form is nested too deeply")
    return path


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    here = tree
    for step in path[:-1]:
        inner = here.setdefault(step, {})
        if not isinstance(inner, dict):
            raise BadForm(f"{step!r} is both a value and an object")
        here = inner
    last = path[-1] or str(len(here))  # `name[]` appends
    here[last] = value


def _listed(value: Any) -> Any:
    """Objects whose names are 0, 1, 2 … are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(each) for name, each in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
