"""Of several relays of one service one publishes; who was frozen past its lease does no more."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from huying.chassis import faults
from huying.chassis import relay as module
from huying.chassis.ledger import OutboxRow
from huying.chassis.measures import Measures
from huying.chassis.mongo import Mongo
from huying.chassis.relay import Relay
from huying.devkit.stack import Stack

pytestmark = pytest.mark.wire
LEASE = timedelta(seconds=0.5)


class Producer:
    """A log of one partition; `gate` holds back what becomes of a record."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, topic: str, value: bytes, *, key: bytes, headers: Any) -> "asyncio.Future[Any]":
        del topic, key, headers
        self.sent.append(value)
        return asyncio.ensure_future(self._lands(len(self.sent) - 1))

    async def _lands(self, offset: int) -> Any:
        await self.gate.wait()
        return SimpleNamespace(partition=0, offset=offset)


@pytest.fixture
async def mongo(embedded_stack: Stack, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(embedded_stack.mongo_url, f"{mongo_database}_tally")
    for number in range(3):
        row = OutboxRow("sums", b"a", b"%d" % number, (), str(number), ordered=True)
        await mongo.collection("outbox").insert_one(row.document(number, datetime.now(UTC)))
    yield mongo
    mongo.close()


def relay(mongo: Mongo, owner: str) -> Relay:
    return Relay(mongo, Measures("tally"), owner, LEASE, _endless)


async def _endless(partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    return dict.fromkeys(partitions, 1_000)


async def published(mongo: Mongo) -> list[str | None]:
    return [row["published"] async for row in mongo.collection("outbox").find().sort("_id", 1)]


async def epoch(mongo: Mongo) -> int:
    found = await mongo.collection("meta").find_one({"_id": "relay"})
    return int(found["epoch"])


async def test_who_was_frozen_before_it_sent_sends_nothing(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, log = relay(mongo, "one"), Producer()

    def freeze(name: str) -> None:
        if name == "before-publish":
            time.sleep(2 * LEASE.total_seconds())  # the whole process, as SIGSTOP does it

    monkeypatch.setattr(faults, "point", freeze)
    await frozen._once(log, "c")  # type: ignore[arg-type]
    assert log.sent == []
    monkeypatch.undo()
    other, its = relay(mongo, "two"), Producer()
    await other._once(its, "c")  # type: ignore[arg-type]
    assert its.sent == [b"0", b"1", b"2"]
    await frozen._once(log, "c")  # type: ignore[arg-type]
    assert log.sent == []
    assert await published(mongo) == ["c"] * 3


async def test_who_was_followed_marks_nothing_of_what_its_successor_has_to_send(mongo: Mongo) -> None:
    """The broker is another one meanwhile: the successor fills it, and what the old one had is no more."""
    frozen, old = relay(mongo, "one"), Producer()
    old.gate.clear()
    going = asyncio.create_task(frozen._once(old, "old"))  # type: ignore[arg-type]
    await asyncio.sleep(2 * LEASE.total_seconds())
    assert old.sent == [b"0", b"1", b"2"]
    successor, new = relay(mongo, "two"), Producer()
    new.gate.clear()
    filling = asyncio.create_task(successor._once(new, "new"))  # type: ignore[arg-type]
    while len(new.sent) < 3:
        await asyncio.sleep(0.01)
    old.gate.set()
    await going
    assert await published(mongo) == [None] * 3
    assert await mongo.collection("relayed").count_documents({}) == 0
    new.gate.set()
    await filling
    assert await published(mongo) == ["new"] * 3
    assert [row["_id"] async for row in mongo.collection("relayed").find()] == ["new/sums/0"]


async def test_who_is_started_anew_takes_its_lease_back_at_once_and_its_zombie_does_not(mongo: Mongo) -> None:
    zombie = relay(mongo, "one")
    assert await zombie._hold_lease()
    assert await epoch(mongo) == 1
    assert not await relay(mongo, "two")._hold_lease()
    anew = relay(mongo, "one")
    assert await anew._hold_lease()
    assert await epoch(mongo) == 2
    await asyncio.sleep(0.6 * LEASE.total_seconds())
    assert await anew._hold_lease(), "renewed"
    assert not await zombie._hold_lease()
    assert not await zombie._hold_lease(), "nor by its name"
    assert await epoch(mongo) == 2
    await asyncio.sleep(2 * LEASE.total_seconds())
    assert await zombie._hold_lease(), "free again"
    assert await epoch(mongo) == 3


async def test_who_stands_by_does_not_ask_for_the_lease_without_a_pause(mongo: Mongo) -> None:
    """Its own commits wake it as well, and nothing of them is its to publish."""
    assert await relay(mongo, "one")._hold_lease()
    standby, asked = relay(mongo, "two"), 0
    hold = standby._hold_lease

    async def counted() -> bool:
        nonlocal asked
        asked += 1
        return await hold()

    standby._hold_lease = counted  # type: ignore[method-assign]
    standby.wake()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.6 * LEASE.total_seconds()):
            while True:
                await standby._once(Producer(), "c")  # type: ignore[arg-type]
    assert asked <= 2


async def test_a_round_that_does_not_end_in_time_ends_with_its_relay(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it goes on without its producer, on a database that is closed, and nobody hears of its fault."""
    monkeypatch.setattr(module, "GRACE_S", 0.05)
    log, others = Producer(), asyncio.all_tasks()
    log.gate.clear()
    going = asyncio.create_task(relay(mongo, "one")._once(log, "c"))  # type: ignore[arg-type]
    while len(log.sent) < 3:
        await asyncio.sleep(0.01)
    going.cancel()
    await asyncio.wait({going})
    log.gate.set()
    left = {task for task in asyncio.all_tasks() - others if "_round" in str(task.get_coro())}
    assert left == set()


async def test_a_retention_that_was_changed_holds_from_the_next_start(mongo: Mongo) -> None:
    for days in (30, 10, 10):
        await mongo.ensure_indexes("outbox", module.indexes(timedelta(days=days)))
        found = await mongo.collection("outbox").index_information()
        assert found["published_at_1"]["expireAfterSeconds"] == days * 24 * 3600
