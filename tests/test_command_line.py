"""The command line answers a mistake with one line that says what to do, never with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boxoffice.settings import Settings

SOURCE = str(Path("src").absolute())


def boxoffice(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    chosen = {f"BOXOFFICE_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "boxoffice", *arguments],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": SOURCE, **chosen},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "complaint"),
    [
        (["run", "web"], {}, "set BOXOFFICE_DATABASE_URL and BOXOFFICE_VALKEY_URL"),
        (["run", "cashier"], {}, "there is no role 'cashier': choose of web, gateway"),
        (["migrate"], {"port": "70000"}, "BOXOFFICE_PORT: Input should be less than or equal to 65535"),
        (["migrate"], {"data": "/dev/null/data"}, "cannot use the data directory /dev/null/data"),
        (
            ["bus", "seek", "payments", "booking.requested", "--to", "noon"],
            {},
            "'noon' is no time: write it like",
        ),
        (["bus", "replay", "payments", "--since", "2026-05-01T18:00"], {}, "write it like 2026-05-01T18:00Z"),
        (["simulator", "--trust", "/dev/null/ca.pem"], {}, "--trust /dev/null/ca.pem: Not a directory"),
        (["simulator", "--trust", "/dev/null"], {}, "--trust /dev/null: no certificates are in it"),
        (["doctor"], {"database_url": "nonsense"}, "BOXOFFICE_DATABASE_URL: cannot connect to PostgreSQL"),
    ],
)
def test_a_mistake_is_answered_with_one_line(arguments: list[str], settings: dict[str, str], complaint: str) -> None:
    answer = boxoffice(*arguments, **settings)

    assert answer.returncode == 1
    assert answer.stderr.startswith("boxoffice: ")
    assert complaint in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Usage:"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run"], "Missing argument 'roles'"),
        (
            ["tenant", "create", "opera", "Opera", "--plan", "gold"],
            "'gold' is not one of 'free', 'standard', 'premium'",
        ),
    ],
)
def test_a_wrong_command_says_how_it_is_meant(arguments: list[str], complaint: str) -> None:
    answer = boxoffice(*arguments)

    assert answer.returncode == 2
    assert complaint in " ".join((answer.stdout + answer.stderr).replace("│", " ").split())
    assert "Traceback" not in answer.stderr


def test_a_misspelt_setting_is_pointed_out() -> None:
    answer = boxoffice("up", prot="9000", data="/dev/null/data")

    assert (
        answer.stderr.splitlines()[0] == "boxoffice: there is no setting BOXOFFICE_PROT; did you mean BOXOFFICE_PORT?"
    )


def test_the_last_port_leaves_the_one_before_it_to_health_and_metrics() -> None:
    assert Settings(port=65535).admin_port == 65534
    assert Settings(port=8000).admin_port == 8001
