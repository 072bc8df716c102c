"""`huying trace`: spans of all services as one tree."""

import json
from pathlib import Path

from typer.testing import CliRunner

from huying.devkit import tracing
from huying.devkit.cli import app

run = CliRunner()


def test_a_trace_is_a_tree_over_all_services(tmp_path: Path) -> None:
    spans = [
        _span("t1", "b", "a", "routing", "rp-1", 12),
        _span("t1", "a", None, "intake", "D1", 0),
        _span("t1", "c", "b", "notification", "in/1", 20),
        _span("t2", "z", None, "intake", "D2", 5),
    ]
    text = [json.dumps(span) for span in spans]
    (tmp_path / "intake.jsonl").write_text("\n".join(text) + '\n{"cut', "utf-8")
    traces = tracing.of_report(tracing.read(tmp_path), "rp-1")
    assert len(traces) == 1
    lines = tracing.tree(traces[0])
    assert [line.split("ms")[2].strip().split(":")[0] for line in lines] == ["intake", "routing", "notification"]
    indents = [
        len(line) - len(line.rstrip()) + line.index(name)
        for line, name in zip(lines, ("intake", "routing", "notification"), strict=True)
    ]
    assert indents == sorted(indents)
    assert len(set(indents)) == 3
    answer = run.invoke(app, ["trace", "rp-1", "--traces", str(tmp_path)])
    assert answer.exit_code == 0
    assert "routing" in answer.stdout
    assert run.invoke(app, ["trace", "rp-9", "--traces", str(tmp_path)]).exit_code == 1


def test_a_line_of_a_trace_file_that_is_no_span_is_left_out(tmp_path: Path) -> None:
    good = _span("t1", "a", None, "intake", "rp-1", 0)
    odd = [
        "[]",
        "7",
        '"x"',
        "{}",
        *(json.dumps(good | one) for one in ({"attributes": []}, {"trace": []}, {"end_ns": ""})),
    ]
    (tmp_path / "intake.jsonl").write_bytes("\n".join([*odd, json.dumps(good)]).encode() + b"\n\xff")
    answer = run.invoke(app, ["trace", "rp-1", "--traces", str(tmp_path)])
    assert (answer.exit_code, answer.stdout.count("intake")) == (0, 1), answer.output


def _span(trace: str, span: str, parent: str | None, service: str, message: str, at: int) -> dict[str, object]:
    facts = {"messaging.message.id": message}
    return {
        "trace": trace, "span": span, "parent": parent, "service": service, "name": "huying.reports.v1 ReportAcceptedV1",
        "start_ns": at * 1_000_000, "end_ns": at * 1_000_000 + 500_000, "links": [], "attributes": facts,
    }  # fmt: skip
