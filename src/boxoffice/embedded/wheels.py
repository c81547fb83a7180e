"""Finds the servers' programs inside their wheels, and copies them when their account cannot read them there."""

import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from boxoffice.embedded.account import Account
from boxoffice.startup import StartupProblem

UNNEEDED = shutil.ignore_patterns("*.a", "*.py", "__pycache__", "include", "pgxs", "pkgconfig")


def reachable_program(distribution: str, pattern: str, account: Account, copies: Path) -> Path:
    """A program that the account may run: in place, or in a copy below `copies` (root's home is closed to others)."""
    package = _package_folder(distribution)
    in_place = _find(package, pattern)
    if account.can_run(in_place):
        return in_place
    copy = copies / f"{distribution}-{version(distribution)}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / in_place.relative_to(package)


def _package_folder(distribution: str) -> Path:
    """Looked up without importing it: these packages start more than we need."""
    spec = find_spec(distribution.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise StartupProblem(
            f"the Python package {distribution} is not installed: run make up, or pip install boxoffice"
        )
    return Path(spec.origin).parent


def _find(package: Path, pattern: str) -> Path:
    for program in package.glob(pattern):
        return program
    raise StartupProblem(f"{package} has no {pattern}: it was not built for this machine")


def _copy(package: Path, copy: Path) -> None:
    unfinished = copy.with_name(copy.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for folder in (package, package.with_name(package.name + ".libs")):
        if folder.exists():
            shutil.copytree(folder, unfinished / folder.name, symlinks=True, ignore=UNNEEDED)
    unfinished.replace(copy)
