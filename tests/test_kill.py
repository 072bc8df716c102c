"""Nothing lost, nothing twice, whatever is killed and whenever: whole processes, real broker, real database.

Reports go in through intake's door; a sender repeats what was not answered, with the same key, as publishers do. Every
test ends by reading the feed and routing's database and counting.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from pymongo import MongoClient

from huying.chassis.broker import cluster_id, partitions_of
from huying.chassis.faults import POINTS
from huying.chassis.testing import until
from huying.contracts.envelope import parse
from huying.contracts.topics import INCIDENTS, REPORTS
from huying.devkit.chaos.run import proof_at_rest
from huying.devkit.replay.target import Target
from huying.devkit.running import System
from huying.devkit.session import Session, tend
from huying.devkit.stack import Stack
from huying.devkit.stack.topics import EMBEDDED_PARTITIONS

ROOT = Path(__file__).parents[1]
SENT = 60
PATIENCE_S = 90.0

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@dataclass
class Ground:
    """A stack of its own and how services use it."""

    stack: Stack
    broker: Any

    def system(self, *services: str, **env: str) -> System:
        return System(self.stack, "kill", clock="live", services=services, broker=self.broker, env=env)


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def ground(request: pytest.FixtureRequest, fresh_stack: Callable[..., Stack]) -> Ground:
    return Ground(fresh_stack(broker=request.param), request.param)


def lines(how_many: int = SENT) -> list[dict[str, Any]]:
    """The first reports of March that come through intake's door."""
    found = []
    with (ROOT / "tests/data/county/reports.jsonl").open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            if line["channel"] in {"citizen_app", "qr_code", "grid_worker"}:
                found.append(line)
            if len(found) == how_many:
                return found
    raise AssertionError("the sample is shorter than it was")


def body(line: dict[str, Any]) -> dict[str, Any]:
    kept = {key: line[key] for key in ("channel", "text", "address", "village_code", "town", "point", "received_at")}
    kept |= {"jurisdiction": "130529", "reporter": {"reference": line["reporter"]} if line["reporter"] else None}
    return {key: value for key, value in kept.items() if value is not None}


def send(system: System, line: dict[str, Any]) -> str:
    """Send one report until it is answered; its report id."""
    headers = {**system.headers("door"), "Idempotency-Key": line["id"]}

    async def attempt() -> str | None:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.post(f"{system.url('intake')}/v1/reports", json=body(line), headers=headers)
        except httpx.HTTPError:
            return None
        assert answer.status_code in {202, 503}, answer.text
        return str(answer.json()["report_id"]) if answer.status_code == 202 else None

    return str(asyncio.run(until(attempt, f"{line['id']} is accepted", PATIENCE_S)))


def send_all(system: System, some: list[dict[str, Any]]) -> set[str]:
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda line: send(system, line), some))


def databases(ground: Ground) -> Any:
    return MongoClient(ground.stack.mongo_url, tz_aware=True, serverSelectionTimeoutMS=30000)


def decided(ground: Ground, reports: set[str], cluster: str) -> bool:
    """Whether routing has decided all reports and `cluster` has all that it had to say.

    Until the relay notices that a broker lost its log, what that one had passes for published.
    """
    with databases(ground) as client:
        routing = client["kill_routing"]
        known = routing.reports.count_documents({"_id": {"$in": sorted(reports)}})
        waiting = routing.outbox.count_documents({"published": {"$ne": cluster}})
        return bool(known == len(reports) and waiting == 0)


def wait_decided(ground: Ground, reports: set[str]) -> None:
    cluster = asyncio.run(cluster_id(ground.stack.bootstrap))
    wait(lambda: decided(ground, reports, cluster), "every report is decided")


def wait(condition: Callable[[], Any], what: str) -> None:
    asyncio.run(until(condition, what, PATIENCE_S))


def feed(ground: Ground) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=ground.stack.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = await partitions_of(ground.stack.bootstrap, [INCIDENTS.name])
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            found: list[dict[str, Any]] = []
            silent = 0
            while silent < 5:
                records = [r for some in (await consumer.getmany(timeout_ms=300)).values() for r in some]
                silent = 0 if records else silent + 1
                found += [json.loads(parse(record.headers, record.value).data) for record in records]
            return found
        finally:
            await consumer.stop()

    return asyncio.run(read())


def check_exact(ground: Ground, reports: set[str]) -> None:
    """0 lost, 0 twice, 0 gaps."""
    with databases(ground) as client:
        routing = client["kill_routing"]
        incidents = list(routing.incidents.find())
        active = Counter(row["incident_id"] for row in routing.dispatches.find({"active": True}))
        parked = routing.parked.count_documents({})
    inside = [report for row in incidents for report in row["reports"]]
    assert parked == 0
    assert sorted(inside) == sorted(reports), "every accepted report is in exactly one incident"
    assert set(active.values()) <= {1}, "one active main dispatch"
    told: dict[tuple[str, int], set[str]] = {}
    for event in feed(ground):
        if "incident_version" in event:
            text = json.dumps(event, sort_keys=True)
            told.setdefault((event["incident_id"], event["incident_version"]), set()).add(text)
    assert all(len(contents) == 1 for contents in told.values()), "a repeat is the same event"
    for row in incidents:
        versions = sorted(version for incident, version in told if incident == row["_id"])
        assert versions == list(range(1, row["version"] + 1)), "no gap on the feed"
    first = {incident for incident, version in told if version == 1}
    assert first == {row["_id"] for row in incidents}, "the feed knows what the database knows"


