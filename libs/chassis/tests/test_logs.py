"""What is written when a library repeats itself."""

import logging

from huying.chassis.telemetry import REPEAT_S, Thinned


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
