"""Traces: whose request led to what, as spans for an OpenTelemetry collector; next to nothing where there is none.

One string goes along with the work: the W3C `traceparent`, bound in the logging context, sent to peers, kept in
messages and timers. A span begins as a child of it and is the next one meanwhile. Work done for many at once has a
span of its own, linked with one span in each trace it does something for.
"""

import re
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")  # W3C Trace Context, section 3.2
ROOT = ""  # as a parent: none, whatever the task goes by
Member = TypeVar("Member", bound=Hashable)
_tracer: trace.Tracer | None = None
_wanted_trace: ContextVar[int] = ContextVar("wanted_trace", default=0)


def record_with(tracer: trace.Tracer | None) -> None:
    """Make spans with `tracer` from now on; None: make none."""
    global _tracer
    _tracer = tracer


def wanted_trace_id() -> int:
    """The id that the trace to be begun shall have; 0 when any will do."""
    return _wanted_trace.get()


def current() -> str | None:
    """The traceparent that this task's work goes by."""
    return structlog.contextvars.get_contextvars().get("traceparent")


def recorded(traceparent: str | None) -> str | None:
    """The traceparent when its trace is one of those that are recorded."""
    return traceparent if traceparent is not None and traceparent.endswith("1") else None


@contextmanager
def begun(request_id: str, name: str) -> Iterator[tuple[str, Span]]:
    """The first span of a request, in a trace of the request's own name; yields its traceparent, too."""
    trace_id = request_id.replace("-", "")
    if _tracer is None:
        yield f"00-{trace_id}-{trace_id[16:]}-00", trace.INVALID_SPAN
        return
    wanted = _wanted_trace.set(int(trace_id, 16))
    try:
        root = _tracer.start_span(name, Context(), kind=SpanKind.SERVER)
    finally:
        _wanted_trace.reset(wanted)
    with _ending(root):
        yield _traceparent(root), root


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, *, parent: str | None = None, links: Iterable[str | None] = ()
) -> Iterator[Span]:
    """What is done inside, as a child of `parent` or else of this task's span. A fault marks it as failed."""
    if _tracer is None:
        yield trace.INVALID_SPAN
        return
    child = _start(_tracer, name, kind, current() if parent is None else parent, links)
    with structlog.contextvars.bound_contextvars(traceparent=_traceparent(child)), _ending(child):
        yield child


@contextmanager
def batch(name: str, kind: SpanKind, members: Mapping[Member, str | None]) -> Iterator[dict[Member, str]]:
    """Work for several at once; yields the traceparent by which each member's work goes on.

    Each member whose trace is recorded gets a span in its trace; more than one are linked to a span of the batch.
    """
    known = {member: parent for member, parent in members.items() if parent}
    seen = [member for member, parent in known.items() if recorded(parent)]
    if _tracer is None or not seen:
        yield known
        return
    with ExitStack() as ends:
        together: list[str | None] = []
        if len(members) > 1:
            whole = ends.enter_context(span(f"{name} batch", kind, parent=ROOT, links=known.values()))
            whole.set_attribute("messaging.batch.message_count", len(members))
            together = [_traceparent(whole)]
        own = {member: _start(_tracer, name, kind, known[member], together) for member in seen}
        for each in own.values():
            ends.enter_context(_ending(each))
        if len(members) == 1:
            ends.enter_context(structlog.contextvars.bound_contextvars(traceparent=_traceparent(own[seen[0]])))
        yield known | {member: _traceparent(each) for member, each in own.items()}


def mark(name: str, kind: SpanKind, parent: str | None) -> str | None:
    """A span without length: something was handed over here. Answers the traceparent to hand over with it."""
    if _tracer is None or not recorded(parent):
        return parent
    moment = time.time_ns()
    point = _start(_tracer, name, kind, parent, (), moment)
    point.end(moment)
    return _traceparent(point)


def _start(
    tracer: trace.Tracer,
    name: str,
    kind: SpanKind,
    parent: str | None,
    links: Iterable[str | None],
    at: int | None = None,
) -> Span:
    above = _context(parent)
    surroundings = Context() if above is None else trace.set_span_in_context(NonRecordingSpan(above), Context())
    linked = [Link(other) for link in links if (other := _context(link)) is not None]
    return tracer.start_span(name, surroundings, kind=kind, links=linked, start_time=at)


@contextmanager
def _ending(open_span: Span) -> Iterator[None]:
    try:
        yield
    except BaseException as fault:
        if getattr(fault, "status", 500) >= 500:  # a refusal is an answer; what a fault says may hold secrets
            open_span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
        raise
    finally:
        open_span.end()


def _context(traceparent: str | None) -> SpanContext | None:
    found = TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return None
    return SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16)))


def _traceparent(of: Span) -> str:
    context: Any = of.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
