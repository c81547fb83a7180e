"""Reads the source tree for the tests beside it: modules, functions, strings that are SQL."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "boxoffice"
SERVICES = (
    "tenants",
    "auth",
    "events",
    "bookings",
    "payments",
    "notifications",
    "storefront",
    "operations",
    "organizer",
    "gateway",
    "registry",
)
SQL = re.compile(
    r"^\s*(--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|CREATE|ALTER|DROP|TRUNCATE|LOCK|SET|RESET|GRANT"
    r"|REVOKE|BEGIN|DO|CALL|COPY|NOTIFY|LISTEN)\b"
)


@dataclass(frozen=True)
class Module:
    """One Python file of the product; with `planted`, one that the tests imagine."""

    path: Path
    planted: str | None = None

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def owner(self) -> str:
        """The package, or the single module, that it belongs to: bookings, kernel, app …"""
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @property
    def room(self) -> str:
        """The package whose size it adds to: a package inside a service, like bookings/inventory, is one of its own."""
        return "/".join(self.path.relative_to(PACKAGE).parts[:-1]) or self.owner

    @property
    def is_migration(self) -> bool:
        return "migrations" in self.path.parts

    @cached_property
    def text(self) -> str:
        return self.path.read_text() if self.planted is None else self.planted

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    @cached_property
    def statements(self) -> list[tuple[int, str]]:
        """Every string that reads like SQL, with its line; what an f-string fills in becomes a blank."""
        found = []
        inside_f_strings: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.JoinedStr):
                inside_f_strings.update(id(part) for part in node.values)
                parts = (part.value if isinstance(part, ast.Constant) else " " for part in node.values)
                text = "".join(str(part) for part in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside_f_strings:
                text = node.value
            else:
                continue
            if SQL.match(text):
                found.append((node.lineno, re.sub(r"--[^\n]*", "", text)))
        return found


@cache
def modules() -> tuple[Module, ...]:
    """All of the product's modules; each is read and parsed once, however many tests look at it."""
    return tuple(Module(path) for path in sorted(PACKAGE.rglob("*.py")))


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
