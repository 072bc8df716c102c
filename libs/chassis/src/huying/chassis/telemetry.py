"""Logs as JSON lines with trace ids, and traces that follow one report through Kafka headers.

A message's span continues its own cause's trace; the batch it was processed with is a link, not its parent. With
tracing off, the cause's traceparent is passed on unchanged and nothing else is done. A line that is logged while a
message or a request is in hand carries its `trace` and `span`; with tracing off, the span is its cause's.
"""

import asyncio
import faulthandler
import json
import logging
import signal
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Link, Span, SpanKind, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from .message import Message

PROPAGATOR = TraceContextTextMapPropagator()
REPEAT_S = 10.0


_in_hand: ContextVar[str | None] = ContextVar("in_hand", default=None)


@contextmanager
def in_hand(traceparent: str | None) -> Iterator[None]:
    """Lines logged inside carry the ids of `traceparent`, if it is one."""
    before = _in_hand.set(traceparent)
    try:
        yield
    finally:
        _in_hand.reset(before)


def with_trace(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the ids of what is in hand."""
    parts = (_in_hand.get() or "").split("-")
    if len(parts) == 4:  # version, trace, span, flags
        line["trace"], line["span"] = parts[1], parts[2]
    return line


class Thinned(logging.Filter):
    """Of what the Kafka client repeats while a broker is away (ten lines a second), each line once in REPEAT_S."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if not record.name.startswith("aiokafka"):
            return True
        line = (record.pathname, record.lineno)
        if record.created - self._last.get(line, 0.0) < REPEAT_S:
            return False
        self._last[line] = record.created
        return True


def configure_logs(service: str, level: str) -> None:
    """One JSON object a line on standard error, the libraries' own lines included."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        with_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Thinned())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("aiokafka", "uvicorn", "httpx", "pymongo", "faststream"):
        logging.getLogger(chatty).setLevel(logging.INFO if level == "debug" else logging.ERROR)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)


def stacks_on_demand() -> None:
    """On SIGUSR1 say where every thread and every task stands, in plain text: for a service that stands still.

    Threads are written whatever they are at; tasks once the event loop goes on.
    """

    def tasks() -> None:
        for task in asyncio.all_tasks():
            task.print_stack(file=sys.stderr)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tasks)
    faulthandler.register(signal.SIGUSR1, chain=True)


class RequestInHand:
    """Lines logged while a request is answered carry its trace."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note what the sender says that it belongs to."""
        headers = dict(scope.get("headers", ()))
        with in_hand(headers.get(b"traceparent", b"").decode("latin-1")):
            await self._app(scope, receive, send)


class FileExporter(SpanExporter):
    """Spans as JSON lines, one file a service: for a machine without a collector."""

    def __init__(self, path: Path) -> None:
        """Append to `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans."""
        for span in spans:
            self._file.write(json.dumps(span_line(span), ensure_ascii=False) + "\n")
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def span_line(span: ReadableSpan) -> dict[str, Any]:
    """A span as a flat object: ids in hex, times in nanoseconds."""
    context = span.get_span_context()
    assert context is not None
    return {
        "trace": format(context.trace_id, "032x"),
        "span": format(context.span_id, "016x"),
        "parent": format(span.parent.span_id, "016x") if span.parent else None,
        "service": span.resource.attributes.get("service.name"),
        "name": span.name,
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "links": [format(link.context.span_id, "016x") for link in span.links],
        "attributes": dict(span.attributes or {}),
    }


class BatchSpans(Protocol):
    """Spans of one batch."""

    def of(self, message: Message) -> Any:
        """A context manager around one message; yields the traceparent for what it causes."""
        ...


class Telemetry:
    """Traces of one service."""

    def __init__(self, service: str, traces: str | None) -> None:
        """`traces`: None, `otlp`, or `file:PATH`."""
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None
        if traces:
            self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
            self._provider.add_span_processor(_processor(service, traces))
            self._tracer = self._provider.get_tracer("huying")

    @contextmanager
    def batch(self, messages: Sequence[Message]) -> Iterator[BatchSpans]:
        """Around the processing of a batch; spans end when the batch is in the database."""
        if self._tracer is None:
            yield _PassOn()
            return
        spans = _Spans(self._tracer, len(messages))
        try:
            yield spans
        finally:
            spans.end()

    def stop(self) -> None:
        """Flush what is not yet written."""
        if self._provider is not None:
            self._provider.shutdown()


def _processor(service: str, traces: str) -> SimpleSpanProcessor | BatchSpanProcessor:
    if traces == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return BatchSpanProcessor(OTLPSpanExporter())
    folder = Path(traces.removeprefix("file:"))
    return BatchSpanProcessor(FileExporter(folder / f"{service}.jsonl"), schedule_delay_millis=500)


class _PassOn:
    @contextmanager
    def of(self, message: Message) -> Iterator[str | None]:
        yield message.trace  # in hand already


class _Spans:
    def __init__(self, tracer: Tracer, size: int) -> None:
        self._tracer = tracer
        self._batch: Span | None = None
        self._size = size
        self._open: list[Span] = []

    @contextmanager
    def of(self, message: Message) -> Iterator[str | None]:
        if self._batch is None:
            self._batch = self._tracer.start_span("batch", attributes={"messages": self._size})
        parent = PROPAGATOR.extract({"traceparent": message.trace}) if message.trace else None
        span = self._tracer.start_span(
            f"{message.topic} {type(message.body).__name__}",
            context=parent,
            kind=SpanKind.CONSUMER,
            links=[Link(self._batch.get_span_context())],
            attributes={"messaging.message.id": message.id, "messaging.destination.name": message.topic},
        )
        self._open.append(span)
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier, set_span_in_context(span))
        with in_hand(carrier.get("traceparent")):
            yield carrier.get("traceparent")

    def end(self) -> None:
        for span in self._open:
            span.end()
        if self._batch is not None:
            self._batch.end()
