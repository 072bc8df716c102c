"""What routing's matrix proves, asked of the services behind and before it: killed at each fixed point, nothing is lost.

One system of all seven for the whole file. Reports come by both doors, units do their orders, and after each service's
turn the log and the databases are held against each other as `huying verify` does.
"""

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from huying.chassis.testing import until
from huying.devkit.chaos.crowd import Crowd
from huying.devkit.chaos.run import proof_at_rest
from huying.devkit.replay.target import Target
from huying.devkit.running import System
from huying.devkit.stack import Ports, ProgramMissingError, Stack

SAMPLE = Path(__file__).parent / "data/county/reports.jsonl"
POINTS = ("after-transaction", "before-kafka-commit", "between-publish-and-mark")
KILLED = {
    "hotline-bridge": POINTS,
    "sla-timer": POINTS,
    "notification": POINTS,
    "evaluation": POINTS,
    "console": POINTS[:2],  # publishes only what a person commands
}
SHARE = 100
TRAFFIC_S = 0.4
PATIENCE_S = 60.0

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(
    scope="module",
    params=[pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)],
)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    stack = Stack(tmp_path_factory.mktemp("rest"), broker=request.param, ports=Ports.free())
    try:
        stack.start()
    except ProgramMissingError as missing:
        pytest.skip(str(missing))
    try:
        with System(stack, "rest", clock="live", broker=request.param) as running:
            yield running
    finally:
        stack.stop()


def lines(service: str) -> list[dict[str, Any]]:
    """This service's share of the month: what was told before would only be merged, and nothing would start."""
    turn = list(KILLED).index(service)
    with SAMPLE.open(encoding="utf-8") as file:
        return [json.loads(text) for text in islice(file, turn * SHARE, (turn + 1) * SHARE)]


async def keep_moving(crowd: Crowd, stop: asyncio.Event) -> None:
    """A report and the open orders, one after the other, until told to stop."""
    while not stop.is_set():
        await crowd.report()
        await crowd.work()
        await asyncio.sleep(TRAFFIC_S)


@pytest.mark.parametrize("service", KILLED)
async def test_a_service_killed_at_each_point_leaves_all_invariants_at_zero(system: System, service: str) -> None:
    target, services, stop = Target.of(system.services), system.services, asyncio.Event()
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        crowd = Crowd(target, http, lines(service))
        try:
            await asyncio.to_thread(services.process(service).stop)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_moving(crowd, stop))
                for point in KILLED[service]:
                    services.add(service, env={"HUYING_CRASH_AT": f"{point}:2"})
                    process = services.process(service)
                    await until(lambda at=process: not at.alive, f"{service} dies at {point}", PATIENCE_S)
                    assert process.exit_code == -9, process.log_tail()
                services.add(service)
                await asyncio.to_thread(services.wait_ready, names=[service])
                stop.set()
            while await crowd.work():
                pass
            log, proof = await proof_at_rest(target)
        finally:
            await crowd.close()
    found = proof.as_json()
    assert (found["invariant_violations"], found["parked"]) == (0, 0), found["examples"]
    accepted = {record.event.id for record in log["huying.reports.v1"] if record.event is not None}
    assert set(crowd.answered.values()) <= accepted, "what a door answered is in the log"
