"""The documents say what the code does: written pages are fresh, tables complete, links and names lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

from boxoffice import app, messages, published
from boxoffice.__main__ import cli
from boxoffice.kernel import walls
from boxoffice.settings import PREFIX, Settings
from boxoffice.telemetry import metrics
from tests.architecture.source import ROOT, Module, modules
from tests.resilience import matrix

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
TEST_NAME = re.compile(r"\btest_[a-z0-9_]+\b(?!\.py)")
COMMAND = re.compile(r"-m boxoffice ([a-z]+)")


def test_the_page_of_messages_is_fresh() -> None:
    written = published.messages_page(app.described_services())

    assert (DOCS / "messages.md").read_text() == written, "run: python -m boxoffice messages > docs/messages.md"


def test_the_page_of_the_saga_is_fresh() -> None:
    assert (DOCS / "saga.md").read_text() == published.saga_page(), "run: python -m boxoffice saga > docs/saga.md"


def test_the_page_of_resilience_is_fresh() -> None:
    written = matrix.page()

    assert (DOCS / "resilience.md").read_text() == written, (
        "run: python -m tests.resilience.matrix > docs/resilience.md"
    )


def test_a_message_is_published_by_the_service_in_whose_section_it_stands() -> None:
    producers = published.message_producers()
    made = {
        (name, module.owner)
        for module in modules()
        if module.owner not in ("messages", "published")
        for name in called(module)
        if name in producers
    }

    assert set(producers) == {message.__name__ for message in messages.MESSAGES}
    assert {(name, owner) for name, owner in made if producers[name] != owner} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    dead = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert dead == []


def test_every_test_that_a_page_names_exists() -> None:
    existing = set()
    for path in (ROOT / "tests").rglob("*.py"):
        existing |= {path.stem, *re.findall(r"def (test_\w+)", path.read_text())}

    named = {(page.name, name) for page in PAGES for name in TEST_NAME.findall(page.read_text())}

    assert named
    assert {(page, name) for page, name in named if name not in existing} == set()


def test_every_command_that_a_page_names_exists() -> None:
    known = {command.name or command.callback.__name__ for command in cli.registered_commands if command.callback}
    known |= {group.name for group in cli.registered_groups if group.name}

    named = {name for page in PAGES for name in COMMAND.findall(page.read_text())}

    assert named - known == set()


def test_operations_tells_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(BOXOFFICE_\w+)` \| ([^|]*) \| .* \|$", operations(), re.MULTILINE))
    own = {
        "BOXOFFICE_DATA",
        "BOXOFFICE_WEB_PROCESSES",
        "BOXOFFICE_INSTANCES",
    }  # depend on the machine, and are told in words

    assert set(rows) == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if (setting := PREFIX + name.upper()) not in own:
            assert rows[setting].strip() == told(field.get_default()), setting


def test_operations_tells_every_metric() -> None:
    counters = {f"{name}_total" for name in metrics.COUNTERS}
    own = {
        "http_server_requests_total", "http_server_request_duration_seconds", "message_handling_duration_seconds"
    }  # fmt: skip

    told_of = set(re.findall(r"^\| `([a-z_]+)` \|", section(operations(), "Metrics"), re.MULTILINE))

    assert told_of == {*metrics.GAUGES, *counters, *own}


def test_security_tells_everything_that_doctor_tries() -> None:
    page = (DOCS / "security.md").read_text()

    untold = [what for what, _ in (*walls.INJECTIONS, *walls.BARE, *walls.FACTS) if f"- {what}\n" not in page]

    assert untold == []


def test_every_decision_is_in_the_index_under_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()

    for page in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        number, title = page.name[:4], page.read_text().splitlines()[0]
        assert title.startswith(f"# {int(number)}. "), page.name
        assert f"| [{number}]({page.name}) | {title.partition('. ')[2]} |" in index, page.name


def called(module: Module) -> set[str]:
    """The names that a module calls, with or without their module's name before them."""
    functions = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    names = {each.id for each in functions if isinstance(each, ast.Name)}
    return names | {each.attr for each in functions if isinstance(each, ast.Attribute)}


def operations() -> str:
    return (DOCS / "operations.md").read_text()


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def told(default: object) -> str:
    """A default as the table shows it."""
    if isinstance(default, bool):
        return "1" if default else "0"
    if isinstance(default, float):
        return f"{default:g}"
    return str(default)
