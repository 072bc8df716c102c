"""The sender killed with its notices handed over and nothing settled: told once, or honestly unknown. Whole processes."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from notify_lives import Life
from pymongo import MongoClient
from receiver import Receiver

from huying.chassis.faults import OF_SENDING
from huying.chassis.testing import until
from huying.contracts.envelope import CloudEvent
from huying.contracts.topics import INCIDENTS
from huying.devkit.running import System
from huying.devkit.stack import Stack

JULU = Path(__file__).parents[3] / "deploy/county/julu"
LIVES = 20
HANDLES = ("blind", "knows")
"""Two receivers: one that takes the same notice twice as two, one that knows ids."""
PATIENCE_S = 60.0

pytestmark = [pytest.mark.system, pytest.mark.wire, pytest.mark.timeout(180)]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Julu, with the duty officers of two units told by webhook."""
    folder = tmp_path / "julu"
    shutil.copytree(JULU, folder)
    text = (folder / "people.csv").read_text("utf-8")
    for unit, handle in zip(("U02", "T10"), HANDLES, strict=True):
        assert f"file:{unit}-duty_officer" in text
        text = text.replace(f"file:{unit}-duty_officer", f"webhook:{handle}")
    (folder / "people.csv").write_text(text, "utf-8")
    return folder


async def publish(stack: Stack, lives: list[Life]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for event in (event for life in lives for event in life.steps):
            wrapped = CloudEvent(f"{event.incident_id}/{event.incident_version}", "test", event.TYPE, event.encode())
            headers = list(wrapped.headers())
            await producer.send_and_wait(INCIDENTS.name, wrapped.data, key=event.incident_id.encode(), headers=headers)
    finally:
        await producer.stop()


@pytest.mark.parametrize("point", OF_SENDING)
async def test_killed_after_sending_every_notice_is_told_once_or_shown_as_unknown(
    fresh_stack: Callable[..., Stack], receiver: Receiver, pack: Path, point: str
) -> None:
    stack = await asyncio.to_thread(fresh_stack)
    hooks = {name: {"url": receiver.url, "secret": "s", "takes_ids": name == "knows"} for name in HANDLES}
    lives = [Life(f"i{n}").opened().dispatched(("U02", "T10")[n % 2]) for n in range(LIVES)]
    env = {"HUYING_WEBHOOKS": json.dumps(hooks), "HUYING_NOTICE_AGE": "P36500D"}  # the lives are of last spring
    system = System(stack, "kill", clock="live", services=(), pack=pack, env=env)
    with MongoClient[dict[str, Any]](stack.mongo_url, tz_aware=True) as client:
        rows = client["kill_notification"]["notices"]

        def settled() -> bool:
            return rows.count_documents({}) == 3 * LIVES and not rows.find_one(
                {"state": {"$in": ["intent", "sending"]}}
            )

        try:
            await asyncio.to_thread(system.start, wait=False)
            system.services.add("notification", env={"HUYING_CRASH_AT": point})
            await publish(stack, lives)
            process = system.services.process("notification")
            await until(lambda: not process.alive, f"notification dies {point}", PATIENCE_S)
            assert process.exit_code == -9
            assert rows.count_documents({"state": "sending"}) > 0, "sent, and nobody settled it"
            system.services.add("notification")
            await until(settled, "every notice settled", PATIENCE_S)
        finally:
            await asyncio.to_thread(system.stop)
        told = list(rows.find())
    written = Counter(
        json.loads(line)["notice_id"]
        for file in (stack.directory / "kill" / "notices").glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    )
    posted = Counter(taken.headers["idempotency-key"] for taken in receiver.taken)
    for row in told:
        if row["medium"] == "file":
            assert (row["state"], written[row["_id"]]) == ("confirmed", 1), "the file knows ids: exactly once"
        elif row["handle"] == "knows":
            assert row["state"] == "confirmed", "a receiver that knows ids is asked again"
            assert posted[row["_id"]] >= 1
        else:
            assert posted[row["_id"]] <= 1, "never sent twice to who would take it as two"
            seen = (row["state"], posted[row["_id"]])
            assert seen == ("confirmed", 1) or row["state"] == "unknown", "told, or for a person to look at"
    assert set(written) == {row["_id"] for row in told if row["medium"] == "file"}
    if point == "after-sending-webhook":
        assert {row["reason"] for row in told if row["state"] == "unknown"} == {"sender_died"}
