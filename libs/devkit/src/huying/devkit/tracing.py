"""One report's way through all services, out of the span files, as an indented text tree. It measures nothing itself."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Span = Mapping[str, Any]
NS_PER_MS = 1_000_000
SHAPE = {
    "trace": str,
    "span": str,
    "parent": str | None,
    "service": str,
    "name": str,
    "start_ns": int,
    "end_ns": int,
    "attributes": dict,
}
"""What a line must have to be a span."""


def read(folder: Path) -> list[Span]:
    """Every span in the folder's `*.jsonl`; a line cut off by a crash, or of another program, is left out."""
    spans: list[Span] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                span = json.loads(line)
            except ValueError:
                continue
            if isinstance(span, dict) and all(isinstance(span.get(name), kind) for name, kind in SHAPE.items()):
                spans.append(span)
    return spans


def of_report(spans: Iterable[Span], report_id: str) -> list[list[Span]]:
    """Traces in which a message with this id takes part, the earliest first."""
    by_trace: dict[str, list[Span]] = defaultdict(list)
    wanted: set[str] = set()
    for span in spans:
        by_trace[span["trace"]].append(span)
        if span["attributes"].get("messaging.message.id") == report_id:
            wanted.add(span["trace"])
    return sorted((by_trace[trace] for trace in wanted), key=lambda some: min(span["start_ns"] for span in some))


def tree(trace: Sequence[Span]) -> list[str]:
    """Lines: milliseconds since the first span, how long, service, what; children indented under their cause."""
    known = {span["span"] for span in trace}
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in trace:
        children[span["parent"] if span["parent"] in known else None].append(span)
    began = min(span["start_ns"] for span in trace)
    lines: list[str] = []

    def walk(parent: str | None, depth: int) -> None:
        for span in sorted(children[parent], key=lambda one: (one["start_ns"], one["service"])):
            at = (span["start_ns"] - began) / NS_PER_MS
            took = (span["end_ns"] - span["start_ns"]) / NS_PER_MS
            lines.append(f"{at:9.1f} ms {took:7.1f} ms  {'  ' * depth}{span['service']}: {_words(span['name'])}")
            walk(span["span"], depth + 1)

    walk(None, 0)
    return lines


def _words(name: str) -> str:
    topic, _, model = name.partition(" ")
    return f"{model} ({topic})" if model else topic
