"""Where spans go: an OpenTelemetry collector, by OTLP over HTTP, from a thread of its own."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from boxoffice.telemetry import traces

EXPORT_MILLISECONDS = 2_000
TIMEOUT_SECONDS = 5


class _Ids(IdGenerator):
    """Random ids (they are no secrets); a trace that a request begins goes by the request's name."""

    def generate_trace_id(self) -> int:
        return traces.wanted_trace_id() or random.getrandbits(128)

    def generate_span_id(self) -> int:
        return random.getrandbits(64) or 1


@contextmanager
def exporting(process: str, url: str, share: float) -> Iterator[None]:
    """Send `share` (0…1) of all traces to the collector at `url`; at the end, what is left.

    A collector that does not answer costs spans, never a request.
    """
    resource = Resource.create({"service.namespace": "boxoffice", "service.name": process})
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(share)), id_generator=_Ids(), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=TIMEOUT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MILLISECONDS))
    traces.record_with(provider.get_tracer("boxoffice"))
    try:
        yield
    finally:
        traces.record_with(None)
        provider.shutdown()
