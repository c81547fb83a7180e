"""Spans go by the one string that is passed on, and cost nothing where nobody collects them."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from boxoffice.kernel.errors import NotFound
from boxoffice.telemetry import traces

SEEN = f"00-{'a' * 32}-{'b' * 16}-01"
UNSEEN = f"00-{'c' * 32}-{'d' * 16}-00"


class Recorded:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    here = Recorded()
    traces.record_with(here.provider.get_tracer("test"))
    yield here
    traces.record_with(None)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def test_without_a_collector_what_came_is_passed_on() -> None:
    with traces.batch("work", SpanKind.CONSUMER, {1: SEEN, 2: None}) as own:
        assert own == {1: SEEN}
    assert traces.mark("publish", SpanKind.PRODUCER, SEEN) == SEEN


def test_a_span_is_a_child_of_what_the_task_goes_by_and_the_next_one_meanwhile(recorded: Recorded) -> None:
    with traces.span("outer", parent=SEEN):
        inner = traces.current()
        with traces.span("inner"):
            pass

    (outer,), (child,) = recorded.named("outer"), recorded.named("inner")
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == "b" * 16
    assert inner is not None
    assert outer.context is not None
    assert f"{outer.context.span_id:016x}" in inner
    assert child.parent is not None
    assert child.parent.span_id == outer.context.span_id
    assert trace_of(child) == "a" * 32


def test_what_is_done_for_several_is_seen_in_each_of_their_traces_and_linked(recorded: Recorded) -> None:
    other = f"00-{'e' * 32}-{'f' * 16}-01"

    with traces.batch("work", SpanKind.CONSUMER, {1: SEEN, 2: other, 3: None}) as own:
        assert own.keys() == {1, 2}

    (whole,) = recorded.named("work batch")
    members = recorded.named("work")
    assert {trace_of(member) for member in members} == {"a" * 32, "e" * 32}
    assert {link.context.span_id for member in members for link in member.links} == {whole.context.span_id}
    assert {f"{link.context.trace_id:032x}" for link in whole.links} == {"a" * 32, "e" * 32}


def test_a_trace_that_nobody_records_goes_on_unrecorded(recorded: Recorded) -> None:
    with traces.batch("work", SpanKind.CONSUMER, {1: UNSEEN}) as own:
        assert own == {1: UNSEEN}
    assert traces.mark("publish", SpanKind.PRODUCER, UNSEEN) == UNSEEN
    assert traces.recorded(UNSEEN) is None

    assert recorded.named("work") == []
    assert recorded.named("publish") == []


@pytest.mark.parametrize(
    ("fault", "status"), [(RuntimeError("secret"), StatusCode.ERROR), (NotFound("x", "y"), StatusCode.UNSET)]
)
def test_a_fault_fails_its_span_and_a_refusal_does_not(
    recorded: Recorded, fault: Exception, status: StatusCode
) -> None:
    with pytest.raises(type(fault)), traces.span("doomed", parent=SEEN):
        raise fault

    (doomed,) = recorded.named("doomed")
    assert doomed.status.status_code is status
    assert "secret" not in str(doomed.status.description)
