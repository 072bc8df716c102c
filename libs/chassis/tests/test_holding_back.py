"""What waits behind a parked record, and what falls due: in order, and nobody else waits."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import tally
from pymongo import UpdateOne
from tally_bench import Bench, drained, healed, metric_shows, parked_are, parked_in, sums_are, sums_of

from huying.chassis import aside, microbatch, parking, ticks
from huying.chassis.errors import Transient
from huying.chassis.message import TIMER, Message
from huying.chassis.mongo import Mongo
from huying.chassis.parking import Parking, Stored
from huying.chassis.sealing import Sealer
from huying.chassis.testing import SECRET, running, until


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
        with healed():
            assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 103, "b": 5}), "the replay and those behind it")
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
        with healed():
            for parked in await parked_in(app, "parked"):
                assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 103, "b": 103}), "the replay and those behind it")
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


@pytest.mark.parametrize("up", [True, False])
async def test_what_waits_behind_a_record_that_a_person_closes_goes_on_in_order_without_it(
    bench: Bench, up: bool
) -> None:
    """Another broken record among them stops the rest as ever; a service that was away then does it when it starts."""
    await bench.give("a", 13, 1, 2, 666, 3)
    app = bench.app()
    async with running(app):
        await until(lambda: parked_are(app, "waiting", 4), "four records wait behind the poison")
        [first] = await parked_in(app, "parked")
        if up:
            await close(bench, first)
            await until(lambda: sums_are(app, {"a": 3}), "those before the second poison")
    if not up:
        await close(bench, first)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: parked_are(app, "parked", 1), "the second poison is parked")
        assert await sums_are(app, {"a": 3})
        assert await parked_are(app, "waiting", 1)
        [second] = await parked_in(app, "parked")
        assert second["_id"] != first["_id"]
        await close(bench, second)
        await until(lambda: sums_are(app, {"a": 6}), "the last one")
        await bench.give("a", 4)
        await until(lambda: sums_are(app, {"a": 10}), "records flow again")
        await until(lambda: metric_shows(client, "huying_tally_parked_records 0.0"), "nothing is told as parked")
        await until(lambda: drained(app), "an empty outbox")
        kept = [(row["closed_by"], row["closed_reason"]) for row in await parked_in(app, "closed")]
        assert kept == [("li", "a test's line")] * 2
    totals = [json.loads(value)["total"] for event, value in await bench.told() if event.startswith("a/")]
    assert totals == [1, 3, 6, 10], "each once, in order"


async def close(bench: Bench, parked: dict[str, Any]) -> bool:
    """As the command does it, from another process."""
    mongo = Mongo(bench.stack.mongo_url, f"{bench.name}_tally")
    try:
        return await Parking(mongo, "tally", Sealer(SECRET, "parked")).close(parked["_id"], "li", "a test's line")
    finally:
        mongo.close()


async def test_a_record_whose_replay_was_ordered_is_not_closed_nor_one_that_waits(bench: Bench) -> None:
    await bench.give("a", 13, 1)
    app = bench.app()
    async with running(app):
        await until(lambda: parked_are(app, "waiting", 1), "one record waits behind the poison")
        [waiting], [parked] = await parked_in(app, "waiting"), await parked_in(app, "parked")
        async with app.state.ground.batch._turn:  # the service does not take it up meanwhile
            assert await app.state.ground.parking.request(parked["_id"])
            assert [await close(bench, one) for one in (waiting, parked)] == [False, False]


async def test_a_replay_whose_commit_was_never_confirmed_is_done_once_and_stands_as_released(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.give("a", 13, 1)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: parked_are(app, "waiting", 1), "one record waits behind the poison")
        [parked] = await parked_in(app, "parked")
        commit, lost = ground.ledger.commit, []

        async def unconfirmed(change: Any) -> None:
            await commit(change)
            if change.guards and not lost:
                lost.append(change)
                raise Transient("the answer to the commit was lost")

        monkeypatch.setattr(ground.ledger, "commit", unconfirmed)
        with healed():
            assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 101}), "the replay and the one behind it")
            await until(lambda: ground.parking.held == {}, "nothing held back")
            await bench.give("a", 2)
            await until(lambda: sums_are(app, {"a": 103}), "records flow again")
        assert lost
        assert await parked_are(app, "released", 2)


async def test_a_replay_that_two_replicas_take_up_is_done_once_and_stands_as_released(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.give("a", 13)
    one, two = bench.app(replica="one"), bench.app(replica="two")
    async with running(one), running(two):
        await until(lambda: parked_are(one, "parked", 1), "the poison is parked")
        [parked] = await parked_in(one, "parked")
        requested, looking, both = Parking.requested, set[Parking](), asyncio.Event()

        async def together(self: Parking) -> list[Stored]:
            found = await requested(self)
            if found:
                looking.add(self)
                if len(looking) == 2:
                    both.set()
                await both.wait()
            return found

        monkeypatch.setattr(Parking, "requested", together)
        with healed():
            assert await one.state.ground.parking.request(parked["_id"])
            await until(lambda: sums_are(one, {"a": 100}), "the replay")
            for app in (one, two):
                await app.state.ground.batch.due_stored()
            await bench.give("a", 2)
            await until(lambda: sums_are(one, {"a": 102}), "records flow again")
        assert await parked_are(one, "released", 1)


async def test_a_large_replay_is_several_transactions_in_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends one that takes longer than five seconds, and the same one would be tried for ever."""
    monkeypatch.setattr(parking, "AT_ONCE", 2)
    monkeypatch.setattr(ticks, "LIVE_S", 0.05)
    await bench.give("a", 13, 1, 2, 3, 4)
    await bench.give("b", 13)
    await bench.give("c", 13)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: parked_are(app, "waiting", 4), "four records wait behind a poison")
        await until(lambda: parked_are(app, "parked", 3), "three poisons")
        with healed():
            ground.handler.batches.clear()
            for parked in await parked_in(app, "parked"):
                assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"a": 110, "b": 100, "c": 100}), "the replay")
        assert max(ground.handler.batches) == 2
        await until(lambda: drained(app), "an empty outbox")
    totals = [json.loads(value)["total"] for event, value in await bench.told() if event.startswith("a/")]
    assert totals == [100, 101, 103, 106, 110], "in order"


