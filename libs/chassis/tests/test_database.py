"""A database that goes away, is slow, is put back or has another writer: nothing is passed, and nobody waits for ever."""

import asyncio
from typing import Any

import pytest
import tally
from fastapi import FastAPI
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError
from tally_bench import (
    Bench,
    committed_offset,
    drained,
    is_ready,
    parked_in,
    sums_are,
    sums_of,
)

from huying.chassis.ledger import Ledger
from huying.chassis.progress import Progress
from huying.chassis.testing import running, until


async def test_what_was_had_is_committed_to_the_broker_and_the_ledger_says_from_where_to_read_on(bench: Bench) -> None:
    """Also where the database was put back to an older state."""
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first, second, third = bench.app(), bench.app(), bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
        await until(lambda: _noted(bench, numbers.name, 3), "three are committed")
        older = await first.state.ground.mongo.collection("positions").find().to_list(None)
    await bench.give("a", 4)
    async with running(second) as client:
        await until(lambda: sums_are(second, {"a": 10}), "the sum after the restart")
        await until(lambda: _noted(bench, numbers.name, 4), "four are committed")
        assert "redelivered" not in (await client.get("/metrics")).text, "nothing was read again"
        ground = second.state.ground
        ground.ledger.forget()  # as after a race with another replica
        await ground.link._progress.commit(ground.link.consumer)
        assert await _noted(bench, numbers.name, 4)
    async with AsyncMongoClient[dict[str, Any]](bench.stack.mongo_url) as books:
        tables = books[f"{bench.name}_tally"]
        for row in older:
            await tables["positions"].replace_one({"_id": row["_id"]}, row)
        await tables["sums"].update_one({"_id": "a"}, {"$set": {"total": 6}})
        await tables["outbox"].delete_many({"event": "a/4"})
    async with running(third):
        await until(lambda: sums_are(third, {"a": 10}), "what the restored database had not")


async def test_of_a_database_put_back_nothing_is_passed_while_it_is_slow_to_say_from_where_to_read_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client knows what was committed, which is further on, and would read from there meanwhile."""
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first, second = bench.app(), bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
        await until(lambda: _noted(bench, numbers.name, 3), "three are committed")
    async with AsyncMongoClient[dict[str, Any]](bench.stack.mongo_url) as books:
        await books.drop_database(f"{bench.name}_tally")
    await bench.give("a", 4)
    stored = Ledger.stored

    async def slowly(ledger: Ledger, partitions: Any) -> Any:
        await asyncio.sleep(1)
        return await stored(ledger, partitions)

    monkeypatch.setattr(Ledger, "stored", slowly)
    async with running(second):
        await until(lambda: sums_are(second, {"a": 10}), "what the database had no more", 10)


async def test_a_fault_before_the_first_record_of_a_partition_ends_the_service(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group's client would log it and read on from what was committed."""

    async def place(*_: object) -> None:
        raise RuntimeError("no rule for this")

    monkeypatch.setattr(Progress, "place", place)
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _ends_before_its_first_record(bench)


async def test_a_database_that_is_put_back_under_a_running_service_ends_it_and_what_it_lost_is_read_again(
    bench: Bench,
) -> None:
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _put_back(bench)
    again = bench.app()
    async with running(again):
        await until(lambda: sums_are(again, {"a": 15}), "the fourth again, and the fifth")
        assert await parked_in(again, "parked") == []


async def _put_back(bench: Bench) -> None:
    app = bench.app()
    async with running(app):
        tables = app.state.ground.mongo
        await bench.give("a", 1, 2, 3)
        await until(lambda: sums_are(app, {"a": 6}), "the sum of a")
        older = await tables.collection("positions").find().to_list(None)
        await bench.give("a", 4)
        await until(lambda: sums_are(app, {"a": 10}), "the fourth")
        await until(lambda: drained(app), "it is told")
        for row in older:
            await tables.collection("positions").replace_one({"_id": row["_id"]}, row)
        await tables.collection("sums").update_one({"_id": "a"}, {"$set": {"total": 6, "count": 3}})
        await tables.collection("outbox").delete_many({"event": "a/4"})
        await bench.give("a", 5)
        await until(lambda: app.state.ground.failure, "the service has ended", 10)
        assert "stood at 3 and stands at 2 now" in app.state.ground.failure


