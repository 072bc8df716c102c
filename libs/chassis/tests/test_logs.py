"""What a line says of the message in hand, and what is written when a library repeats itself."""

import io
import json
import logging
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from huying.chassis.errors import Broken
from huying.chassis.message import Message
from huying.chassis.problem import install
from huying.chassis.telemetry import REPEAT_S, RequestInHand, Telemetry, Thinned, configure_logs, in_hand

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CAUSE = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where the lines go."""
    to = io.StringIO()
    monkeypatch.setattr(sys, "stderr", to)
    configure_logs("suite", "info")
    return to


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("exported", [False, True])
def test_a_line_carries_the_trace_of_the_message_in_hand(written: io.StringIO, tmp_path: Path, exported: bool) -> None:
    telemetry = Telemetry("suite", f"file:{tmp_path}" if exported else None)
    message = Message("topic", "m-1", None, trace=CAUSE)
    with telemetry.batch([message]) as spans, in_hand(message.trace), spans.of(message):
        structlog.get_logger().info("ours")
        logging.getLogger("library").warning("theirs")
    structlog.get_logger().info("afterwards")
    telemetry.stop()
    *during, afterwards = lines(written)
    span = SPAN
    if exported:
        spoken = [json.loads(line) for line in (tmp_path / "suite.jsonl").read_text("utf-8").splitlines()]
        [span] = [each["span"] for each in spoken if each["parent"] == SPAN]
    assert [(each["event"], each["trace"], each["span"]) for each in during] == [
        ("ours", TRACE, span),
        ("theirs", TRACE, span),
    ]
    assert "trace" not in afterwards


@pytest.mark.parametrize("trace", [None, "", "nonsense"])
def test_without_a_trace_a_line_names_none(written: io.StringIO, trace: str | None) -> None:
    with in_hand(trace):
        structlog.get_logger().info("ours")
    [line] = lines(written)
    assert line["event"] == "ours"
    assert "trace" not in line


async def test_a_line_about_a_request_carries_the_senders_trace(written: io.StringIO) -> None:
    app = FastAPI()
    install(app)
    app.add_middleware(RequestInHand)

    @app.get("/")
    async def broken() -> None:
        raise Broken("refused_by_database", "no")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert (await client.get("/", headers={"traceparent": CAUSE})).status_code == 500
    assert [(each["event"], each.get("trace")) for each in lines(written)] == [("request failed", TRACE)]


def _line(logger: str, number: int, at: float) -> logging.LogRecord:
    line = logging.LogRecord(logger, logging.ERROR, "client.py", number, "no broker at %s", ("x",), None)
    line.created = at
    return line


def test_what_the_kafka_client_repeats_while_a_broker_is_away_is_written_now_and_then() -> None:
    thinned = Thinned()
    written = [at for at in range(0, 300, 1) if thinned.filter(_line("aiokafka.client", 7, 1000 + at / 10))]
    assert len(written) == 30 * 1 / REPEAT_S
    assert thinned.filter(_line("aiokafka.client", 8, 1030.0)), "another line is another matter"


def test_what_anybody_else_says_is_always_written() -> None:
    thinned = Thinned()
    assert all(thinned.filter(_line("uvicorn.error", 7, 1000.0)) for _ in range(5))
