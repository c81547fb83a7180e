"""What belongs to one machine or one process stays where it belongs."""

import ast
import re
from pathlib import Path

from tests.architecture.source import ROOT, Module, modules, tracked_files

READERS_OF_THE_ENVIRONMENT = {"settings", "__main__", "app", "embedded", "run"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
WAITING = {("time", "sleep"), ("asyncio", "sleep")}
PATCHING = {"unittest", "mock", "pytest_mock"}
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(work|root|home/\w+|Users/\w+)/")
REGISTRY = re.compile(
    r"(index-url|registry\s*=\s*[\"\']?http|\"resolved\":\s*\"http|pythonhosted\.org|//pypi\.|registry\.npmjs|proxy\.golang\.org"
    r"|repo\.maven|deb\.debian\.org)"
)


def test_only_the_top_of_the_program_reads_the_environment() -> None:
    readers = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if module.owner not in READERS_OF_THE_ENVIRONMENT
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT
    ]

    assert readers == []


def test_settings_of_a_database_session_end_with_the_transaction() -> None:
    lasting = re.compile(
        r"(?:^|;)\s*(SET\s+(?!LOCAL\b|CONSTRAINTS\b)|RESET\b)|set_config\s*\([^)]*,\s*false\s*\)", re.I
    )
    found = [f"{module.name}:{line}" for module in modules() for line, sql in module.statements if lasting.search(sql)]

    assert found == []


def test_no_tracked_file_names_this_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        if path != Path(__file__) and (text := readable(path)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) or REGISTRY.search(line)
    ]

    assert found == []


def test_tests_neither_patch_nor_sleep() -> None:
    suspects = [Module(path) for path in sorted((ROOT / "tests").rglob("*.py")) if path.name != "waiting.py"]
    found = [
        f"{module.name}:{getattr(node, 'lineno', 0)}"
        for module in suspects
        for node in ast.walk(module.tree)
        if _sleeps(node) or _patches(node)
    ]

    assert found == []


def _sleeps(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in WAITING
    )


def _patches(node: ast.AST) -> bool:
    if isinstance(node, ast.arg):
        return node.arg in {"monkeypatch", "mocker"}
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in PATCHING for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PATCHING


def readable(path: Path) -> str | None:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None