@pytest.mark.parametrize("point", POINTS)
def test_routing_killed_at_a_fixed_point_of_a_batch_is_exact_after_its_restart(ground: Ground, point: str) -> None:
    with ground.system("intake", "routing", HUYING_BATCH_RECORDS="7") as system:
        system.services.process("routing").stop()
        system.services.add("routing", env={"HUYING_CRASH_AT": f"{point}:2"})
        reports = send_all(system, lines())

        async def dead() -> bool:
            return not system.services.process("routing").alive

        asyncio.run(until(dead, f"routing dies at {point}", PATIENCE_S))
        system.services.add("routing")
        system.services.wait_ready(names=["routing"])
        wait_decided(ground, reports)
        check_exact(ground, reports)


@pytest.mark.parametrize("point", ["inside-transaction", "after-transaction", "between-publish-and-mark"])
def test_intake_killed_at_a_fixed_point_answers_the_repeat_with_the_same_report(ground: Ground, point: str) -> None:
    with ground.system("intake", "routing") as system:
        system.services.process("intake").stop()
        system.services.add("intake", env={"HUYING_CRASH_AT": f"{point}:4"})

        async def dead() -> bool:
            return not system.services.process("intake").alive

        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_all, system, lines())
            asyncio.run(until(dead, f"intake dies at {point}", PATIENCE_S))
            system.services.add("intake")
            reports = sending.result()
        assert len(reports) == SENT
        assert send_all(system, lines()) == reports, "the same file again: the same reports"
        wait_decided(ground, reports)
        check_exact(ground, reports)


@pytest.mark.parametrize("part", ["mongod", "broker"])
def test_a_part_of_the_stack_killed_in_the_middle_loses_nothing_that_was_accepted(ground: Ground, part: Any) -> None:
    with ground.system("intake", "routing") as system:
        first = send_all(system, lines()[:20])
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_all, system, lines()[20:])
            ground.stack.kill(part)
            ground.stack.restart(part)
            if part == "broker" and ground.broker == "embedded":
                from huying.devkit.running import create_topics

                create_topics(ground.stack.bootstrap)
            reports = first | sending.result()
        wait_decided(ground, reports)
        check_exact(ground, reports)


def test_what_dies_under_huying_up_is_started_again_and_nothing_is_lost(ground: Ground) -> None:
    with ground.system("intake", "routing") as system:
        live = Session(ground.stack, system.installation, system.services, "kill")
        told: list[str] = []
        enough = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            tending = pool.submit(tend, live, enough, told.append)
            try:
                reports = send_all(system, lines()[:20])
                for part in ("broker", "mongod"):
                    ground.stack.kill(part)
                system.kill("routing")
                reports |= send_all(system, lines()[20:])
                wait(lambda: len(told) >= 3, "all three are started again")
                system.services.wait_ready()
                wait_decided(ground, reports)
            finally:
                enough.set()
                tending.result()
        assert {"broker", "mongod", "routing"} <= {word.partition("]")[2].split()[0] for word in told}
        check_exact(ground, reports)


def measured(system: System, name: str, metric: str) -> float:
    """Sum of a metric over its labels; `metric` may name some of them."""
    text = httpx.get(f"{system.url(name)}/metrics", timeout=10, trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(metric))


def stopped(system: System, name: str) -> bool:
    """Whether the process stands still, by the kernel's word."""
    state = Path(f"/proc/{system.services.process(name).pid}/stat").read_text("utf-8")
    return state.rpartition(")")[2].split()[0] == "T"


IN_HAND = ("before-transaction", "inside-transaction", "before-publish", "between-publish-and-mark")
OWNED = f'huying_routing_assigned_partitions{{topic="{REPORTS.name}"}}'


@pytest.mark.parametrize("point", IN_HAND)
def test_an_owner_frozen_with_work_in_hand_leaves_nothing_twice_when_it_is_back(ground: Ground, point: str) -> None:
    """It stands still in the middle of a batch, another takes over, and then it goes on where it stood."""
    everything = EMBEDDED_PARTITIONS if ground.broker == "embedded" else REPORTS.partitions
    with ground.system("intake", HUYING_BATCH_RECORDS="7") as system:
        zombie = system.replica("routing", "routing-1", HUYING_FREEZE_AT=f"{point}:2")
        wait(lambda: measured(system, zombie, OWNED) == everything, "it owns what comes")
        reports = send_all(system, lines()[:20])
        wait(lambda: stopped(system, zombie), f"it freezes at {point}")
        assert not decided(ground, reports, asyncio.run(cluster_id(ground.stack.bootstrap))), "with work in hand"
        other = system.replica("routing", "routing-2")
        wait(lambda: measured(system, other, OWNED) == everything, "the other took over")
        wait_decided(ground, reports)
        assert stopped(system, zombie)
        system.thaw(zombie)
        system.services.wait_ready(names=[zombie])
        if point.endswith("transaction"):
            retried = "huying_routing_retries_total"
            wait(lambda: measured(system, zombie, retried) > 0, "what it had in hand was refused")
        reports |= send_all(system, lines()[20:40])
        wait_decided(ground, reports)
        system.kill(other)
        reports |= send_all(system, lines()[40:])
        wait_decided(ground, reports)
        check_exact(ground, reports)
        target = replace(Target.of(system.services), services=("intake", "routing"))
        _, proof = asyncio.run(proof_at_rest(target))
    assert (proof.violations, proof.parked) == (0, 0), proof.examples
