"""Who loses a race for the database gives way and tries again; only what conflicts by itself is parked, and alone."""

import time
from typing import Any

import pytest
import tally
from tally_bench import Bench, metric_shows, parked_in, sums_are, sums_of

from huying.chassis import pace
from huying.chassis.errors import Conflict
from huying.chassis.ledger import POSITIONS, SEQUENCE
from huying.chassis.testing import running, until

RACES = 20
"""More than a conflict of a record's own is tried."""


def loading(monkeypatch: pytest.MonkeyPatch, before: Any) -> None:
    """Have something happen between what a batch read and its commit."""
    load = tally.Tally.load

    async def meddled(self: Any, messages: Any) -> Any:
        await before(self, messages)
        return await load(self, messages)

    monkeypatch.setattr(tally.Tally, "load", meddled)


async def test_a_record_that_loses_race_after_race_waits_its_turn_and_is_not_parked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, paused = 0, []

    async def a_quicker_replica(self: Any, messages: Any) -> None:
        nonlocal lost
        if messages and lost < RACES:
            lost += 1
            await self.mongo.collection(POSITIONS).update_one({"_id": SEQUENCE}, {"$inc": {"at": 1}})

    async def nap(seconds: float) -> None:
        paused.append(seconds)

    loading(monkeypatch, a_quicker_replica)
    monkeypatch.setattr(pace, "_nap", nap)
    await bench.give("a", 7)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _settled(app), "added or parked")
        assert await parked_in(app, "parked") == []
        assert await sums_of(app) == {"a": 7}
        assert await metric_shows(client, f'huying_tally_retries_total{{cause="conflict"}} {RACES}.0')
    assert len(paused) == RACES
    assert max(paused) <= pace.LONGEST_YIELD_S
    assert len(set(paused)) > RACES / 2, "two that lose to each other do not come back at once"


async def test_documents_in_contention_for_a_moment_are_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    until_then = time.monotonic() + 1e9

    async def contended(_: Any, messages: Any) -> None:
        nonlocal until_then
        if messages:
            until_then = min(until_then, time.monotonic() + 0.3)
            if time.monotonic() < until_then:
                raise Conflict("somebody writes this document just now")

    loading(monkeypatch, contended)
    await bench.give("a", 7)
    app = bench.app()
    async with running(app):
        await until(lambda: _settled(app), "added or parked")
        assert await parked_in(app, "parked") == []
        assert await sums_of(app) == {"a": 7}


async def test_what_conflicts_by_itself_is_parked_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: Any, messages: Any) -> None:
        if any(message.body.number == 13 for message in messages):
            raise Conflict("a document that is there already")

    loading(monkeypatch, never)
    for key, number in (("a", 1), ("b", 13), ("c", 2)):
        await bench.give(key, number)
    app = bench.app()
    async with running(app):
        await until(lambda: sums_are(app, {"a": 1, "c": 2}), "its batch-mates")
        await until(lambda: parked_in(app, "parked"), "it is parked")
        [row] = await parked_in(app, "parked")
    assert (row["key"], row["reason"]) == (b"b", "conflict")


async def _settled(app: Any) -> bool:
    return bool(await sums_of(app) or await parked_in(app, "parked"))
