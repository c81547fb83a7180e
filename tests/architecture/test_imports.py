"""The directions of import hold, and the contracts notice when one does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_code_keeps_the_contracts() -> None:
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "violation", "contract"),
    [
        ("bookings/saga.py", "import boxoffice.payments", "services do not know each other"),
        ("kernel/ids.py", "import boxoffice.bookings", "The platform depends downwards"),
        ("tickets/code.py", "import boxoffice.seating", "The platform depends downwards"),
        ("bookings/inventory/domain.py", "import boxoffice.bookings.store", "Inside a service"),
        ("bookings/saga.py", "import asyncpg", "Decisions do no I/O"),
        ("messages.py", "import boxoffice.kernel.database", "What is shared is pure"),
        ("kernel/ids.py", "import boxoffice.settings", "Settings are read at the top"),
        ("run.py", "import boxoffice.embedded", "Only the command line starts servers"),
    ],
)
def test_a_violating_import_is_noticed(tmp_path: Path, module: str, violation: str, contract: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    with (tmp_path / "src" / "boxoffice" / module).open("a") as code:
        code.write(f"\n{violation}\n")

    result = lint(tmp_path)

    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(contract in line for line in broken), broken
