"""Sends traces to a collector by OTLP over HTTP. The only file that imports OpenTelemetry.

Nothing is registered globally. Where to, how often and with which headers the variables ``OTEL_…`` say, which the SDK
reads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status

from radversary import __version__
from radversary.service.tracing import ATTRIBUTES, Fact, Note

SCOPE: Final = "radversary"
"""The name under which spans are noted."""

PATIENCE: Final = 3.0
"""Seconds that an ending process waits for a collector."""

FAULTS: Final = 500
"""The least status of an answer that is the server's fault."""


class Telemetry:
    """Notes spans and sends them, some seconds later and from a thread of its own.

    Args:
        service: What this process is called, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` say.
        exporter: Where to; a collector by OTLP where None.
    """

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(Stripped(exporter or OTLPSpanExporter())))
        self._tracer = self._provider.get_tracer(SCOPE, __version__)

    @contextmanager
    def span(self, name: str, facts: Mapping[str, Fact] | None = None, *, caller: str | None = None) -> Iterator[Note]:
        """Note a span; see :class:`radversary.service.tracing.Tracing`."""
        request = caller is not None
        with self._tracer.start_as_current_span(
                name, context=_context_of(caller) if caller else None, attributes=dict(facts or {}),
                kind=SpanKind.SERVER if request else SpanKind.INTERNAL, record_exception=False,
                set_status_on_exception=False) as span:
            def note(attribute: str, value: Fact) -> None:
                span.set_attribute(attribute, value)
                if attribute == "http.response.status_code" and int(value) >= FAULTS:
                    span.set_status(StatusCode.ERROR)

            try:
                yield note
            except BaseException as error:  # its text may quote what a person sent
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Send what has not been sent, unless the collector takes longer than :data:`PATIENCE`."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(PATIENCE)


def _context_of(caller: str) -> Context:
    """Return the place in a caller's trace; the caller's ``tracestate`` and ``baggage`` are not read."""
    return TraceContextTextMapPropagator().extract({"traceparent": caller}, context=Context())


class Stripped(SpanExporter):
    """Hands spans on with nothing in them but :data:`radversary.service.tracing.ATTRIBUTES`.

    Args:
        exporter: To whom.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand spans on."""
        return self._exporter.export([stripped(span) for span in spans])

    def shutdown(self) -> None:
        """Close the way there."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what has not been sent."""
        return self._exporter.force_flush(timeout_millis)


def stripped(span: ReadableSpan) -> ReadableSpan:
    """Return a span without events, links, descriptions of errors and attributes that are not among those allowed."""
    kept = {name: value for name, value in (span.attributes or {}).items() if name in ATTRIBUTES}
    route = kept.get("http.route")
    return ReadableSpan(
        name=f"{kept['http.request.method']} {route}" if route else span.name, context=_bare(span.context),
        parent=_bare(span.parent), resource=span.resource, attributes=kept, kind=span.kind,
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope)


def _bare(context: SpanContext | None) -> SpanContext | None:
    return context and SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
