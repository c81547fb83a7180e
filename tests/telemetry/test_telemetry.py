"""What is logged, and above all what is not; and that the metrics of several processes become one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxoffice.telemetry.metrics import OTHER_TENANTS, TENANT_LABELS, tenant_label
from boxoffice.telemetry.redaction import HIDDEN, clean_text, is_card_number, redact

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
TICKET = "T1.eyJraWQiOiJrMSIsInQiOiIxIn0x.c2lnbmF0dXJlc2lnbmF0dXJl"

SEVERAL_PROCESSES = """
import multiprocessing, sys
from boxoffice.telemetry import metrics

def serve():
    for _ in range(3):
        metrics.observe_request("events", "/api/events", "GET", 200, 0.004)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=serve) for _ in range(2)]
    [child.start() for child in children]
    [child.join() for child in children]
    metrics.gauge("outbox_messages", 7)
    sys.stdout.write(metrics.exposition().decode())
"""
ONE_LINE = """
import sys
import structlog
from boxoffice.telemetry import logs
logs.configure("events", "json")
try:
    raise ValueError("refused for " + sys.argv[1])
except ValueError:
    structlog.get_logger("test").exception("failed", password="hunter2", detail=sys.argv[1] + "\\r\\nforged line")
"""


@pytest.mark.parametrize(
    "text",
    ["4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005", f"x {TOKEN} y", TICKET,
     "Bearer abcdefghijkl", "postgresql://web:hunter2@localhost/db"],
)  # fmt: skip
def test_card_numbers_and_credentials_do_not_survive_in_a_text(text: str) -> None:
    cleaned = clean_text(f"before {text} after")

    assert HIDDEN in cleaned
    assert text not in cleaned
    assert "hunter2" not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@pytest.mark.parametrize(
    "text",
    ["0194b1d2-1234-7123-8123-123456789012", "4242424242424241", "2026-11-22T20:03:32.041523Z", "seat 12, row 7",
     "unix:///run/boxoffice/valkey.sock", "123456789012"],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text) == text


@given(st.text(alphabet="0123456789", min_size=12, max_size=18), st.sampled_from(["", " ", "-"]))
def test_every_number_that_passes_the_card_check_is_hidden(digits: str, separator: str) -> None:
    check = next(digit for digit in "0123456789" if is_card_number(digits + digit))
    number = digits + check
    written = separator.join(number[i : i + 4] for i in range(0, len(number), 4))

    assert clean_text(f"paid with {written}.") == f"paid with {HIDDEN}."


@pytest.mark.parametrize("name", ["password", "new_password", "access_token", "Authorization", "cookie", "card_number"])
def test_values_with_a_secret_name_are_hidden_however_deep(name: str) -> None:
    event = redact(None, "info", {"event": "x", "body": {"items": [{name: "hunter2"}]}, name: "hunter2"})

    assert "hunter2" not in json.dumps(event)


def test_a_log_line_is_one_line_of_json_without_secrets_even_in_its_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", ONE_LINE, TOKEN], capture_output=True, text=True, check=True)

    line = json.loads(done.stderr)

    assert done.stderr.count("\n") == 1
    assert (line["service"], line["level"], line["event"]) == ("events", "error", "failed")
    assert line["time"].endswith("Z")
    assert "ValueError: refused for [redacted]" in line["exception"]
    assert TOKEN not in done.stderr
    assert "hunter2" not in done.stderr


def test_one_scrape_tells_of_all_processes(tmp_path: Path) -> None:
    script = tmp_path / "several.py"
    script.write_text(SEVERAL_PROCESSES)
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": "src"}

    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)

    counted = 'http_server_requests_total{code_class="2xx",method="GET",route="/api/events",service="events"} 6.0'
    assert counted in done.stdout
    assert "outbox_messages 7.0" in done.stdout
    assert 'le="0.005"' in done.stdout


def test_the_tenant_label_has_a_bounded_number_of_values() -> None:
    labels = {tenant_label(f"flood-{number}") for number in range(TENANT_LABELS * 2)}

    assert OTHER_TENANTS in labels
    assert len(labels) <= TENANT_LABELS + 1
