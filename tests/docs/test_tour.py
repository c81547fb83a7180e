"""What the documents tell a newcomer to type works on a platform just started, word for word."""

import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, running_platform

ROOT = Path(__file__).parents[2]
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[Platform]:
    async with running_platform(demo="1") as running:
        yield running


def typed(document: str, port: int) -> str:
    """Everything that a reader of this document pastes into a shell, with the port of this platform."""
    return "".join(SHELL.findall((ROOT / document).read_text())).replace("localhost:8000", f"localhost:{port}")


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_readme_leads_to_a_ticket(demo: Platform) -> None:
    done = run(typed("README.md", demo.port))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("T1.")


def test_the_guide_to_selling_leads_to_an_event_on_sale(demo: Platform) -> None:
    done = run(typed("docs/selling.md", demo.port))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[:2] == ["108", "PUBLISHING"]
    assert done.stdout.splitlines()[2].startswith(f"On sale at http://initech.localhost:{demo.port}/events/")
    assert done.stdout.splitlines()[3] == "300"
