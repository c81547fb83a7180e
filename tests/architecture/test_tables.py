"""A table belongs to the service whose migration creates it: nobody else writes it, nobody else reads it."""

import re
from collections import defaultdict
from collections.abc import Sequence

import pytest

from tests.architecture.source import PACKAGE, Module, modules

NAME = r'"?([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?)"?'
CREATED = re.compile(rf"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?{NAME}", re.I)
REFERENCED = re.compile(rf"\bREFERENCES {NAME}", re.I)
UPDATED = r"(?<!FOR )(?<!KEY )(?<!DO )UPDATE(?: ONLY)?"  # not FOR UPDATE, FOR NO KEY UPDATE, ON CONFLICT DO UPDATE
WRITTEN = re.compile(rf"\b(?:INSERT INTO|DELETE FROM|MERGE INTO|TRUNCATE(?: TABLE)?|{UPDATED})\s+{NAME}", re.I)
READ = re.compile(rf"(?:\bFROM|\bJOIN|\bUSING|,)\s+(?:ONLY\s+|LATERAL\s+)?{NAME}", re.I)
NOT_TABLES = {"set", "skip", "nowait", "of"}
READABLE_BY_ALL = {"platform.tenants", "tenants"}  # the directory (docs/architecture.md)
STARRED = re.compile(r"\b(?:SELECT|RETURNING)\s+(?:DISTINCT\s+)?(?:(\w+)\.)?\*", re.I)


def owners(sources: Sequence[Module]) -> dict[str, set[str]]:
    """Table → who creates it, in migrations or (the bus's segments) at run time."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in sources:
        for _, sql in module.statements:
            for table in CREATED.findall(sql):
                found[table.lower()].add(module.owner)
    return found


def owner_of(table: str, owned: dict[str, set[str]]) -> set[str]:
    """Who owns the table of this name; one without a schema is a tenant's or, next on the path, the platform's."""
    table = table.lower()
    return owned.get(table) or owned.get(f"platform.{table}", set())


def intrusions(sources: Sequence[Module], act: re.Pattern[str]) -> list[str]:
    """Statements that touch a table of somebody else."""
    owned = owners(sources)
    exempt = READABLE_BY_ALL if act is READ else set()
    return [
        f"{module.name}:{line} {table}"
        for module in sources
        for line, sql in module.statements
        for table in act.findall(sql)
        if table.lower() not in exempt and owner_of(table, owned) - {module.owner}
    ]


def test_each_table_is_created_by_one_owner() -> None:
    owned = owners(modules())

    assert owned
    assert {table: sorted(who) for table, who in owned.items() if len(who) > 1} == {}


def test_each_table_is_written_by_its_owner_only() -> None:
    assert intrusions(modules(), WRITTEN) == []


def test_each_table_is_read_by_its_owner_only() -> None:
    assert intrusions(modules(), READ) == []


@pytest.mark.parametrize(
    ("statement", "act"),
    [
        ("UPDATE seat_inventory SET status = 'SOLD'", WRITTEN),
        ("INSERT INTO bookings (id) VALUES ($1) ON CONFLICT DO NOTHING", WRITTEN),
        ("WITH gone AS (DELETE FROM platform.timers RETURNING id) SELECT id FROM gone", WRITTEN),
        ("SELECT u.id FROM users u FOR UPDATE OF u", READ),
        ("SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id", READ),
    ],
)
def test_an_intrusion_is_noticed(statement: str, act: re.Pattern[str]) -> None:
    planted = Module(PACKAGE / "payments" / "planted.py", planted=f"SQL = {statement!r}")

    found = intrusions([*modules(), planted], act)

    assert [line.partition(":")[0] for line in found] == [planted.name]


def test_every_table_that_is_written_exists() -> None:
    owned = owners(modules())
    found = [
        f"{module.name}:{line} writes {table}"
        for module in modules()
        for line, sql in module.statements
        for table in WRITTEN.findall(sql)
        if table.lower() not in NOT_TABLES and not table.startswith("pg_") and not owner_of(table, owned)
    ]

    assert found == []


def test_foreign_keys_stay_inside_a_service() -> None:
    owned = owners(modules())
    found = [
        f"{module.name}:{line} refers to {table}"
        for module in modules()
        for line, sql in module.statements
        for table in REFERENCED.findall(sql)
        if owner_of(table, owned) != {module.owner}
    ]

    assert found == []


def test_columns_are_always_listed() -> None:
    found = [
        f"{module.name}:{line}"
        for module in modules()
        for line, sql in module.statements
        for source in STARRED.findall(sql)
        if f"{source} AS (" not in sql  # all columns of a WITH query: those are listed there
    ]

    assert found == []
