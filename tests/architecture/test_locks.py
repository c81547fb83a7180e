"""What we depend on is locked with its hashes: the lock is renewed whenever the wishes change."""

import re
import tomllib

from tests.architecture.source import ROOT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(\S+)", re.M)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wishes = [
        *project["dependencies"],
        *(wish for extra in project["optional-dependencies"].values() for wish in extra),
    ]
    wanted = {canonical(match[0]) for wish in wishes if (match := re.match(r"[A-Za-z0-9._-]+", wish))}
    locked = {canonical(name) for name, _ in PINNED.findall((ROOT / "requirements.lock").read_text())}

    assert wanted
    assert wanted - locked == set()


def test_every_locked_package_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)
    naked = [entry.partition(" ")[0] for entry in entries if PINNED.match(entry) and "--hash=sha256:" not in entry]

    assert naked == []
