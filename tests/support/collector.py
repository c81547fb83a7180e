"""An OpenTelemetry collector for tests: takes spans by OTLP over HTTP and keeps them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """The spans that came, and where to send them."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def of_trace(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id.hex() == trace_id]

    def path_to(self, name: str, trace_id: str) -> list[str]:
        """The names of the spans from the trace's first one down to the one called `name`; empty when there is none."""
        by_id = {span.span_id: span for span in self.of_trace(trace_id)}
        step = next((span for span in by_id.values() if span.name == name), None)
        names: list[str] = []
        while step is not None:
            names.insert(0, step.name)
            if not step.parent_span_id:
                return names
            step = by_id.get(step.parent_span_id)
        return []

    async def take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response()


def linked(span: Span) -> Sequence[bytes]:
    """The spans that a span names as its kin, by id."""
    return [link.span_id for link in span.links]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = site.name if not site.name.endswith(":0") else f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
