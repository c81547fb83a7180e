"""A screen is physical: what grows over its limit lacks an idea, not a helper."""

import ast
from collections import Counter

import pytest

from tests.architecture.source import PACKAGE, ROOT, SERVICES, modules

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
KERNEL_LINES_MAX = 4_000
DOORS_LINES_MAX = 2_500
SERVICE_LINES_MAX = 2_500
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "impl", "base", "misc", "lib"}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = [
        f"{module.name}:{function.lineno} {function.name} has {length} lines"
        for module in modules()
        for function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
        and not (module.is_migration and function.name == "upgrade")
    ]

    assert too_long == []


def test_no_file_is_longer_than_can_be_read_in_one_go() -> None:
    too_long = [f"{module.name} has {module.lines} lines" for module in modules() if module.lines > FILE_LINES_MAX]

    assert too_long == []


def test_the_kernel_the_doors_and_each_service_stay_small() -> None:
    sizes: Counter[str] = Counter()
    for module in modules():
        if not module.is_migration:
            sizes[module.room] += module.lines

    kernel = sum(lines for room, lines in sizes.items() if room.partition("/")[0] == "kernel")
    assert kernel <= KERNEL_LINES_MAX
    assert sizes["doors"] <= DOORS_LINES_MAX
    services = {room: lines for room, lines in sizes.items() if room.partition("/")[0] in SERVICES}
    assert {room: lines for room, lines in services.items() if lines > SERVICE_LINES_MAX} == {}


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    silent = [module.name for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)]

    assert silent == []


@pytest.mark.parametrize("name", sorted(EMPTY_NAMES))
def test_no_module_has_a_name_that_says_nothing(name: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in PACKAGE.rglob(f"{name}.py")]

    assert found == []


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
    found = [f"{module.name}: {mark}" for module in modules() for mark in marks if mark in module.text]

    assert found == []