async def _ends_before_its_first_record(bench: Bench) -> None:
    app = bench.app()
    async with app.router.lifespan_context(app):
        await until(lambda: app.state.ground.failure, "the service has ended", 10)


async def test_a_service_stops_also_while_the_database_does_not_say_from_where_to_read_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group's client waits at its end for who was told of its partitions."""
    asked: list[object] = []

    async def gone(*said: object) -> None:
        asked.append(said)
        raise AutoReconnect("no primary")

    monkeypatch.setattr(Ledger, "stored", gone)
    app = bench.app()
    async with asyncio.timeout(20), app.router.lifespan_context(app):
        await until(lambda: asked, "it was asked")


async def _noted(bench: Bench, topic: str, wanted: int) -> bool:
    return await committed_offset(bench, f"{bench.name}.tally", topic) == wanted


async def test_a_database_that_goes_away_while_the_service_starts_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [ServerSelectionTimeoutError("no primary"), ServerSelectionTimeoutError("no primary")]

    async def reload(_: Any) -> None:
        if faults:
            raise faults.pop()

    monkeypatch.setattr(tally.Tally, "reload", reload, raising=False)
    await bench.give("a", 1)
    app = bench.app()
    async with running(app):
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
    assert not faults


async def test_a_database_that_goes_away_while_the_ledger_is_read_at_the_start_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, read = [AutoReconnect("no primary"), AutoReconnect("no primary")], Ledger.read

    async def reads(ledger: Ledger, partitions: Any, **more: Any) -> None:
        if faults:
            raise faults.pop()
        await read(ledger, partitions, **more)

    monkeypatch.setattr(Ledger, "read", reads)
    app = bench.app()
    async with running(app):
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
    assert not faults


async def test_a_database_that_two_have_waited_for_is_there_again_whoever_notes_it_last(bench: Bench) -> None:
    """A service without work would stay unready, and so get none."""
    gone = {"first", "second"}

    async def ask(name: str) -> None:
        if name in gone:
            raise AutoReconnect("no primary")

    app = bench.app()
    async with running(app) as client:
        batch = app.state.ground.batch
        first = asyncio.create_task(batch.patiently(lambda: ask("first")))
        await until(lambda: not batch.healthy, "the first waits")
        second = asyncio.create_task(batch.patiently(lambda: ask("second")))
        await asyncio.sleep(0.01)
        gone.remove("first")
        await first
        assert not batch.healthy, "the second still waits"
        gone.remove("second")
        await second
        assert batch.healthy
        assert await is_ready(client)


async def test_what_another_replica_writes_between_two_attempts_is_not_lost(bench: Bench) -> None:
    """Who lost a race reads anew: first how far the others are, and then what it decides on."""
    one, two = bench.app(replica="one"), bench.app(replica="two")

    async def add(app: FastAPI, name: str) -> None:
        await app.state.ground.submit(tally.NumberGivenV1(number=1), name)

    async with running(one), running(two):
        await add(one, "a")
        await add(two, "b")
        handler, loads = one.state.ground.handler, list[int]()
        load = handler.load

        async def slowly(messages: Any) -> Any:
            state = await load(messages)
            loads.append(len(messages))
            if len(loads) == 2:
                await add(two, "c")
            return state

        handler.load = slowly
        await add(one, "d")
        assert len(loads) == 3
        assert await sums_of(one) == {"": 4}


async def test_who_stood_by_reads_what_the_other_left_before_its_first_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def reload(_: Any) -> None:
        done.append("reload")

    app = bench.app()
    async with running(app):
        monkeypatch.setattr(tally.Tally, "reload", reload)
        app.state.ground.ledger.forget()  # a group's replica knows no position before its first record
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
        assert done


async def test_connections_made_while_the_database_was_starting_are_not_kept(bench: Bench) -> None:
    """pymongo never asks again whether a server has sessions; one that is still recovering says no."""
    app = bench.app()
    async with running(app):
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "connected")
        mongo = app.state.ground.mongo
        before = mongo._client

        async def replaced() -> bool:
            for server in before.delegate._topology._servers.values():
                for connection in server.pool.conns:
                    connection.supports_sessions = False
            await bench.give("a", 0)
            return mongo._client is not before

        await until(replaced, "a transaction met one of them")
        await bench.give("a", 2)
        await until(lambda: sums_are(app, {"a": 3}), "it went on")
        assert await parked_in(app, "parked") == []