async def test_much_that_falls_due_at_once_is_several_transactions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microbatch, "AT_ONCE", 2)

    async def due(self: Any, now: Any) -> list[Message]:
        done = {row["_id"] async for row in self.mongo.collection("sums").find()}
        left = sorted({"a", "b", "c"} - done)
        return [Message(TIMER, f"{key}/{now}", tally.NumberGivenV1(number=1), key=key) for key in left]

    monkeypatch.setattr(tally.Tally, "due", due)
    app = bench.app()
    async with running(app):
        await until(lambda: sums_are(app, {"a": 1, "b": 1, "c": 1}), "all of it")
        assert app.state.ground.handler.batches == [2, 1]


async def test_a_parked_record_that_cannot_be_opened_says_so_when_it_is_replayed_and_stops_nobody(
    bench: Bench,
) -> None:
    await bench.give("a", 13)
    await bench.give("b", 666)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: parked_are(app, "parked", 2), "two poisons")
        rows = ground.mongo.collection("parked")
        damaged = await rows.find_one_and_update({"key": b"a"}, {"$set": {"value": b"x" * 40}})
        with healed():
            for parked in await parked_in(app, "parked"):
                assert await ground.parking.request(parked["_id"])
            await until(lambda: sums_are(app, {"b": 100}), "the other one's replay")
            await until(lambda: parked_are(app, "parked", 1), "it is parked again")
        [again] = await parked_in(app, "parked")
        assert (again["_id"], again["reason"], again["attempts"]) == (damaged["_id"], "sealed", 2)
        assert "HUYING_SECRET" in again["message"]
        assert ground.failure is None


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
