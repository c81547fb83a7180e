"""Metrics: a table of what is measured, in memory-mapped files that the processes of one machine share."""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TENANT_LABELS = 200
OTHER_TENANTS = "_other"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Gauges by name: what it says, its labels, and how the processes' values join. Only the worker sets most of them.
GAUGES: dict[str, tuple[str, tuple[str, ...], Literal["mostrecent", "livesum"]]] = {
    "outbox_messages": ("Messages that wait for the relay.", (), "mostrecent"),
    "outbox_age_seconds": ("Age of the oldest message that waits for the relay.", (), "mostrecent"),
    "consumer_lag_messages": ("Messages that a consumer group has not taken yet.", ("group", "topic"), "mostrecent"),
    "timers_late_seconds": ("How long the oldest due timer (a live saga's among them) waits.", ("kind",), "mostrecent"),
    "timers_age_seconds": (
        "Age of the oldest thing (a saga, a payment, a mail) that waits on a timer.",
        ("kind",),
        "mostrecent",
    ),
    "timers_waiting": ("Timers that are due and wait.", ("kind",), "mostrecent"),
    "retries_parked": ("Messages that wait to be tried again.", ("group",), "mostrecent"),
    "dead_letters": ("Messages that nobody could handle.", ("group",), "mostrecent"),
    "breakers_open": ("Processes that leave a service alone because it did not answer.", ("service",), "livesum"),
    "pool_connections_in_use": ("Database connections in use.", ("process",), "livesum"),
}
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tenant_requests": ("Requests at the edge.", ("tenant", "code_class")),
    "rate_limited": ("Requests refused for their number.", ("tenant", "rate_class")),
    "messages_relayed": ("Messages moved from the outbox to the bus.", ()),
    "messages_handled": ("Messages handled, by outcome.", ("group", "outcome")),
    "timers_fired": ("Timers done, by outcome.", ("kind", "outcome")),
}
if getattr(values.ValueClass, "_multiprocess", False):
    PID = os.getpid()  # none of our processes forks itself, so the kernel need not be asked at every count
    values.ValueClass = values.MultiProcessValue(lambda: PID)  # type: ignore[no-untyped-call]
_requests = Counter("http_server_requests", "Requests answered.", ("service", "route", "method", "code_class"))
_durations = Histogram(
    "http_server_request_duration_seconds", "Time to answer.", ("service", "route", "method"), buckets=SECONDS
)
_handled = Histogram("message_handling_duration_seconds", "Time to handle a batch.", ("group",), buckets=SECONDS)
_gauges = {
    name: Gauge(name, says, labels, multiprocess_mode=mode)
    for name, (says, labels, mode) in GAUGES.items()
}  # fmt: skip
_counters = {name: Counter(name, says, labels) for name, (says, labels) in COUNTERS.items()}
_children: dict[tuple[Any, ...], Any] = {}
_tenants: dict[str, str] = {}


def observe_request(service: str, route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request of a service. `route` is the template (`/api/events/{event_id}`), never the path."""
    key = (service, route, method, status // 100)
    children = _children.get(key)
    if children is None:
        children = _children[key] = (
            _requests.labels(service, route, method, f"{status // 100}xx"),
            _durations.labels(service, route, method),
        )
    children[0].inc()
    children[1].observe(seconds)


def observe_edge(tenant: str | None, status: int) -> None:
    """Count one answer of the gateway for a tenant; only the first 200 tenants a process sees keep their name."""
    label = tenant_label(tenant)
    key = (label, status // 100)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _counters["tenant_requests"].labels(label, f"{status // 100}xx")
    child.inc()


def gauge(name: str, value: float, **labels: str) -> None:
    """Set a gauge of the table above."""
    metric = _gauges[name]
    (metric.labels(**labels) if labels else metric).set(value)


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Add to a counter of the table above."""
    metric = _counters[name]
    (metric.labels(**labels) if labels else metric).inc(amount)


def observe_handling(group: str, seconds: float) -> None:
    """Note how long a consumer group took for one transaction of messages."""
    _handled.labels(group).observe(seconds)


@contextlib.contextmanager
def timed(service: str, route: str, method: str) -> Iterator[None]:
    """Observe what happens inside as one request: 2xx, or 5xx when it raises."""
    began = time.perf_counter()
    status = 500
    try:
        yield
        status = 200
    finally:
        observe_request(service, route, method, status, time.perf_counter() - began)


def tenant_label(slug: str | None) -> str:
    """The label of a tenant's series: a bounded set, whoever sends what Host."""
    if slug is None:
        return "_none"
    known = _tenants.get(slug)
    if known is None:
        known = slug if len(_tenants) < TENANT_LABELS else OTHER_TENANTS
        if known is slug:
            _tenants[slug] = slug
    return known


def exposition() -> bytes:
    """All metrics in Prometheus' text format: of every process of this machine when they share a folder."""
    if not getattr(values.ValueClass, "_multiprocess", False):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    collector = MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for gone in _gone_processes(Path(collector._path)):
        mark_process_dead(gone)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _gone_processes(folder: Path) -> set[int]:
    """Processes that left gauges behind and live no more."""
    owners = {
        int(found[1]) for file in folder.glob("gauge_live*.db") if (found := re.search(r"_(\d+)\.db$", file.name))
    }
    return {pid for pid in owners if not _lives(pid)}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
