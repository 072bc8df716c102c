"""What waits behind a parked record, and what falls due: in order, and nobody else waits."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import tally
from pymongo import UpdateOne
from tally_bench import Bench, drained, metric_shows, parked_are, parked_in, sums_are, sums_of

from huying.chassis import aside, ticks
from huying.chassis.message import TIMER, Message
from huying.chassis.testing import running, until


async def test_a_parked_record_holds_back_its_key_only_and_its_replay_releases_the_rest_in_order(bench: Bench) -> None:
    await bench.give("a", 13, 1, 2)
    await bench.give("b", 5)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: sums_are(app, {"b": 5}), "b is not held back")
        await until(lambda: parked_are(app, "waiting", 2), "two records wait behind the poison")
        [parked] = await parked_in(app, "parked")
        assert b"thirteen" not in parked["value"]
        assert ground.parking.restore(parked).value == b'{"number":13}'
        original = type(ground.handler).fold

        def healed(self: Any, state: Any, message: Any, now: Any) -> Any:
            fixed = tally.NumberGivenV1(number=100) if message.body.number == 13 else message.body
            return original(self, state, type(message)(message.topic, message.id, fixed, message.key), now)

        type(ground.handler).fold = healed
        try:
            assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 103, "b": 5}), "the replay and those behind it")
        finally:
            type(ground.handler).fold = original
        await until(lambda: ground.parking.held == {}, "nothing held back")
        await bench.give("a", 7)
        await until(lambda: sums_are(app, {"a": 110, "b": 5}), "records flow again")


async def test_a_replay_that_fails_again_keeps_what_waits_behind_it_waiting(bench: Bench) -> None:
    """Of one key nothing passes the record that is still broken, whether the fold or the database says so."""
    await bench.give("a", 666, 1, 2)
    await bench.give("b", 13, 3)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: parked_are(app, "waiting", 3), "three records wait behind two poisons")
        for parked in await parked_in(app, "parked"):
            assert await ground.parking.request(parked["_id"])

        async def failed_again() -> bool:
            return [row["attempts"] for row in await parked_in(app, "parked")] == [2, 2]

        await until(failed_again, "both were tried again, in vain")
        assert await sums_of(app) == {}
        assert len(await parked_in(app, "waiting")) == 3
        original = type(ground.handler).fold

        def healed(self: Any, state: Any, message: Any, now: Any) -> Any:
            fixed = tally.NumberGivenV1(number=100) if message.body.number in {13, 666} else message.body
            return original(self, state, type(message)(message.topic, message.id, fixed, message.key), now)

        type(ground.handler).fold = healed
        try:
            for parked in await parked_in(app, "parked"):
                assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 103, "b": 103}), "the replay and those behind it")
        finally:
            type(ground.handler).fold = original
        await until(lambda: drained(app), "an empty outbox")
        await until(lambda: ground.parking.held == {}, "nothing held back")
    totals = [json.loads(value)["total"] for event, value in await bench.told() if event.startswith("a/")]
    assert totals == [100, 101, 103], "in order"


async def test_what_waits_behind_a_record_that_is_gone_is_released_after_a_crash_in_between(bench: Bench) -> None:
    """A replay is several transactions when its batch had to be split."""
    await bench.give("a", 13, 1, 2)
    app = bench.app()
    async with running(app):
        await until(lambda: parked_are(app, "waiting", 2), "two records wait behind the poison")
        change = {"$set": {"state": "released"}}
        await app.state.ground.mongo.collection("parked").update_one({"state": "parked"}, change)
        await until(lambda: sums_are(app, {"a": 3}), "those behind it go on")
        await bench.give("a", 4)
        await until(lambda: sums_are(app, {"a": 7}), "records flow again")


async def test_what_fell_due_and_fails_is_set_aside_and_holds_back_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the fold refuses it or the database; it is tried again, with pauses, until it can be done."""
    monkeypatch.setattr(aside, "FIRST_PAUSE", timedelta(milliseconds=100))
    monkeypatch.setattr(aside, "LONGEST_PAUSE", timedelta(milliseconds=200))
    wanted = {"a": 13, "b": 1, "c": 666, "d": 2}

    async def due(self: Any, now: Any) -> list[Message]:
        done = {row["_id"] async for row in self.mongo.collection("sums").find()}
        left = {key: number for key, number in wanted.items() if key not in done}
        return [Message(TIMER, f"{key}/{now}", tally.NumberGivenV1(number=n), key=key) for key, n in left.items()]

    monkeypatch.setattr(tally.Tally, "due", due)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: sums_are(app, {"b": 1, "d": 2}), "the others are done")
        await until(lambda: metric_shows(client, "huying_tally_due_failing_messages 2.0"), "it shows")
        await bench.give("e", 5)
        await until(lambda: sums_are(app, {"b": 1, "d": 2, "e": 5}), "records go on")
        wanted |= {"a": 3, "c": 6}
        await until(lambda: sums_are(app, {"a": 3, "b": 1, "c": 6, "d": 2, "e": 5}), "what failed is done")
        await until(lambda: metric_shows(client, "huying_tally_due_failing_messages 0.0"), "it shows no more")


