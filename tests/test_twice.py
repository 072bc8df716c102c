"""Every report id sent twice at the same time, through the real door: one report, and both senders get the same answer."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from huying.contracts.topics import REPORTS
from huying.devkit import logbook
from huying.devkit.replay.doors import INTAKE, OF_INTAKE, Doors
from huying.devkit.replay.quiet import Quiet
from huying.devkit.replay.target import Target
from huying.devkit.running import System
from huying.devkit.stack import Stack

SAMPLE = Path(__file__).parent / "data/county/reports.jsonl"
AT_ONCE = 32

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def lines() -> list[dict[str, Any]]:
    """Everything of the month that comes by intake's door."""
    found = [json.loads(text) for text in SAMPLE.read_text("utf-8").splitlines()]
    return [line for line in found if line["channel"] in OF_INTAKE]


@pytest.mark.parametrize(
    "broker", [pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def test_every_report_id_sent_twice_at_once_is_one_report(fresh_stack: Callable[..., Stack], broker: Any) -> None:
    some = lines()
    stack = fresh_stack(broker=broker)

    async def send_twice(target: Target) -> list[tuple[str, str]]:
        turn = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            doors = Doors(target, http)
            doors.open()

            async def pair(line: dict[str, Any]) -> tuple[str, str]:
                async with turn:
                    one, other = await asyncio.gather(doors.send(line), doors.send(line))
                return one[1], other[1]

            answers = await asyncio.gather(*map(pair, some))
        quiet = Quiet(target, stack.cluster_id)
        try:
            await quiet.wait_published(INTAKE)
        finally:
            await quiet.close()
        return answers

    with System(stack, "twice", clock="live", services=(INTAKE,), broker=broker) as system:
        answers = asyncio.run(send_twice(Target.of(system.services)))
        records = asyncio.run(logbook.read(stack.bootstrap, (REPORTS,)))[REPORTS.name]
    assert all(one == other for one, other in answers), "both senders are told of the same report"
    reports = {one for one, _ in answers}
    assert len(reports) == len(some)
    assert sorted(record.event.id for record in records if record.event) == sorted(reports), "one record a report"
