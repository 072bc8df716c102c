"""Two replicas of sla-timer alive on the real broker and database, live clock: every step of a clock told once."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pymongo import MongoClient
from sla_lives import Life

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts.envelope import CloudEvent
from huying.contracts.identity import event_id
from huying.contracts.topics import CLOCKS, INCIDENTS
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.sla_timer.main import create_app
from huying.sla_timer.settings import Settings

pytestmark = pytest.mark.wire
JULU = Path(__file__).parents[3] / "deploy/county/julu"
KEY = {"Authorization": "Bearer test-key"}


def app(stack: Stack, prefix: str, folder: Path, replica: str) -> FastAPI:
    keys = folder / "keys.json"
    write_entry(keys, {"id": "desk", "role": "dispatcher", "sha256": sha256(b"test-key").hexdigest()})
    for unit, role in {"U02": "unit", "U03": "unit", "T01": "grid_worker", "T02": "grid_worker"}.items():
        write_entry(keys, {"id": unit, "role": role, "unit": unit, "sha256": sha256(unit.encode()).hexdigest()})
    return create_app(
        Settings(
            port=0,
            kafka=stack.bootstrap,
            mongo=stack.mongo_url,
            database_prefix=prefix,
            group_prefix=prefix,
            replica=replica,
            pack=JULU,
            keys=keys,
            secret=SECRET,
        )
    )


async def publish(stack: Stack, life: Life) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for event in life.steps:
            name = event_id(event.incident_id, event.incident_version)
            wrapped = CloudEvent(name, "test", event.TYPE, event.encode(), event.at)
            headers = list(wrapped.headers())
            await producer.send_and_wait(INCIDENTS.name, wrapped.data, key=life.name.encode(), headers=headers)
    finally:
        await producer.stop()


async def test_two_replicas_tell_every_step_once_and_the_missed_ones_late(
    fresh_stack: Callable[[], Stack], unique_name: str, tmp_path: Path
) -> None:
    """On a broker of its own: what other tests tell would be counted, too."""
    stack = fresh_stack()
    await provisioning.create(stack.bootstrap, [(t.name, t.partitions, t.config()) for t in (INCIDENTS, CLOCKS)])
    start = datetime.now(UTC) - timedelta(minutes=100)
    await publish(stack, Life(unique_name, start, "emergency").opened().dispatched())
    one, two = (app(stack, unique_name, tmp_path, replica) for replica in "ab")
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongo_url, tz_aware=True)
    with client:
        database = client[f"{unique_name}_sla_timer"]
        async with running(one) as asked, running(two):

            def told() -> list[str]:
                rows = database["outbox"].find({"key": unique_name.encode()})
                return [row["event"].partition("/")[2] for row in rows]

            await until(lambda: Counter(told())["75"] == 2, "both 75 % warnings")
            answer = await asked.get(f"/v1/incidents/{unique_name}/clocks", headers=KEY)
            counts = await asked.get("/v1/clocks", params={"state": "armed"}, headers=KEY)
            refused = await asked.get("/v1/clocks")
            units = [{"Authorization": f"Bearer {unit}"} for unit in ("U02", "U03", "T01", "T02")]
            shown = [await asked.get(f"/v1/incidents/{unique_name}/clocks", headers=unit) for unit in units]
            counted = [(await asked.get("/v1/clocks", headers=unit)).json()["total"] for unit in units]
            unknown = await asked.get("/v1/incidents/nobody/clocks", headers=KEY)
        events = [row["event"] for row in database["outbox"].find({"key": unique_name.encode()})]
    assert len(events) == len(set(events))
    assert Counter(event.partition("/")[2] for event in events)["breached"] == 2
    assert (answer.status_code, counts.status_code, refused.status_code, unknown.status_code) == (200, 200, 401, 404)
    assert [one.status_code for one in shown] == [200, 404, 200, 404], "a unit sees its own, a grid worker their town's"
    assert counted == [3, 0, 3, 0]
    clocks = {clock["kind"]: clock for clock in answer.json()["clocks"]}
    assert set(clocks) == {"acceptance", "contact", "resolution"}
    assert clocks["acceptance"]["breached_at"] is not None
    assert clocks["resolution"]["breached_at"] is None
    assert clocks["resolution"]["explanation"][0].startswith("起算：")
    assert [step["told"] for step in clocks["resolution"]["steps"]] == [True, True, False, False, False]
    assert counts.json()["total"] >= 3