@pytest.mark.parametrize("poison", [13, 666])
async def test_what_happens_before_a_record_and_the_record_do_each_other_no_harm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, poison: int
) -> None:
    """Of two that have to come first one fails; of the two records behind them one is broken itself."""
    wanted = {"x": poison, "y": 1}

    def overdue(_: Any, state: dict[str, Any], now: Any) -> Iterator[Message]:
        for key, number in wanted.items():
            if key not in state:
                yield Message(TIMER, f"{key}/{now}", tally.NumberGivenV1(number=number), key=key)

    async def due(self: Any, now: Any) -> list[Message]:
        return list(overdue(self, {row["_id"]: row async for row in self.mongo.collection("sums").find()}, now))

    original = tally.Tally.load

    async def load(self: Any, messages: Any) -> Any:
        extra = [Message(TIMER, key, None, key=key) for key in wanted]
        return await original(self, [*messages, *extra])

    monkeypatch.setattr(tally.Tally, "overdue", overdue)
    monkeypatch.setattr(tally.Tally, "load", load)
    monkeypatch.setattr(tally.Tally, "due", due)
    monkeypatch.setattr(ticks, "LIVE_S", 3600.0)
    await bench.give("a", 5)
    await bench.give("b", 13)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: sums_are(app, {"a": 5, "y": 1}), "the record, and what could happen before it")
        [parked] = await until(lambda: parked_in(app, "parked"), "one is parked")
        assert parked["key"] == b"b"
        assert await metric_shows(client, "huying_tally_due_failing_messages 1.0")
        await until(lambda: drained(app), "told")


async def test_a_record_that_even_the_parking_refuses_is_passed_by_nothing(bench: Bench) -> None:
    """The ledger of a partition only knows how far it came: who goes on behind such a record has lost it."""
    app = bench.app()
    async with running(app) as client:
        await until(lambda: metric_shows(client, "huying_tally_messages_total 0.0"), "it is up")
        parking = app.state.ground.parking
        park, parking.park = parking.park, _refused_by_the_database
        await bench.give("a", 13)
        await until(
            lambda: metric_shows(client, 'huying_tally_retries_total{cause="transient"} 2.0'), "two vain attempts"
        )
        await bench.give("a", 1)
        assert (await client.get("/readyz")).status_code == 503
        assert await sums_of(app) == {}
        parking.park = park
        await until(lambda: parked_are(app, "parked", 1), "the poison is parked")
        await until(lambda: parked_are(app, "waiting", 1), "what came behind it waits")


def _refused_by_the_database(*_: object) -> list[Any]:
    return [UpdateOne({"_id": "one"}, {"$no_such_operator": 1}, upsert=True)]
